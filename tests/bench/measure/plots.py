"""The results as pictures: SVG in English and Chinese, for light pages and dark ones.

Text, axes and grid are of a grey that can be read on white as on black, and there is no background.
Text stays text, in the reader's own fonts: none of this machine's is needed, Chinese included.
"""

import logging
import warnings

from measure import table

GREY = "#7d7d7d"
COLOURS = {"stage1": "#d55e00", "stage2": "#e69f00", "stage3": "#56b4e9", "stage4": "#3f8fd2",
           "stage5": "#e0488b", "bare": "#8c8c8c", "go": "#00a5b5", "asio": "#9467bd", "uv": "#4aa84a",
           "uring": "#a0762b", "stage2-select": "#c9a227", "stage2-spin": "#8d6e63"}
MARKS = {"bare": "s", "go": "^", "asio": "D", "uv": "v", "uring": "P", "stage5": "o"}

WORDS = {  # English: Chinese
    "What do idle connections add to the cost of an echo?": "空闲连接会让一次回显多花多少？",
    "idle connections": "空闲连接数",
    "microseconds of the server's CPU per echo": "每次回显占用的服务器 CPU（微秒）",
    "How many echoes a second, one after the other?": "一问一答，每秒能回显多少次？",
    "connections": "连接数",
    "echoes a second": "每秒回显次数",
    "bytes a message": "字节/消息",
    "How much memory does an idle connection take?": "一个空闲连接占用多少内存？",
    "bytes of user memory": "用户态内存（字节）",
    "How long does a client wait for its echo, one of 64?": "64 个客户端之一要等多久才收到回显？",
    "microseconds": "微秒",
    "of all echoes are quicker": "的回显快于此值",
    "How late do deadlines come?": "截止时间会晚到多久？",
    "of all deadlines are earlier": "的截止时间早于此值",
    "What does an echo cost the server, on one thread?": "单线程时，一次回显要花服务器多少 CPU？",
    "microseconds of CPU": "CPU（微秒）",
    "measured": "测于",
    "cores": "核",
    "bare epoll loop": "裸 epoll 循环", "stage 1": "第 1 阶段", "stage 2": "第 2 阶段", "stage 3": "第 3 阶段",
    "stage 4": "第 4 阶段", "stage 5": "第 5 阶段",
    "stage 2, select": "第 2 阶段，select", "stage 2, spin": "第 2 阶段，spin", "longest": "最长",
}
NAMES = {"bare": "bare epoll loop", "go": "Go", "asio": "Asio", "uv": "libuv", "uring": "liburing",
         "stage2-select": "stage 2, select", "stage2-spin": "stage 2, spin",
         **{f"stage{number}": f"stage {number}" for number in range(1, 6)}}


class Picture:
    """One plot in one language."""

    def __init__(self, pyplot, results, language, panels=1):
        self.words = WORDS if language == "zh" else {}
        self.results = results
        self.figure, axes = pyplot.subplots(1, panels, figsize=(8, 4.6), sharex=True, sharey=True, squeeze=False)
        self.axes = list(axes[0])
        for each in self.axes:
            each.grid(True, color=GREY, alpha=0.3, linewidth=0.6)
            for side in ("top", "right"):
                each.spines[side].set_visible(False)

    def say(self, text):
        text = NAMES.get(text, text)
        return self.words.get(text, text)

    def median(self, comparison, case, server, path):
        return table.median(self.results["runs"], comparison, case, server, path)

    def line(self, axes, server, points):
        points = [point for point in points if point[1] is not None]
        if points:
            ours = server.startswith("stage")
            axes.plot(*zip(*points), color=COLOURS.get(server, GREY), label=self.say(server),
                      marker=MARKS.get(server, "o"), markersize=4, linewidth=2 if ours else 1.3,
                      linestyle="-" if ours else "--")

    def save(self, path, title):
        about = self.results["machine"]
        self.figure.suptitle(self.say(title), color=GREY, fontsize=13)
        self.figure.text(0.5, 0.005, f"{about['processor']}, {about['cores']} {self.say('cores')}, "
                         f"Linux {about['kernel']}, {self.say('measured')} {about['date'][:10]}",
                         ha="center", color=GREY, fontsize=8)
        self.figure.tight_layout(rect=(0, 0.15 if len(self.axes) > 1 else 0.03, 1, 1))  # room for a legend below
        self.figure.savefig(path, transparent=True, metadata={"Date": None})


def seen(results, comparison, field):
    """The values of a field in a comparison's runs, each once, in the order of the runs."""
    return list(dict.fromkeys(run[field] for run in results["runs"] if run["comparison"] == comparison))


def legend(axes, **where):
    axes.legend(frameon=False, labelcolor=GREY, fontsize=9, **where)


def plain_numbers(axis):
    """1,000 in place of 10 to the third, and 200 and 500 in between."""
    axis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axis.set_minor_formatter(lambda value, _: f"{value:,.0f}" if f"{value:e}"[0] in "25" else "")


def idle(picture):
    axes = picture.axes[0]
    cases = {int(case.split()[0]): case for case in seen(picture.results, "idle", "case")}
    for server in seen(picture.results, "idle", "server"):
        values = [(count, picture.median("idle", case, server, "server.cpu_ns_per_message"))
                  for count, case in sorted(cases.items())]
        picture.line(axes, server, [(count, value and value / 1000) for count, value in values])
    axes.set_xscale("symlog", linthresh=100)
    axes.set_yscale("log")
    plain_numbers(axes.xaxis)
    plain_numbers(axes.yaxis)
    axes.set_xlabel(picture.say("idle connections"))
    axes.set_ylabel(picture.say("microseconds of the server's CPU per echo"))
    legend(axes)
    return "What do idle connections add to the cost of an echo?"


def grid(picture):
    cases = {}  # size: {connections: case}
    for case in seen(picture.results, "grid", "case"):
        size, _, connections, _ = case.split()
        cases.setdefault(int(size), {})[int(connections)] = case
    for axes, (size, line) in zip(picture.axes, sorted(cases.items())):
        for server in seen(picture.results, "grid", "server"):
            picture.line(axes, server, [(count, picture.median("grid", case, server, "messages_per_second"))
                                        for count, case in sorted(line.items())])
        axes.set_xscale("log")
        plain_numbers(axes.xaxis)
        axes.xaxis.set_minor_formatter("")
        axes.set_title(f"{size} {picture.say('bytes a message')}", color=GREY, fontsize=10)
        axes.set_xlabel(picture.say("connections"))
    picture.axes[0].set_ylim(bottom=0)
    picture.axes[0].set_ylabel(picture.say("echoes a second"))
    plain_numbers(picture.axes[0].yaxis)
    names = picture.axes[0].get_legend_handles_labels()
    picture.figure.legend(*names, loc="lower center", bbox_to_anchor=(0.5, 0.04), ncol=5, frameon=False,
                          labelcolor=GREY, fontsize=9)
    return "How many echoes a second, one after the other?"


def bars(picture, comparison, case, path, unit, scale=1, digits=0):
    axes = picture.axes[0]
    found = [(server, picture.median(comparison, case, server, path))
             for server in seen(picture.results, comparison, "server")]
    found = [(server, value * scale) for server, value in found if value is not None and server in COLOURS]
    for place, (server, value) in enumerate(reversed(found)):
        axes.barh(place, value, color=COLOURS.get(server, GREY), height=0.65)
        axes.annotate(f"{value:,.{digits}f}", (value, place), xytext=(4, 0), textcoords="offset points",
                      va="center", color=GREY, fontsize=9)
    axes.set_yticks(range(len(found)), [picture.say(server) for server, _ in reversed(found)])
    axes.set_xlabel(picture.say(unit))
    axes.margins(x=0.12)


def memory(picture):
    case = seen(picture.results, "memory", "case")[-1]
    bars(picture, "memory", case, "server.memory_per_idle", "bytes of user memory")
    picture.axes[0].set_xscale("symlog", linthresh=100)
    plain_numbers(picture.axes[0].xaxis)
    return "How much memory does an idle connection take?"


def cpu(picture):
    bars(picture, "cpu", seen(picture.results, "cpu", "case")[0], "server.cpu_ns_per_message",
         "microseconds of CPU", 1e-3, 2)
    return "What does an echo cost the server, on one thread?"


def percentiles(picture, comparison, label):
    axes = picture.axes[0]
    ranks = ("p50", "p90", "p99", "p999", "max")
    case = seen(picture.results, comparison, "case")[0]
    for server in seen(picture.results, comparison, "server"):
        values = [picture.median(comparison, case, server, f"latency_ns.{rank}") for rank in ranks]
        picture.line(axes, server, [(place, value and value / 1000) for place, value in enumerate(values)])
    axes.set_yscale("log")
    plain_numbers(axes.yaxis)
    axes.set_xticks(range(len(ranks)), ["50 %", "90 %", "99 %", "99.9 %", picture.say("longest")])
    axes.set_xlabel(picture.say(label))
    axes.set_ylabel(picture.say("microseconds"))
    legend(axes)


def latency(picture):
    percentiles(picture, "cpu", "of all echoes are quicker")
    return "How long does a client wait for its echo, one of 64?"


def lateness(picture):
    percentiles(picture, "lateness", "of all deadlines are earlier")
    return "How late do deadlines come?"


DRAWN_FROM = {idle: "idle", grid: "grid", memory: "memory", cpu: "cpu", latency: "cpu", lateness: "lateness"}


def draw(results, directory):
    """Draws what there are results for. Returns the files, or nothing where matplotlib is missing."""
    try:
        import matplotlib
        matplotlib.use("svg")
        from matplotlib import pyplot
    except ImportError:
        return None
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message="Glyph .* missing")
    pyplot.rcParams.update({
        "svg.fonttype": "none", "svg.hashsalt": "the same picture from the same results",
        "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans", "sans-serif"],
        "text.color": GREY, "axes.labelcolor": GREY, "axes.edgecolor": GREY,
        "xtick.color": GREY, "ytick.color": GREY})
    files = []
    directory.mkdir(parents=True, exist_ok=True)
    for plot, comparison in DRAWN_FROM.items():
        if not seen(results, comparison, "case"):
            continue
        for language in ("en", "zh"):
            panels = len({case.split()[0] for case in seen(results, "grid", "case")}) if plot is grid else 1
            picture = Picture(pyplot, results, language, panels)
            files.append(directory / f"{plot.__name__}.{language}.svg")
            picture.save(files[-1], plot(picture))
            pyplot.close(picture.figure)
    return files
