#!/usr/bin/env python3
"""The levels of the page "Lose the wake-up": what the explorer in tests/model exports, and the header's text.

lose.py --write BUILD runs the explorer of BUILD and writes docs/lose; lose.py --check BUILD fails if that
would change a file. build.py turns docs/lose into scripts that the page loads, and `fragment` is the way to
each violation as a list, for readers without a script."""

import difflib
import html
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from sources import ROOT, source_page

HEADER = ROOT / "stage4_epoll_et/runtime/poll_desc.hpp"
LEVELS = ROOT / "docs/lose"

# A mutant of tests/model/mutants/poll_desc.cmake, and the scenario of tests/model/scenarios.cpp that is
# played with it. The last level is the header as it is.
GAMES = [
    ("neither wait nor compare-and-swap", "a byte"),
    ("an edge that came before waiting is forgotten", "a byte"),
    ("an edge is overwritten by wait", "a byte"),
    ("parking without compare-and-swap", "a byte"),
    ("an edge that came instead of parking is forgotten", "a byte"),
    ("no recheck between wait and parking", "a close"),
    ("close wakes first and says so then", "a close"),
    ("a timer wakes first and says so then", "a deadline"),
    ("a deadline in the past wakes first and says so then", "a deadline that has passed when it is set"),
    ("a deadline takes an edge back", "what has expired lives again"),
    ("an announced end or urgent data is forgotten", "bytes and an end"),
    ("waking without compare-and-swap", "close and an edge"),
    ("the sequence number is not compared", "an end, and the next owner"),
    ("the number stays the same when a life ends", "an old event and the next owner"),
    ("an old event ends a new stream", "an end, and the next owner"),
    ("close leaves the deadline there", "an old timer and the next owner"),
    ("moving a deadline without compare-and-swap", "a deadline is moved to later while it expires"),
    ("expiring without compare-and-swap", "a deadline is moved to later while it expires"),
    (None, "a byte, a deadline, and a close"),
]

# What a column shows while its actor is outside of the header: what the level has changed, or the first of these
# that the actor calls.
FIRST_SHOWN = ["block", "close", "expire", "set_deadline", "unblock"]


# ---- The header's functions ---------------------------------------------------------------------

def functions(text):
    """Each function's first line, counted from 1, and its lines."""
    lines = text.splitlines()
    found = {}
    for i, line in enumerate(lines):
        if match := re.search(r"basic_poll_desc<Atomic>::(\w+)\(", line):
            begin = i  # a return type or a parameter may stand on a line of its own
            while not lines[begin - 1].startswith("template"):
                begin -= 1
            found[match.group(1)] = (begin + 1, lines[begin:lines.index("}", i) + 1])
        elif match := re.match(r"    (?:\[\[nodiscard\]\] )?[\w:*& ]+ \*?(\w+)\([^;]*\{", line):
            end = i if line.rstrip().endswith("}") else lines.index("    }", i)
            found[match.group(1)] = (i + 1, lines[i:end + 1])
    return found


class Source:
    """A header, and where its functions are."""

    def __init__(self, text):
        self.functions = functions(text)

    def function_at(self, line):
        for name, (begin, body) in self.functions.items():
            if begin <= line < begin + len(body):
                return name
        raise ValueError(f"line {line} is in no function")

    def call(self, caller, callee, after):
        """The line of `caller` that calls `callee`, behind the line `after` if there is one. None: it does not."""
        begin, body = self.functions[caller]
        calls = [begin + i for i, text in enumerate(body)
                 if re.search(rf"(?<![:\w.]){callee}\(", text.split("//")[0]) and "::" + callee not in text]
        return next((line for line in calls if line >= after), calls[0] if calls else None)

    def stack(self, lines):
        """The lines of the calls that lead to the last one of `lines`, which an actor visits in this order."""
        frames = []  # [function, its line]
        for number, line in enumerate(lines):
            name = self.function_at(line)
            while frames and frames[-1][0] != name and self.call(frames[-1][0], name, 0) is None:
                frames.pop()
            if frames and frames[-1][0] != name:
                frames[-1][1] = self.call(frames[-1][0], name, frames[-1][1])
            if not frames and number == 0 and name == "check":
                frames.append(["prepare", self.call("prepare", name, 0)])
            if not frames and name == "unblock":
                frames.append(["report_ready", self.call("report_ready", name, 0)])
            if not frames or frames[-1][0] != name:
                frames.append([name, line])
            frames[-1][1] = line
        return [line for _, line in frames]


MOST_GONE = 10  # lines of a function that are shown struck through; more would hide what is left


def compared(real, broken, names):
    """For each function a list of [line of the header that was run, line of the real one, text, mark]: the mark is
    - for what the level leaves out, + for what it has instead. 0: the line is not in that header."""
    shown = {}
    for name in names:
        begin, body = broken.functions[name]
        real_begin, real_body = real.functions[name]
        rows = []
        for what, i1, i2, j1, j2 in difflib.SequenceMatcher(None, real_body, body, autojunk=False).get_opcodes():
            if what == "equal":
                rows += [[begin + j1 + n, real_begin + i1 + n, real_body[i1 + n], ""] for n in range(i2 - i1)]
            else:
                rows += [[0, real_begin + i, real_body[i], "-"] for i in range(i1, i2)]
                rows += [[begin + j, 0, body[j], "+"] for j in range(j1, j2)]
        gone = sum(mark == "-" for _, _, _, mark in rows)
        shown[name] = [row for row in rows
                       if not re.fullmatch(r"\s*// \[\w+\]", row[2]) and (row[3] != "-" or gone <= MOST_GONE)]
    return shown


# ---- From the explorer to a level ---------------------------------------------------------------

def header_lines(graph, standing):
    """The header's lines that an actor has visited in its round, and the next one."""
    labels = [graph["labels"][number] for number in standing[1::2]]
    if standing[0] >= 0:
        labels.append(graph["labels"][standing[0]])
    return [line for _, _, line in labels if line > 0]


def with_source(graph, text):
    """Adds the text: `stacks` has for each standing the lines that are lit, `code` the functions, `shown` an actor's
    first one."""
    real, run = Source(HEADER.read_text()), Source(text)
    graph["stacks"] = []
    for standing in graph["standings"]:
        inside = standing[0] >= 0 and graph["labels"][standing[0]][2] > 0
        graph["stacks"].append(run.stack(header_lines(graph, standing)) if inside else [])
    count = len(graph["actors"])
    visited = [{} for _ in range(count)]
    for state in graph["states"]:
        for who in range(count):
            for line in graph["stacks"][state[1 + who]]:
                visited[who][run.function_at(line)] = True
    graph["code"] = compared(real, run, dict.fromkeys(name for names in visited for name in names))
    first = [name for name, rows in graph["code"].items() if any(mark for _, _, _, mark in rows)] + FIRST_SHOWN
    graph["shown"] = [next((name for name in first if name in names), "") for names in visited]
    return graph


def mutants(build):
    """What each mutant is called: its directory, and the violation that it is known for."""
    found = {}
    for about in sorted((build / "tests/model/mutants").glob("poll_desc_*/about.txt")):
        name, violation = about.read_text().splitlines()
        found[name] = (about.parent, violation)
    return found


def level(build, mutant, scenario):
    program, text, violation = build / "tests/model/model_check", HEADER.read_text(), ""
    if mutant:
        directory, violation = mutants(build)[mutant]
        program = directory / f"mutant_{directory.name}"
        text = (directory / HEADER.name).read_text()
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run([program, "--scenario", scenario, *(["--finds", violation] if violation else []),
                        "--export", file.name], check=True)
        graph = json.loads(Path(file.name).read_text())
    return {"mutant": mutant or "", **with_source(graph, text)}


def written(level):
    """One line for each entry of a long list, so that a difference can be read."""
    parts = []
    for key, value in level.items():
        dense = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        if key in ("states", "standings", "worlds", "stacks"):
            dense = dense.replace("],[", "],\n[")
        parts.append(f'"{key}":{dense}')
    return "{" + ",\n".join(parts) + "}\n"


def read(number):
    return json.loads((LEVELS / f"{number}.json").read_text())


# ---- The words ----------------------------------------------------------------------------------

# What the explorer calls something, and how the page says it: in English, in Chinese.
WORDS = {
    "actors": {
        "reader": ("reader", "读的一方"),
        "network": ("network", "网络"),
        "peer": ("client", "客户端"),
        "poller": ("poller", "轮询器"),
        "closer": ("closer", "关闭方"),
        "clock": ("clock", "时钟"),
        "timers": ("timers", "定时器"),
        "setter": ("setter", "设置方"),
        "next reader": ("next reader", "下一个读的一方"),
    },
    "steps": {
        "enter": ("begins its call", "开始调用"),
        "try": ("tries: recv()", "尝试：recv()"),
        "awake": ("is woken", "被唤醒"),
        "collect": ("epoll_wait() returns the event", "epoll_wait() 返回事件"),
        "lock": ("takes the lock", "加锁"),
        "unlock": ("releases the lock", "解锁"),
        "look at the clock": ("reads the clock", "读时钟"),
        "wake": ("wakes the waiter", "唤醒等待者"),
        "a byte": ("a byte arrives", "到了一个字节"),
        "the end": ("the FIN arrives", "FIN 到达"),
        "..$": ("two bytes and the FIN arrive", "两个字节和 FIN 一起到达"),
        "tick": ("ticks", "走一格"),
        "close": ("begins close()", "开始 close()"),
        "EPOLL_CTL_ADD": ("EPOLL_CTL_ADD: the next descriptor", "EPOLL_CTL_ADD：下一个描述符"),
        "EPOLL_CTL_DEL": ("EPOLL_CTL_DEL", "EPOLL_CTL_DEL"),
    },
    "operations": {
        "load": ("reads {name}: {was}", "读 {name}：{was}"),
        "store": ("stores to {name}: {was} → {is}", "写 {name}：{was} → {is}"),
        "exchange": ("exchanges {name}: {was} → {is}", "交换 {name}：{was} → {is}"),
        "or": ("sets a bit of {name}: {was} → {is}", "置位 {name}：{was} → {is}"),
        "and": ("clears a bit of {name}: {was} → {is}", "清位 {name}：{was} → {is}"),
        "compare and swap": ("compare-and-swap of {name}: {was} → {is}", "{name} 的 CAS：{was} → {is}"),
        "failed": ("compare-and-swap of {name} fails: it is {was}", "{name} 的 CAS 失败：现在是 {was}"),
    },
    "upcoming": {
        "load": ("next: read {name}", "下一步：读 {name}"),
        "store": ("next: store to {name}", "下一步：写 {name}"),
        "exchange": ("next: exchange {name}", "下一步：交换 {name}"),
        "or": ("next: set a bit of {name}", "下一步：置位 {name}"),
        "and": ("next: clear a bit of {name}", "下一步：清位 {name}"),
        "compare and swap": ("next: compare-and-swap of {name}", "下一步：{name} 的 CAS"),
    },
    "also": {
        "bytes": ("bytes to read", "可读字节"),
        "held back": ("bytes behind urgent data", "紧急数据之后的字节"),
        "ended": ("FIN has arrived", "FIN 已到达"),
        "event": ("event for epoll_wait", "epoll_wait 待返回的事件"),
        "next bytes": ("bytes of the next descriptor", "下一个描述符的字节"),
        "next event": ("event of the next descriptor", "下一个描述符的事件"),
        "in use by the next": ("registered for the next descriptor", "已归下一个描述符"),
        "close has begun": ("close() has begun", "close() 已开始"),
        "lock": ("lock taken", "锁被占用"),
        "clock": ("clock", "时钟"),
        "timer": ("timer set for", "定时器设在"),
        "reader parks": ("reader in block()", "读的一方在 block() 中"),
        "next reader parks": ("next reader in block()", "下一个读的一方在 block() 中"),
    },
    "bits": {
        "closing": ("closing", "closing"),
        "error": ("error", "error"),
        "cuts reads": ("short reads", "short reads"),
        "read expired": ("read expired", "read expired"),
        "write expired": ("write expired", "write expired"),
        "": ("no bit", "没有置位"),
    },
    "returns": {
        "try 0": ("EAGAIN", "EAGAIN"),
        "try 1": ("bytes", "读到字节"),
        "try 2": ("end of file", "文件结束"),
        "enter 0": ("already closed", "已关闭"),
    },
    "ui": {
        "colon": (": ", "："),
        "level": ("Level", "关卡"),
        "before": ("Previous level", "上一关"),
        "after": ("Next level", "下一关"),
        "whose": ("Whose step is next?", "下一步由哪一方执行？"),
        "undo": ("undo", "撤销"),
        "restart": ("restart", "重来"),
        "hint": ("hint", "提示"),
        "begin": ("Choose who makes the first step.", "请选择由哪一方执行第一步。"),
        "keys": ("Keys: a digit lets that thread make a step; u undoes it, r restarts, h gives a hint. The address holds "
                 "the moment that you see: send it to a friend.",
                 "按键：数字让对应的线程执行一步；u 撤销，r 重来，h 提示。地址栏里的链接记录了当前的局面，可以发给别人。"),
        "history": ("Steps so far", "已执行的步骤"),
        "done": ("has finished", "已结束"),
        "upcoming": ("next: {what}", "下一步：{what}"),
        "parked": ("parked, until a wake-up", "已挂起，等待唤醒"),
        "waits": ("cannot continue yet: {what}", "暂时不能继续：{what}"),
        "cannot": ("{who} cannot make a step now.", "{who}现在不能执行。"),
        "undone": ("Undone: {what}", "已撤销：{what}"),
        "quiet": ("No thread can continue, and nothing has been lost. Undo, or restart.",
                  "所有线程都不能继续，什么也没有丢。请撤销或重来。"),
        "lost": ("Lost in {n} steps: {what}.", "用 {n} 步丢掉了：{what}。"),
        "hinted": ("Hint: {who} ({key})", "提示：{who}（{key}）"),
        "hopeless": ("From here, nothing can be lost any more. Undo a step.", "从这里已经丢不掉了，请撤销。"),
        "never": ("No state of this level is a loss: the explorer has tried them all.",
                  "这一关没有一个状态是输：穷举程序已全部试过。"),
        "yes": ("yes", "是"),
        "no": ("no", "否"),
        "missing": ("This level could not be loaded.", "这一关无法加载。"),
    },
    "violations": {
        "a waiter sleeps forever, though an edge has come":
            ("the reader is parked, the socket has something to read, and nothing will wake the reader",
             "读的一方已挂起，套接字有内容可读，却再也没有谁来唤醒它"),
        "a waiter sleeps forever, though it is closed":
            ("the reader is parked on a closed descriptor, and nothing will wake it",
             "读的一方挂起在已关闭的描述符上，再也没有谁来唤醒它"),
        "a waiter sleeps forever, though the deadline has come":
            ("the reader is parked, its deadline has passed, and nothing will wake it",
             "读的一方已挂起，截止时间已过，却再也没有谁来唤醒它"),
        "a waiter sleeps forever, and no word has it":
            ("the reader is parked, and its address is in no state word: nothing can wake it",
             "读的一方已挂起，但没有任何状态字记着它的地址，谁也无法唤醒它"),
        "a waiter that has not parked is woken":
            ("a reader that is not parked has been woken: in Go, the runtime throws",
             "唤醒了一个没有挂起的读的一方：在 Go 里运行时会直接 throw"),
        "a stale event wakes a waiter":
            ("an event of the closed descriptor has woken the reader of the next one",
             "旧描述符的事件唤醒了新描述符的读的一方"),
        "a stale event leaves `ready` behind":
            ("an event of the closed descriptor has made the next one look ready",
             "旧描述符的事件让新描述符看起来已就绪"),
        "a stale event ends the next stream":
            ("the end of the closed connection has been recorded for the next one",
             "旧连接的结束被记到了新连接上"),
        "a deadline fires early":
            ("a read has timed out before its deadline", "截止时间还没到，读就超时了"),
        "what has expired is not what was set":
            ("the deadline and the expired bit contradict each other", "截止时间与到期标志互相矛盾"),
        "closer waits for ever":
            ("close() waits forever for a reader that is not woken", "close() 一直等一个没有被唤醒的读的一方"),
    },
}


def word(kind, name, language):
    return WORDS[kind][name][("en", "zh").index(language)]


# These of `also` are true or false.
FLAGS = ["ended", "event", "next event", "in use by the next", "close has begun", "lock", "reader parks",
         "next reader parks"]


def words(language):
    """For the script."""
    said = {kind: {name: word(kind, name, language) for name in names} for kind, names in WORDS.items()}
    return {**said, "flags": FLAGS}


def value(atomic, text, language):
    """An atomic's value as the page says it. The script does the same."""
    if found := re.fullmatch(r"(\w+) of life (\d+)", text):
        return found[1] + (f"#{found[2]}" if found[2] != "0" else "")
    if found := re.fullmatch(r"life (\d+)((?: \w+)*)", text):
        bits = [name for name in WORDS["bits"] if name and f" {name}" in found[2]]
        said = ", ".join(word("bits", name, language) for name in bits) or word("bits", "", language)
        return said + (f"#{found[1]}" if found[1] != "0" else "")
    return text


def returned(graph, state, who, after, what):
    """What a step outside of the header returned: one of WORDS["returns"], or nothing that is worth a word."""
    if after is None:
        return ""
    before, past = graph["standings"][state[1 + who]], graph["standings"][after[1 + who]]
    if len(past) > len(before):
        result = f"{what} {graph['values'][past[-1]]}"
        return result if result in WORDS["returns"] else ""
    if what != "try":
        return ""
    bytes_at = len(graph["atomics"]) + graph["also"].index("bytes")  # the round has ended with this step
    taken = graph["worlds"][after[0]][bytes_at] < graph["worlds"][state[0]][bytes_at]
    return "try 1" if taken else "try 2"


def told(graph, state, who, after, language):
    """A step in words."""
    standing = graph["standings"][state[1 + who]]
    what, atomic, _ = graph["labels"][standing[0]]
    actor = word("actors", graph["actors"][who], language)
    colon = {"en": ": ", "zh": "："}[language]
    if atomic < 0:
        result = returned(graph, state, who, after, what)
        return actor + colon + word("steps", what, language) + (
            f" → {word('returns', result, language)}" if result else "")
    name = graph["atomics"][atomic]
    was = graph["values"][graph["worlds"][state[0]][atomic]]
    now = graph["values"][graph["worlds"][after[0]][atomic]] if after is not None else was
    if what == "compare and swap" and was == now:
        what = "failed"
    return actor + colon + word("operations", what, language).format(
        name=name, was=value(atomic, was, language), **{"is": value(atomic, now, language)})


def way(graph, language):
    """The explorer's way to a violation: sentences, and the violation."""
    states, count = graph["states"], len(graph["actors"])
    here, said = states[0], []
    for who in graph["lost"]:
        to = here[1 + count + who]
        after = states[to] if to >= 0 else None
        said.append(told(graph, here, who, after, language))
        if after is None:
            return said, graph["violations"][-2 - to]
        here = after
    return said, graph["violations"][here[-1]]


LOST = {"en": "Lost: {}.", "zh": "丢掉了：{}。"}
NUMBERS = {
    "en": "{states:,} states, {steps:,} steps between them, {executions:.2g} interleavings. In none of them is anything "
          "lost.",
    "zh": "{states:,} 个状态，{steps:,} 个步骤，{executions:.2g} 种交错，没有一种会丢失任何东西。",
}


def fragment(number, language):
    graph = read(number)
    if not graph["mutant"]:
        return f'<p class="lose-number">{NUMBERS[language].format(**graph["explored"])}</p>\n'
    steps, violation = way(graph, language)
    out = [f'<ol class="lose-way" data-level="{number}">']
    out += [f"<li>{html.escape(step)}</li>" for step in steps]
    out.append(f"</ol><p><b>{html.escape(LOST[language].format(word('violations', violation, language)))}</b></p>")
    return "\n".join(out) + "\n"


def board(language):
    """Where the script makes its board. Without a script there is nothing, and the page is its text."""
    given = {"words": words(language), "levels": len(GAMES), "source": source_page(HEADER)}
    text = json.dumps(given, ensure_ascii=False).replace("<", "\\u003c")
    return (f'<link rel="stylesheet" href="lose.css"/>\n<div id="lose"></div>\n'
            f'<script type="application/json" id="lose_words">{text}</script>\n<script src="lose.js"></script>\n')


def write_scripts(directory):
    """docs/lose as scripts: those can be loaded from a disk, too."""
    directory.mkdir()
    for number in range(1, len(GAMES) + 1):
        text = (LEVELS / f"{number}.json").read_text()
        (directory / f"{number}.js").write_text(f"loseLevel({number},{text});\n")


def main():
    option, build = sys.argv[1], Path(sys.argv[2]).resolve()
    LEVELS.mkdir(exist_ok=True)
    stale = False
    for number, (mutant, scenario) in enumerate(GAMES, start=1):
        path = LEVELS / f"{number}.json"
        text = written(level(build, mutant, scenario))
        if option == "--write":
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale = True
            print(f"BROKEN: docs/lose/{path.name} is not what the explorer finds now: "
                  f"docs/scripts/lose.py --write {build} writes it")
    print(f"{len(GAMES)} levels")
    sys.exit(1 if stale else 0)


if __name__ == "__main__":
    main()
