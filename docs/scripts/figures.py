#!/usr/bin/env python3
"""Puts what was measured into pages and READMEs: nobody types a figure.

figures.py PAGE     the page with the figures in the places of its \\measured{...}: docs/filter
figures.py --write  puts them into the READMEs, between their <!-- measured --> marks, and code between its own
figures.py --fuzzed adds what ./dev fuzz has executed since to docs/measured/fuzz.json
All are medians from docs/measured/results.json, which `./dev bench --publish` writes.

\\measured{COMPARISON; CASE; SERVER; COLUMN} is a value, \\measured{...; SERVER/OTHER; COLUMN} a ratio.
\\tried{TEST; TEST} is two cells: tests of faults, and how often they were tried, once through
(docs/measured/faults.json, which tests/faults/table.py --count writes); \\tried_on{} is the day.
\\fuzzed{NAME} is how many inputs a fuzzer has executed.
"""

import json
import re
import statistics
import sys

from sources import ROOT

RESULTS = ROOT / "docs/measured/results.json"
FAULTS = ROOT / "docs/measured/faults.json"
FUZZED = ROOT / "docs/measured/fuzz.json"
EXECUTED = ROOT / "build/fuzz/executed"
PREFIX = "check_server: "  # the list of conformance, where a test of tests/faults is not meant

# Name: where a result has it, factor, digits behind the point.
COLUMNS = {"us": ("server.cpu_ns_per_message", 1e-3, 2),
           "echoes": ("messages_per_second", 1, 0),
           "p50": ("latency_ns.p50", 1e-3, 0),
           "p99": ("latency_ns.p99", 1e-3, 0),
           "p999": ("latency_ns.p999", 1e-3, 0),
           "bytes": ("server.memory_per_idle", 1, 0),
           "mib": ("bytes_per_second", 2**-20, 0),
           "calls": ("calls.all", 1, 2)}

NAMES = {"en": {"bare": "bare epoll loop", "go": "Go", "asio": "Asio", "uv": "libuv", "uring": "io_uring",
                "always_try": "stage 5, always trying",
                "malloc_frames": "stage 5, frames from malloc", "wake_for_one": "stage 5, waking for one", "untraced": "stage 5 without --trace",
                "stage2": "stage 2, poll", "stage2-select": "stage 2, select", "stage2-spin": "stage 2, spin"},
         "zh": {"bare": "裸 epoll 循环", "go": "Go", "asio": "Asio", "uv": "libuv", "uring": "io_uring",
                "always_try": "第 5 阶段，总是先试",
                "malloc_frames": "第 5 阶段，帧来自 malloc", "wake_for_one": "第 5 阶段，有一个就唤醒", "untraced": "第 5 阶段，去掉 --trace",
                "stage2": "第 2 阶段，poll", "stage2-select": "第 2 阶段，select",
                "stage2-spin": "第 2 阶段，spin"}}
NUMBERED = {"en": {"stage": "stage {}", "sketch": "sketch {}"}, "zh": {"stage": "第 {} 阶段", "sketch": "草图 {}"}}


def results():
    return json.loads(RESULTS.read_text())


def name_of(server, language):
    numbered = re.fullmatch(r"(stage|sketch)(\d)", server)
    return NAMES[language].get(server) or (NUMBERED[language][numbered[1]].format(numbered[2]) if numbered else server)


def value_at(result, path):
    for name in path.split("."):
        result = result.get(name) if isinstance(result, dict) else None
    return result


def median(runs, comparison, case, server, path):
    found = [value_at(run["result"], path) for run in runs
             if (run["comparison"], run["case"], run["server"]) == (comparison, case, server)]
    found = [value for value in found if value is not None]
    return statistics.median(found) if found else None


class Missing(Exception):
    """There is no such figure: the text says which."""


def figure(runs, text):
    """What stands between the braces of a \\measured{...}."""
    words = [word.strip() for word in text.split(";")]
    if len(words) != 4 or words[3] not in COLUMNS:
        raise Missing(f"\\measured{{{text}}} is not COMPARISON; CASE; SERVER[/OTHER]; COLUMN")
    comparison, case, servers, column = words
    path, scale, digits = COLUMNS[column]
    values = [median(runs, comparison, case, server, path) for server in servers.split("/")]
    if None in values:
        raise Missing(f"\\measured{{{text}}} has not been measured")
    if len(values) == 2:
        return f"{values[0] / values[1]:.2f}"
    return f"{values[0] * scale:,.{digits}f}"


def tried(counts, text):
    """What stands between the braces of a \\tried{...}, and how often that was."""
    prefix = PREFIX if text.startswith(PREFIX) else ""
    names = [prefix + name.strip() for name in text.removeprefix(PREFIX).split(";")]
    missing = [name for name in names if name not in counts]
    if missing:
        raise Missing(f"\\tried{{{missing[0]}}} has not been counted: tests/faults/table.py --count does")
    shown = "; ".join(f"``{name.removeprefix(PREFIX)}``" for name in names)
    return f"{shown} | {sum(counts[name] for name in names):,}"


def fuzzed(counts, name):
    if name not in counts:
        raise Missing(f"\\fuzzed{{{name}}} has not been executed")
    return f"{counts[name]:,}"


def add_fuzzed():
    """Each line of `executed` is a run: a fuzzer's name and how many inputs. It is empty afterwards."""
    counts = json.loads(FUZZED.read_text())
    for line in EXECUTED.read_text().splitlines():
        name, count = line.split()
        counts[name] = counts.get(name, 0) + int(count)
    FUZZED.write_text(json.dumps(counts, indent=1) + "\n")
    EXECUTED.write_text("")


def expand(text):
    runs, faults = results()["runs"], json.loads(FAULTS.read_text())
    counts = json.loads(FUZZED.read_text())
    text = re.sub(r"\\measured\{([^}]*)\}", lambda found: figure(runs, found[1]), text)
    text = re.sub(r"\\fuzzed\{([^}]*)\}", lambda found: fuzzed(counts, found[1]), text)
    text = text.replace("\\tried_on{}", faults["date"])
    return re.sub(r"\\tried\{([^}]*)\}", lambda found: tried(faults["tried"], found[1]), text)


# ---- The READMEs -----------------------------------------------------------------------------------

HEADS = {"en": ("server", "CPU an echo, nobody idle", "beside {:,} idle connections", "memory of an idle one"),
         "zh": ("服务器", "每次回显的 CPU，无空闲连接", "旁边有 {:,} 个空闲连接", "每个空闲连接的内存")}
UNITS = {"en": ("µs", "bytes"), "zh": ("微秒", "字节")}
ABOUT = {"en": "One server thread, in stage 1 one for each client, on one core of {processor}, {cores} cores, Linux {kernel}, {compiler}, {go}; "
               "{day}. User memory only. `./dev bench` measures it where you are.",
         "zh": "服务器一个线程（第 1 阶段是每个客户端一个），占一个核：{processor}，{cores} 核，Linux {kernel}，{compiler}，{go}；{day}。"
               "内存只计用户态。`./dev bench` 在你的机器上重新测量。"}


def table(found, language):
    """The one table and its sentence of a README."""
    runs = found["runs"]
    cases = {int(run["case"].split()[0]): run["case"] for run in runs if run["comparison"] == "idle"}
    most = max(cases)
    memory = next(run["case"] for run in runs if run["comparison"] == "memory")
    servers = dict.fromkeys(run["server"] for run in runs if run["comparison"] == "idle")
    head = [text.format(most) for text in HEADS[language]]
    time, space = UNITS[language]
    lines = [f"| {' | '.join(head)} |", "| --- | ---: | ---: | ---: |"]
    for server in servers:
        cells = [median(runs, "idle", cases[count], server, COLUMNS["us"][0]) for count in (0, most)]
        cells = ["–" if value is None else f"{value / 1000:,.2f} {time}" for value in cells]
        room = median(runs, "memory", memory, server, COLUMNS["bytes"][0])
        cells.append("–" if room is None else f"{room:,.0f} {space}")
        lines.append(f"| {name_of(server, language)} | {' | '.join(cells)} |")
    about = found["machine"]
    return "\n".join([*lines, "", ABOUT[language].format(day=about["date"][:10], **about)])


def with_table(text, found, language):
    marked = re.compile(r"(<!-- measured -->\n).*?(<!-- /measured -->)", re.S)
    return marked.sub(lambda marks: f"{marks[1]}{table(found, language)}\n{marks[2]}", text)


def with_code(text):
    """The pieces of code of a README, between their marks, as the sources have them now."""
    def piece(marks):
        path, marker = marks[2].split(",")
        code = (ROOT / path).read_text().split(f"// [{marker}]\n")[1]
        lines = [line for line in code.splitlines() if not line.startswith("///")]
        return "\n".join([marks[1], "```cpp", *lines, "```", marks[3]])
    return re.sub(r"(<!-- code (\S+) -->)\n.*?(<!-- /code -->)", piece, text, flags=re.S)


def readmes():
    return [(ROOT / "README.md", "en"), (ROOT / "README.zh-CN.md", "zh")]


def main():
    if sys.argv[1:] == ["--write"]:
        for path, language in readmes():
            path.write_text(with_code(with_table(path.read_text(), results(), language)))
        return
    if sys.argv[1:] == ["--fuzzed"]:
        add_fuzzed()
        return
    text = open(sys.argv[1], encoding="utf-8").read()
    try:
        print(expand(text) if re.search(r"\\(measured|tried|fuzzed)\{", text) else text, end="")
    except Missing as error:
        sys.exit(f"{sys.argv[1]}: warning: {error}")


if __name__ == "__main__":
    main()
