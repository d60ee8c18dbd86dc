"""A recorded trace, docs/transcripts/*_timeline.json, as a timeline: SVG that takes the page's
colours, with a lane for each connection, and each event a link to its line of the source. site.js
steps through it; without that it can still be read and followed.

It is not to scale: what happens takes microseconds and waiting for it takes seconds, so the order
of the events says where they are, and where nothing happens the time is cut out."""

import html
import json
import re
from dataclasses import dataclass
from pathlib import Path

from sources import source_page, stage_directory

WAITS = ("poll", "select", "epoll_wait", "epoll_pwait2")
TURNS = ("serve", "resume")
READS = ("read", "recv")
WRITES = ("send", "sendmsg")
WAKES = ("ready", "timer")
WITHOUT_RESULT = (*TURNS, *WAKES, "park", "close")

CUT = 1000  # microseconds without an event from which on they are cut out
LANE, TOP, CUT_WIDTH, LANES_WIDTH = 46, 26, 64, 86
MARKS = {"park": "M-6 -4h12l-6 9z", "ready": "M-6 4h12l-6 -9z", "timer": "M0 -6l6 6l-6 6l-6 -6z",
         "close": "M-5 -3l2 -2l3 3l3 -3l2 2l-3 3l3 3l-2 2l-3 -3l-3 3l-2 -2l3 -3z"}

WORDS = {
    "en": {
        "poller": "poller", "listener": "listener", "client": "client {number}", "other": "others",
        "thread": "thread {}", "is": "{}: {}", "and": ", ", "fd": " (fd {})",
        "units": [(1, "µs"), (1e3, "ms"), (1e6, "s")],
        "waiter": {4: "callback", 5: "coroutine"},
        "waited": "{result} events after {took}",
        "nothing": "nothing in {took}",
        "accept4": "a client, who gets descriptor {result}", "read": "{result} bytes",
        "ended": "0, the client has ended", "write": "{result} bytes", "connect": "connected",
        "accept4 EAGAIN": "EAGAIN, nobody waits to be accepted",
        "read EAGAIN": "EAGAIN, nothing to read", "write EAGAIN": "EAGAIN, no room",
        "epoll_ctl ADD": "the kernel watches it from now on",
        "epoll_ctl MOD": "the kernel watches it for something else",
        "epoll_ctl DEL": "the kernel watches it no longer",
        "serve": "serves it, {took}", "resume": "runs its {waiter}, {took}",
        "park": "its {waiter} parks, and waits for the descriptor",
        "ready": "its {waiter} goes into a run queue", "timer": "its deadline has passed",
        "close": "its descriptor is closed",
        "figure": "Timeline of {name}, {count} events", "scroll": "the events, a lane for each connection",
        "first": "to the first event", "back": "one event back", "forward": "one event forward",
        "keys": "The arrow keys step, too.",
        "caption": "From left to right in the order in which it happened, not to scale: where nothing "
                   "happens the time is cut out, and what was cut stands above.",
        "legend": {"t1": "thread 1", "t2": "thread 2", "turn": "a run", "call": "a system call",
                   "failed": "one that fails", "parked": "parked", "park": "parks", "ready": "is woken",
                   "timer": "its deadline passes", "close": "is closed"},
    },
    "zh": {
        "poller": "轮询器", "listener": "监听者", "client": "客户端 {number}", "other": "其他",
        "thread": "线程 {}", "is": "{}：{}", "and": "，", "fd": "（fd {}）",
        "units": [(1, "微秒"), (1e3, "毫秒"), (1e6, "秒")],
        "waiter": {4: "回调", 5: "协程"},
        "waited": "等了 {took}，来了 {result} 个事件",
        "nothing": "等了 {took}，没有事件",
        "accept4": "接到一个客户端，描述符是 {result}", "read": "读到 {result} 字节",
        "ended": "返回 0，客户端已经结束", "write": "写出 {result} 字节", "connect": "连上了",
        "accept4 EAGAIN": "EAGAIN，没有等待接受的客户端",
        "read EAGAIN": "EAGAIN，没有可读的", "write EAGAIN": "EAGAIN，没有空间",
        "epoll_ctl ADD": "从现在起内核关注它",
        "epoll_ctl MOD": "内核改为关注它的其他事件",
        "epoll_ctl DEL": "内核不再关注它",
        "serve": "为它服务，用时 {took}", "resume": "运行它的{waiter}，用时 {took}",
        "park": "它的{waiter}挂起，等待这个描述符",
        "ready": "它的{waiter}进入运行队列", "timer": "它的截止时间已过",
        "close": "它的描述符已关闭",
        "figure": "{name} 的时间线，{count} 个事件", "scroll": "各个事件，每条连接一行",
        "first": "回到第一个事件", "back": "后退一个事件", "forward": "前进一个事件",
        "keys": "也可以用方向键。",
        "caption": "从左到右按发生的先后排列，不按比例：什么也没发生的时间被剪掉，剪掉多少写在上方。",
        "legend": {"t1": "线程 1", "t2": "线程 2", "turn": "执行一轮", "call": "系统调用",
                   "failed": "失败的系统调用", "parked": "已挂起", "park": "挂起", "ready": "被唤醒",
                   "timer": "截止时间已过", "close": "关闭"},
    },
}


@dataclass(eq=False)
class Lane:
    kind: str  # poller, listener, client, other
    fd: int | None = None
    number: int = 0


@dataclass(eq=False)
class Event:
    name: str
    thread: int
    begin: float
    end: float | None  # in microseconds, as begin; None if it is a point in time
    at: str
    fd: int | None
    waiter: str | None
    result: int | None
    errno: str | None
    record: dict  # as it was read
    lane: Lane | None = None

    @property
    def is_call(self):
        return self.name not in WITHOUT_RESULT

    @property
    def kind(self):
        """What its explanation is called."""
        for kind, names in (("read", READS), ("write", WRITES), ("wait", WAITS)):
            if self.name in names:
                return kind
        return self.name


def read(text):
    """The program that a trace is of, and its events in the order in which they began."""
    records = json.loads(text)
    name = next(each["args"]["name"] for each in records if each["name"] == "process_name")
    records = sorted((each for each in records if each["ph"] != "M"),
                     key=lambda each: (each["ts"], -each.get("dur", 0)))
    threads = {}
    events = []
    for each in records:
        told = each["args"]
        end = each["ts"] + each["dur"] if each["ph"] == "X" else None
        events.append(Event(each["name"], threads.setdefault(each["tid"], len(threads) + 1), each["ts"],
                            end, told["at"], told.get("fd"), told.get("waiter"), told.get("result"),
                            told.get("errno"), each))
    Owners(events).settle()
    return name, events


class Owners:
    """Finds the descriptor that an event belongs to. A system call names it. Of a coroutine that is woken or
    runs, the trace has only the address, which belongs to the descriptor it parks on, until that is closed."""

    def __init__(self, events):
        self.events = events
        self.listeners = {event.fd for event in events if event.name == "accept4"}
        self.poller = Lane("poller")
        self.of_fd, self.of_waiter, self.unknown = {}, {}, {}
        self.clients = 0

    def settle(self):
        for event in self.events:
            if event.name in WAITS:
                event.lane = self.poller
            elif event.fd is not None:
                self.has_fd(event)
            elif event.waiter in self.of_waiter:
                event.lane = self.of_waiter[event.waiter]
            else:
                self.unknown.setdefault(event.waiter, []).append(event)
        others = Lane("other")
        for event in self.events:
            event.lane = event.lane or others

    def has_fd(self, event):
        event.lane = self.of_fd.get(event.fd) or self.open(event.fd)
        if event.name == "accept4" and event.result >= 0:
            self.of_fd[event.result] = None  # what had this number before is no more
            self.open(event.result)
        elif event.name == "park":
            self.of_waiter[event.waiter] = event.lane
            for earlier in self.unknown.pop(event.waiter, []):
                earlier.lane = event.lane
        elif event.name == "close":
            self.of_waiter = {w: lane for w, lane in self.of_waiter.items() if lane is not event.lane}

    def open(self, fd):
        if fd in self.listeners:
            lane = Lane("listener", fd)
        elif fd in self.of_fd:
            self.clients += 1
            lane = Lane("client", fd, self.clients)
        else:
            lane = Lane("other", fd)
        self.of_fd[fd] = lane
        return lane


def shape(text):
    """What is the same each time: for each connection what happens, in its order. Not when, not on
    which thread, and not how often a thread without work looks for some."""
    lanes = {}
    for event in read(text)[1]:
        if event.lane.kind != "poller":
            name = f"{event.lane.kind} {event.lane.number or ''}".strip()
            lanes.setdefault(name, []).append(f"{event.name} {event.errno or ''}".strip())
    return {f"{name}: {', '.join(happened)}" for name, happened in lanes.items()}


# ---- Where it is in the source ------------------------------------------------------------------

def line_of(stage, event):
    """The file and the number of the line, from 1; 0 if nothing there takes note of such an event.
    The line may have moved since the trace was recorded: it is the nearest that does."""
    name, _, number = event.at.partition(":")
    path = next(stage_directory(stage).rglob(name), Path(name))
    lines = path.read_text().splitlines() if path.exists() else []
    call, _, operation = event.name.partition(" ")  # epoll_ctl ADD
    noted = rf"trace::{call}\(" if event.is_call else rf'trace::(event|span)\b.*"{call}"'
    found = [i for i, line in enumerate(lines, start=1) if re.search(noted, line)]
    exact = [i for i in found if operation and f"EPOLL_CTL_{operation}" in lines[i - 1]]
    return path, min(exact or found, key=lambda i: abs(i - int(number)), default=0)


# ---- What it says -------------------------------------------------------------------------------

def span(words, microseconds):
    factor, unit = next((each for each in reversed(words["units"]) if microseconds >= each[0]),
                        words["units"][0])
    value = microseconds / factor
    return f"{value:.3g} {unit}" if value < 100 else f"{value:.0f} {unit}"


def lane_name(words, lane):
    return words[lane.kind].format(number=lane.number)


def meaning(words, stage, event):
    """What an event says, in one sentence."""
    took = span(words, event.end - event.begin) if event.end is not None else ""
    key = event.kind
    if key == "wait":
        key = "waited" if event.result else "nothing"
    elif event.errno:
        key = f"{key} {event.errno}"
    elif key == "read" and event.result == 0:
        key = "ended"
    if key not in words:
        return event.errno or str(event.result)
    text = words[key].format(result=event.result, took=took, waiter=words["waiter"].get(stage, ""))
    return re.sub(r"^1 (byte|event)s", r"1 \1", text)


def explain(words, stage, event, start):
    """Describes an event: the descriptor, the thread, the time, and what happened."""
    who = lane_name(words, event.lane)
    if event.lane.fd is not None:
        who += words["fd"].format(event.lane.fd)
    when = span(words, event.begin - start) if event.begin > start else f"0 {words['units'][0][1]}"
    who = words["and"].join([who, words["thread"].format(event.thread), when])
    return words["is"].format(who, meaning(words, stage, event))


# ---- What it looks like -------------------------------------------------------------------------

def label(event):
    return event.name.split()[-1] if event.is_call else ""


def columns(events):
    """Where each event begins and ends, from the left, and where how much time is cut out."""
    points = [(event.begin, 0, i, event) for i, event in enumerate(events)]
    points += [(event.end, 1, -i, event) for i, event in enumerate(events) if event.end is not None]
    begin, end, cuts = {}, {}, []
    x, last = 4, None
    for time, is_end, _, event in sorted(points, key=lambda point: point[:3]):
        if last is not None and time - last >= CUT:
            cuts.append((x + 8, time - last))
            x += CUT_WIDTH
        else:
            x += 9 if is_end else 14
        last = time
        if is_end:
            x = max(x, begin[event] + len(label(event)) * 6.4 + 10)
        (end if is_end else begin)[event] = x
    return begin, end, cuts, x + 14


def parked_until(events, i):
    """When what parks in this event is woken, or finds that it need not wait."""
    for event in events[i + 1:]:
        is_woken = event.name in WAKES and event.waiter == events[i].waiter
        if is_woken or (event.is_call and event.lane is events[i].lane and event.thread == events[i].thread):
            return event
    return None


class Drawing:
    def __init__(self, words, name, events):
        self.words, self.name, self.events = words, name, events
        self.stage = int(re.match(r"stage(\d)", name).group(1))
        order = ["poller", "listener", "client", "other"]
        self.lanes = sorted(dict.fromkeys(event.lane for event in events),
                            key=lambda lane: order.index(lane.kind))
        self.begin, self.end, self.cuts, self.width = columns(events)
        self.height = TOP + LANE * len(self.lanes)

    def middle(self, lane):
        return TOP + LANE * self.lanes.index(lane) + LANE / 2

    def lane_names(self):
        out = []
        for lane in self.lanes:
            y = self.middle(lane) + (4 if lane.fd is None else -2)
            out.append(f'<text x="0" y="{y}">{lane_name(self.words, lane)}</text>')
            if lane.fd is not None:
                out.append(f'<text x="0" y="{y + 15}" class="fd">fd {lane.fd}</text>')
        return (f'<svg class="lanes" width="{LANES_WIDTH}" height="{self.height}">'
                f'{"".join(out)}</svg>')

    def ground(self):
        out = []
        for lane in self.lanes:
            y = self.middle(lane) - LANE / 2
            out.append(f'<line class="between" x1="0" y1="{y}" x2="100%" y2="{y}"/>')
        for x, cut in self.cuts:
            out.append(f'<rect class="cut" x="{x:.0f}" y="{TOP - 4}" width="{CUT_WIDTH - 16}" '
                       f'height="{self.height - TOP + 4}"/><text class="cut" x="{x + CUT_WIDTH / 2 - 8:.0f}" '
                       f'y="{TOP - 10}" text-anchor="middle">{span(self.words, cut)}</text>')
        for i, event in enumerate(self.events):
            if event.name == "park":
                until = parked_until(self.events, i)
                x = self.begin[event]
                wide = (self.begin[until] if until else self.width) - x
                out.append(f'<rect class="parked" x="{x:.0f}" y="{self.middle(event.lane) - 4}" '
                           f'width="{wide:.0f}" height="8"/>')
        return "".join(out)

    def bar(self, event):
        x, y = self.begin[event], self.middle(event.lane)
        wide = self.end[event] - x
        if event.is_call:
            return (f'<rect x="{x:.0f}" y="{y - 10}" width="{wide:.0f}" height="20" rx="3"/>'
                    f'<text x="{x + 5:.0f}" y="{y + 4}">{label(event)}</text>')
        return (f'<rect x="{x:.0f}" y="{y - 18}" width="{wide:.0f}" height="36" rx="5"/>'
                f'<text x="{x + 4:.0f}" y="{y - 7}">{event.thread}</text>')

    def mark(self, event):
        return (f'<path d="{MARKS[event.name]}" '
                f'transform="translate({self.begin[event]:.0f} {self.middle(event.lane)})"/>')

    def event(self, event):
        path, line = line_of(self.stage, event)
        where = f"{path.name}:{line}"
        text = path.read_text().splitlines()[line - 1].strip() if line else ""
        what = explain(self.words, self.stage, event, self.events[0].begin)
        kind = "call" if event.is_call else "turn" if event.end is not None else "mark"
        failed = " failed" if event.errno else ""
        said = html.escape(f"{event.name} — {what}\n{where}: {text}", quote=False)
        shape_of = self.bar(event) if event.end is not None else self.mark(event)
        return (f'<a class="event {kind} t{(event.thread - 1) % 2 + 1}{failed}" '
                f'href="{source_page(path)}#l{line:05d}" data-name="{event.name}" '
                f'data-what="{html.escape(what)}" data-where="{where}" data-code="{html.escape(text)}">'
                f"<title>{said}</title>{shape_of}</a>")

    def figure(self):
        words = self.words
        title = words["figure"].format(name=self.name, count=len(self.events))
        buttons = "".join(f'<button type="button" class="{name}" title="{words[name]}" '
                          f'aria-label="{words[name]}">{sign}</button>'
                          for name, sign in [("first", "⇤"), ("back", "←"), ("forward", "→")])
        return (f'<figure class="timeline" role="group" aria-label="{title}">'
                f'<div class="box">{self.lane_names()}'
                f'<div class="scroll" tabindex="0" role="group" aria-label="{words["scroll"]}">'
                f'<svg width="{self.width:.0f}" height="{self.height}">{self.ground()}'
                f'<line class="cursor" y1="{TOP - 6}" y2="{self.height}" visibility="hidden"/>'
                + "\n".join(self.event(event) for event in self.events)
                + f'</svg></div></div>\n<div class="steps" hidden>{buttons}'
                f'<span class="count"></span><span class="keys">{words["keys"]}</span></div>'
                f'<p class="told" aria-live="polite" hidden></p>'
                f'<figcaption>{self.legend()}{words["caption"]}</figcaption></figure>\n')

    def legend(self):
        """Only what is to be seen in it."""
        seen = {event.name for event in self.events} | {f"t{event.thread}" for event in self.events}
        drawn = {name: f'<path class="mark t1" d="{mark}" transform="translate(9 8)"/>'
                 for name, mark in MARKS.items() if name in seen}
        boxes = {"turn": ("turn t1", 14), "call": ("call t1", 10), "failed": ("call t1 failed", 10)}
        boxes |= {name: (f"call {name}", 14) for name in ("t1", "t2") if name in seen}
        if "park" in seen:
            boxes["parked"] = ("parked", 8)
        for name, (kind, high) in boxes.items():
            drawn[name] = f'<rect class="{kind}" x="1" y="{8 - high // 2}" width="16" height="{high}" rx="2"/>'
        return '<span class="legend">' + "".join(
            f'<span><svg width="18" height="16" aria-hidden="true">{drawn[name]}</svg> {text}</span>'
            for name, text in self.words["legend"].items() if name in drawn) + "</span>"


def fragment(path, language):
    return Drawing(WORDS[language], *read(path.read_text())).figure()
