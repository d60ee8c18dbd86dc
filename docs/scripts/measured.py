"""The results of `./dev bench` as HTML: a table for each comparison, and the plots."""

import html

import figures

COLUMNS = [("messages_per_second", "echoes/s|回显/秒", 1, 0),
           ("server.cpu_ns_per_message", "server CPU, ns/echo|服务器 CPU，纳秒/回显", 1, 0),
           ("latency_ns.p50", "p50, µs|p50，微秒", 1e-3, 1),
           ("latency_ns.p99", "p99, µs|p99，微秒", 1e-3, 1),
           ("latency_ns.p999", "p99.9, µs|p99.9，微秒", 1e-3, 1),
           ("bytes_per_second", "MiB/s|MiB/秒", 2**-20, 0),
           ("calls.all", "system calls/echo|系统调用/回显", 1, 2),
           ("server.memory_per_idle", "bytes/idle connection|字节/空闲连接", 1, 0)]
WORDS = {
    "en": {"machine": "Measured on {processor}, {cores} cores, Linux {kernel}, {compiler}, {go}; "
                      "{date}. Medians; load before the measurement: {load:.1f}.",
           "limit": "A process gets {limit:,} descriptors there: idle connections stop at {most:,}.",
           "again": "A second run of the same programs, CPU an echo, beside the first: at most {:.1%} apart.",
           "server": "server", "rounds": "median of {}", "failed": "failed"},
    "zh": {"machine": "测量环境：{processor}，{cores} 核，Linux {kernel}，{compiler}，{go}；{date}。"
                      "取中位数；测量前的系统负载 {load:.1f}。",
           "limit": "那里一个进程最多有 {limit:,} 个描述符：空闲连接到 {most:,} 为止。",
           "again": "同样的程序再测一遍，每次回显的 CPU 与前一遍相比：最多相差 {:.1%}。",
           "server": "服务器", "rounds": "{} 轮的中位数", "failed": "失败"},
}

# What each plot answers, for readers who do not see it.
PLOTS = {
    "cpu": {"en": "What does an echo cost the server, in CPU time?", "zh": "一次回显要花服务器多少 CPU 时间？"},
    "grid": {"en": "Does that change with the size of the message and the number of clients?",
             "zh": "消息大小和客户端数目不同时，开销有什么变化？"},
    "idle": {"en": "What do idle connections add to the cost of an echo?", "zh": "空闲连接会让一次回显多花多少？"},
    "latency": {"en": "How long does a client wait for its echo?", "zh": "客户端要等多久才收到回显？"},
    "lateness": {"en": "How late do deadlines come?", "zh": "截止时间会晚到多久？"},
    "memory": {"en": "How much memory does an idle connection take?", "zh": "一个空闲连接占用多少内存？"},
}


def table(runs, language, words):
    place = {"en": 0, "zh": 1}[language]
    columns = [column for column in COLUMNS
               if any(figures.value_at(run["result"], column[0]) for run in runs)]
    heads = [words["server"], *(title.split("|")[place] for _, title, _, _ in columns)]
    out = ['<table class="markdownTable"><tr class="markdownTableHead">',
           f"<th>{heads[0]}</th>" + "".join(f'<th class="number">{head}</th>' for head in heads[1:]), "</tr>"]
    for run in runs:
        cells = [html.escape(figures.name_of(run["server"], language))]
        for path, _, scale, digits in columns:
            value = figures.value_at(run["result"], path)
            cells.append("–" if value is None else f"{value * scale:,.{digits}f}")
        out.append(f"<tr><td>{cells[0]}</td>" + "".join(f'<td class="number">{cell}</td>' for cell in cells[1:]) + "</tr>")
    rounds = max(run["rounds"] for run in runs)
    out.append(f"</table><p><small>{words['rounds'].format(rounds)}</small></p>")
    return "".join(out)


def fragment(language, plots):
    words = WORDS[language]
    results = figures.results()
    about = results["machine"]
    out = ["<p>" + html.escape(words["machine"].format(load=about["load_before"], **about)) + "</p>"]
    most = max(int(run["case"].split()[0]) for run in results["runs"] if run["comparison"] == "idle")
    if most < 1_000_000:
        out.append(f"<p>{words['limit'].format(limit=about['descriptor_limit'], most=most)}</p>")
    if results["again"]:
        apart = max(abs(each["ratio"] - 1) for each in results["again"])
        out.append(f"<p>{words['again'].format(apart)}</p>")
    for plot in plots:
        title = PLOTS[plot.name.split(".")[0]][language]
        out.append(f'<figure class="plot"><img src="{plot.name}" alt="{html.escape(title)}"></figure>')
    shown = None
    cases = dict.fromkeys((run["comparison"], run["case"]) for run in results["runs"])
    for comparison, case in cases:
        runs = [run for run in results["runs"]
                if (run["comparison"], run["case"]) == (comparison, case)]
        if comparison != shown:
            if shown:
                out.append("</details>")
            out.append(f"<details><summary>{html.escape(comparison)}</summary>")
            shown = comparison
        out.append(f"<p><b>{html.escape(case)}</b></p>")
        out.append(table(runs, language, words))
    out.append("</details>")
    for failure in results["failures"]:
        out.append(f"<p>{words['failed']}: {html.escape(str(failure))}</p>")
    return "\n".join(out) + "\n"
