"""Diagrams as SVG that takes the page's colours: graphs by Graphviz, sequences by what is below,
and drawings that are SVG already.

A text in docs/diagrams with two languages is written `English|中文`; `\\n` begins a line."""

import html
import re
import subprocess
import unicodedata

LANGUAGE = {"en": 0, "zh": 1}


def pick(text, language):
    parts = text.split("|")
    return parts[LANGUAGE[language]] if len(parts) == 2 else text


def graph(path, language):
    """A .dot file; its labels are double-quoted."""
    source = re.sub(r'"([^"]*)"', lambda m: f'"{pick(m.group(1), language)}"', path.read_text())
    done = subprocess.run(["dot", "-Tsvg"], input=source, capture_output=True, text=True,
                          check=True)
    svg = done.stdout[done.stdout.index("<svg"):]
    svg = re.sub(r"<!--.*?-->\n?", "", svg, flags=re.S)
    svg = re.sub(r"<title>.*?</title>\n?", "", svg, flags=re.S)
    svg = re.sub(r' font-family="[^"]*"', "", svg)
    svg = svg.replace('stroke="black"', 'stroke="currentColor"')
    svg = svg.replace('fill="black"', 'fill="currentColor"')
    svg = re.sub(r'<polygon fill="white" stroke="(transparent|none)"[^>]*/>\n?', "", svg)
    svg = svg.replace("xlink:title", "data-title").replace("xlink:href", "href")
    svg = re.sub(r' id="[^"]*"', "", svg)
    width = float(re.search(r'width="([\d.]+)pt"', svg).group(1)) * 4 / 3
    svg = re.sub(r'width="[\d.]+pt" height="[\d.]+pt"', f'width="{width:.0f}"', svg, count=1)
    return f'<div class="diagram">{svg}</div>\n'


def columns(text):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def sequence(path, language):
    """A .seq file, a line each:  actors A=name, B=name  |  A -> B: text  |  A --> B: text (a
    return)  |  A: text (a note)  |  == text ==.  A line with # is a comment."""
    actors, steps = [], []
    for line in path.read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("actors "):
            for each in line[7:].split(","):
                key, name = each.strip().split("=", 1)
                actors.append((key, pick(name, language)))
        elif line.startswith("=="):
            steps.append(("title", None, None, pick(line.strip("= "), language)))
        elif match := re.match(r"(\w+) (-?->) (\w+): (.*)", line):
            steps.append((match.group(2), match.group(1), match.group(3),
                          pick(match.group(4), language)))
        elif match := re.match(r"(\w+): (.*)", line):
            steps.append(("note", match.group(1), None, pick(match.group(2), language)))
        else:
            raise ValueError(f"{path}: {line}")
    gap = 200
    margin = 90
    x = {key: margin + gap * i for i, (key, _) in enumerate(actors)}
    width = 2 * margin + gap * (len(actors) - 1)
    out, y = [], 66
    text = '<text x="{:.0f}" y="{:.0f}" text-anchor="{}" font-size="{}"{}>{}</text>'
    for kind, source, target, words in steps:
        lines = words.split("\\n")
        if kind == "title":
            y += 10
            out.append(f'<line x1="8" y1="{y - 5}" x2="{width - 8}" y2="{y - 5}" '
                       'stroke="currentColor" stroke-opacity=".25"/>')
            out.append(text.format(12, y + 14, "start", 13, ' font-weight="600"',
                                   html.escape(words)))
            y += 34
            continue
        if kind == "note":
            high = 18 * len(lines) + 8
            wide = max(columns(line) for line in lines) * 7.1 + 18
            left = min(max(x[source] - wide / 2, 4), width - wide - 4)
            out.append(f'<rect x="{left:.0f}" y="{y - 14}" width="{wide:.0f}" height="{high}" '
                       'rx="6" class="note"/>')
            for i, line in enumerate(lines):
                out.append(text.format(left + wide / 2, y + 3 + 18 * i, "middle", 12.5, "",
                                       html.escape(line)))
            y += high + 14
            continue
        y += 18 * (len(lines) - 1)
        a, b = x[source], x[target]
        towards = 1 if b > a else -1
        for i, line in enumerate(lines):
            out.append(text.format((a + b) / 2, y - 5 - 18 * (len(lines) - 1 - i), "middle", 12.5,
                                   "", html.escape(line)))
        dashes = ' stroke-dasharray="5 4"' if kind == "-->" else ""
        tip = b - 2 * towards
        out.append(f'<line x1="{a}" y1="{y}" x2="{tip}" y2="{y}" stroke="currentColor"{dashes}/>')
        out.append(f'<path d="M{tip} {y} l{-9 * towards} -4 v8 z" fill="currentColor"/>')
        y += 34
    head = []
    for key, name in actors:
        lines = name.split("\\n")
        head.append(f'<line x1="{x[key]}" y1="44" x2="{x[key]}" y2="{y}" stroke="currentColor" '
                    'stroke-opacity=".3"/>')
        head.append(f'<rect x="{x[key] - 80}" y="4" width="160" height="{16 + 17 * len(lines)}" '
                    'rx="6" class="actor"/>')
        for i, line in enumerate(lines):
            head.append(text.format(x[key], 25 + 17 * i - (3 if len(lines) > 1 else 0), "middle",
                                    13, ' font-weight="600"', html.escape(line)))
    return (f'<div class="diagram"><svg class="wide" xmlns="http://www.w3.org/2000/svg" '
            f'width="{width}" viewBox="0 0 {width} {y + 8}">'
            "<style>.note{fill:var(--box);stroke:var(--line)}"
            ".actor{fill:var(--box);stroke:currentColor}</style>"
            f'{"".join(head)}{"".join(out)}</svg></div>\n')


DRAWING = """<style>.drawing .box{fill:var(--box);stroke:currentColor}
.drawing .soft{fill:var(--box);stroke:var(--line)} .drawing .quiet{fill:var(--quiet)}
.drawing .on{fill:var(--thread1);fill-opacity:.22;stroke:var(--thread1)}
.drawing .off{fill:var(--thread2);fill-opacity:.22;stroke:var(--thread2)}
.drawing .good{fill:var(--thread1);stroke:none} .drawing .bad{fill:var(--thread2);stroke:none}
.drawing .line{fill:none;stroke:currentColor} .drawing .faint{fill:none;stroke:var(--line)}
.drawing .line1{fill:none;stroke:var(--thread1);stroke-width:2}
.drawing .line2{fill:none;stroke:var(--thread2);stroke-width:2}
.drawing .tip{fill:currentColor} .drawing .dash{stroke-dasharray:5 4}
.drawing .mono{font-family:var(--font-family-monospace, monospace)}</style>"""


def drawing(path, language):
    """An .svg file whose elements have the classes above; its texts are in both languages."""
    svg = re.sub(r">([^<>]*\|[^<>]*)<", lambda m: f">{pick(m.group(1), language)}<", path.read_text())
    svg = re.sub(r"<!--.*?-->\n?", "", svg, flags=re.S)
    return f'<div class="diagram drawing">{DRAWING}{svg}</div>\n'
