"""The sketches, as HTML: what each changes in the one before, side by side, what it forgets, and how many lines
the stages have besides."""

import html
import re
import subprocess

from sources import ROOT, source_page, stage_directory

WORDS = {
    "en": {"case": "the case that finds it", "why": "why", "sizes": "{old} lines, {new} lines; {changed} of them differ",
           "some": "on some runs only"},
    "zh": {"case": "哪个测试会发现", "why": "原因", "sizes": "分别有 {old} 行和 {new} 行，其中 {changed} 行不同",
           "some": "不是每次都会出现"},
}
COLUMN = {"en": 2, "zh": 3}


def sketch(number):
    return stage_directory(number) / "sketch.cpp"


def _rows(path):
    """The lines of a table of ours, as lists of cells."""
    return [[cell.strip() for cell in line.split(" | ")] for line in path.read_text().splitlines()
            if line and not line.startswith("#")]


def _code(text):
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", html.escape(text, quote=False))


def _hunks(old, new):
    """[(first changed line, lines)] of the unified difference."""
    done = subprocess.run(["diff", "-U3", old, new], capture_output=True, text=True)
    hunks = []
    for line in done.stdout.splitlines()[2:]:
        if line.startswith("@@"):
            hunks.append([])
        else:
            hunks[-1].append(line)
    return [(next(line for line in lines if line[0] in "+-"), lines) for lines in hunks]


def _sides(lines):
    """The two columns of a hunk, as rows of (class, text): what is not on one side leaves it empty."""
    left, right = [], []

    def level():
        while len(left) < len(right):
            left.append(("", ""))
        while len(right) < len(left):
            right.append(("", ""))

    for line in lines:
        if line[0] == "-":
            left.append(("r", line[1:]))
        elif line[0] == "+":
            right.append(("a", line[1:]))
        else:
            level()
            left.append(("", line[1:]))
            right.append(("", line[1:]))
    level()
    return left, right


def _column(rows):
    return "<pre>" + "".join(f'<span class="{kind}">{html.escape(text, quote=False) or " "}</span>'
                             for kind, text in rows) + "</pre>"


def step(language, old_number, new_number):
    """What a sketch changes in the one before."""
    old, new = sketch(old_number), sketch(new_number)
    said = [(row[1], row[COLUMN[language]]) for row in _rows(ROOT / "docs/sketches.txt")
            if row[0] == f"{old_number} {new_number}"]
    hunks = _hunks(old, new)
    changed = sum(line[0] in "+-" for _, lines in hunks for line in lines)
    links = " → ".join(f'<a href="{source_page(path)}"><code>{path.relative_to(ROOT)}</code></a>'
                       for path in (old, new))
    sizes = WORDS[language]["sizes"].format(old=len(old.read_text().splitlines()),
                                            new=len(new.read_text().splitlines()), changed=changed)
    out = [f'<p>{links}: {sizes}</p><div class="diff step">']
    for first, lines in hunks:
        text = next((text for start, text in said if first.startswith(start)), "")
        left, right = _sides(lines)
        out.append(f"<p>{_code(text)}</p><div>{_column(left)}{_column(right)}</div>")
    out.append("</div>")
    return "\n".join(out) + "\n"


# What a stage's files belong to: those of a room by its folder, those at the top of the stage by their names.
PARTS = [("sketch", ("sketch",), "sketch|草图"), ("program", ("server", "connection", "clients", "one_at_a_time"), "the server|服务器"),
         ("net", (), "net"), ("poll", (), "poll"), ("runtime", (), "runtime"), ("syscall", (), "syscall"),
         ("trace", ("trace",), "recording, for --trace|记录（--trace）"),
         ("client", ("client",), "the client|客户端"),
         ("articles", (), "the articles' programs|文章里的程序"),
         ("rest", (), "main, options, log, signals|main、选项、日志、信号")]


def _part_of(path):
    for name, stems, _ in PARTS:
        if path.stem in stems or (path.parent.name == name and path.stem != "trace"):
            return name
    return "rest"


def rooms(language):
    """How many lines of code each part of each stage has."""
    count = {}
    for number in range(1, 6):
        for path in stage_directory(number).rglob("*.[ch]pp"):
            lines = sum(not re.match(r"\s*(//.*)?$", line) for line in path.read_text().splitlines())
            count[_part_of(path), number] = count.get((_part_of(path), number), 0) + lines
    place = {"en": 0, "zh": -1}[language]
    heads = "".join(f'<th class="number">{number}</th>' for number in range(1, 6))
    out = [f'<table class="markdownTable"><tr class="markdownTableHead"><th></th>{heads}</tr>']
    for name, _, title in PARTS:
        cells = "".join(f'<td class="number">{count.get((name, number), "–")}</td>' for number in range(1, 6))
        out.append(f"<tr><td>{title.split('|')[place]}</td>{cells}</tr>")
    out.append("</table>")
    return "\n".join(out) + "\n"


def forgets(language, number):
    """What the list of cases finds in a sketch."""
    words = WORDS[language]
    out = [f'<table class="markdownTable"><tr class="markdownTableHead"><th>{words["case"]}</th>'
           f'<th>{words["why"]}</th></tr>']
    for row in _rows(ROOT / "tests/conformance/sketches.txt"):
        if row[0].rstrip("?") == str(number):
            some = f" ({words['some']})" if row[0].endswith("?") else ""
            out.append(f"<tr><td>{html.escape(row[1])}{some}</td><td>{_code(row[COLUMN[language]])}</td></tr>")
    out.append("</table>")
    return "\n".join(out) + "\n"
