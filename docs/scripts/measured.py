"""The results of `./dev bench` as HTML: a table for each comparison, and the plots; or how to make
them."""

import html
import json
import statistics

from sources import ROOT

RESULTS = ROOT / "build/bench/results.json"

COLUMNS = [("messages_per_second", "echoes/s|回显/秒", 1, 0),
           ("server.cpu_ns_per_message", "server CPU, ns/echo|服务器 CPU，纳秒/回显", 1, 0),
           ("latency_ns.p50", "p50, µs|p50，微秒", 1e-3, 1),
           ("latency_ns.p99", "p99, µs|p99，微秒", 1e-3, 1),
           ("server.memory_per_idle", "bytes/idle connection|字节/空闲连接", 1, 0)]
WORDS = {
    "en": {"none": "Nothing has been measured in this tree. <code>./dev bench --quick</code> takes "
                   "three minutes, <code>./dev bench</code> as long as it takes to be sure; then "
                   "<code>./dev docs</code> puts tables and plots here.",
           "machine": "Measured on {processor}, {cores} cores, Linux {kernel}, {compiler}, {go}; "
                      "{date}. Medians; load before the measurement: {load:.1f}.",
           "server": "server", "rounds": "median of {}"},
    "zh": {"none": "这棵目录树里还没有测量结果。<code>./dev bench --quick</code> 三分钟出结果，"
                   "<code>./dev bench</code> 测得更久、更可靠；之后再运行 <code>./dev docs</code>，"
                   "这里就会有表格和曲线。",
           "machine": "测量环境：{processor}，{cores} 核，Linux {kernel}，{compiler}，{go}；{date}。"
                      "取中位数；测量前的系统负载 {load:.1f}。",
           "server": "服务器", "rounds": "{} 轮的中位数"},
}


def value_at(result, path):
    for name in path.split("."):
        result = result.get(name) if isinstance(result, dict) else None
    return result


def table(runs, language, words):
    place = {"en": 0, "zh": 1}[language]
    by_server = {}
    for run in runs:
        by_server.setdefault(run["server"], []).append(run["result"])

    def median(server, path):
        found = [value_at(result, path) for result in by_server[server]]
        found = [value for value in found if value is not None]
        return statistics.median(found) if found else None

    columns = [column for column in COLUMNS if any(median(s, column[0]) for s in by_server)]
    rounds = max(len(results) for results in by_server.values())
    heads = [words["server"], *(title.split("|")[place] for _, title, _, _ in columns)]
    out = ['<table class="markdownTable"><tr class="markdownTableHead">',
           "".join(f"<th>{head}</th>" for head in heads), "</tr>"]
    for server in by_server:
        cells = [html.escape(server)]
        for path, _, scale, digits in columns:
            value = median(server, path)
            cells.append("–" if value is None else f"{value * scale:,.{digits}f}")
        out.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    out.append(f"</table><p><small>{words['rounds'].format(rounds)}</small></p>")
    return "".join(out)


def fragment(language, plots):
    words = WORDS[language]
    if not RESULTS.exists():
        return f"<p>{words['none']}</p>\n"
    results = json.loads(RESULTS.read_text())
    about = results["machine"]
    out = ["<p>" + html.escape(words["machine"].format(load=about.get("load_before", 0), **about))
           + "</p>"]
    for plot in plots:
        out.append(f'<figure class="plot"><img src="{plot.name}" alt="{plot.stem}"></figure>')
    cases = dict.fromkeys((run["comparison"], run["case"]) for run in results["runs"])
    for comparison, case in cases:
        runs = [run for run in results["runs"]
                if (run["comparison"], run["case"]) == (comparison, case)]
        out.append(f"<h3>{html.escape(comparison)}: {html.escape(case)}</h3>")
        out.append(table(runs, language, words))
    return "\n".join(out) + "\n"
