#!/usr/bin/env python3
"""Writes what pages take in with \\htmlinclude: the map of the stages, the differences between them,
their listings, diagrams, timelines, plots, the laboratory's questions, a game. generate.py DIRECTORY LANGUAGE
does so for a look at it."""

import html
import re
import sys
from pathlib import Path

import diagrams
import diffs
import lose
import measured
import sketches
import timeline
from sources import ROOT, about, files_of, in_stage, source_page

STAGES = {
    "en": [("blocking", "blocked in accept and read"), ("non-blocking", "EAGAIN, then ask"),
           ("epoll, level-triggered", "the kernel keeps the list"),
           ("epoll, edge-triggered", "registered once, remembered; deadlines"),
           ("coroutines", "what waits is a coroutine")],
    "zh": [("阻塞", "阻塞在 accept 和 read 上"), ("非阻塞", "EAGAIN，再询问"),
           ("epoll，水平触发", "列表由内核保管"),
           ("epoll，边缘触发", "只注册一次，记住就绪状态；有截止时间"),
           ("协程", "等待的是协程")],
}
LISTING = {"en": ("file", "lines", "what it is"), "zh": ("文件", "行数", "内容（源码中的注释）")}


def stage_map(language):
    out = ['<nav class="map">']
    for number, (name, what) in enumerate(STAGES[language], start=1):
        if number > 1:
            plus, minus = diffs.size(number - 1, number)
            out.append(f'<a class="edge" href="stage{number}.html#stage{number}_diff">'
                       f'<span class="plus">+{plus}</span><span class="minus">−{minus}</span></a>')
        out.append(f'<a class="stage" href="stage{number}.html"><b>{number} {name}</b>'
                   f"<small>{what}</small></a>")
    out.append("</nav>")
    return "\n".join(out) + "\n"


def listing(language, number):
    heads = "".join(f"<th>{head}</th>" for head in LISTING[language])
    out = [f'<table class="markdownTable"><tr class="markdownTableHead">{heads}</tr>']
    for path in files_of(number):
        lines = len(path.read_text().splitlines())
        text = re.sub(r"`([^`]*)`", r"<code>\1</code>", html.escape(about(path), quote=False))
        out.append(f'<tr><td><a href="{source_page(path)}"><code>{in_stage(path)}</code></a></td>'
                   f"<td>{lines}</td><td>{text}</td></tr>")
    out.append("</table>")
    return "\n".join(out) + "\n"


def plots(language):
    return sorted((ROOT / "docs/measured").glob(f"*.{language}.svg"))


def question(path):
    """A question of the laboratory: its operations with their answers. docs/theme/lab.js reads them."""
    return (f'<pre class="verbatim question" data-question="{path.stem}">'
            f"{html.escape(path.read_text(), quote=False)}</pre>\n")


def write_all(language, directory):
    (directory / "map.html").write_text(stage_map(language))
    (directory / "measured.html").write_text(measured.fragment(language, plots(language)))
    (directory / "lose.html").write_text(lose.board(language))
    for number in range(1, len(lose.GAMES) + 1):
        (directory / f"lose_{number}.html").write_text(lose.fragment(number, language))
    (directory / "rooms.html").write_text(sketches.rooms(language))
    for number in range(1, 6):
        (directory / f"listing_{number}.html").write_text(listing(language, number))
        (directory / f"forgets_{number}.html").write_text(sketches.forgets(language, number))
        if number > 1:
            (directory / f"sketch_{number - 1}_{number}.html").write_text(
                sketches.step(language, number - 1, number))
            (directory / f"diff_{number - 1}_{number}.html").write_text(
                diffs.fragment(language, number - 1, number))
    for path in sorted((ROOT / "docs/diagrams").iterdir()):
        draw = {".dot": diagrams.graph, ".seq": diagrams.sequence,
                ".svg": diagrams.drawing}[path.suffix]
        (directory / f"{path.stem}.html").write_text(draw(path, language))
    for path in sorted((ROOT / "docs/transcripts").glob("*.json")):
        (directory / f"{path.stem}.html").write_text(timeline.fragment(path, language))
    for path in sorted((ROOT / "docs/lab").glob("*.txt")):
        (directory / f"lab_{path.stem}.html").write_text(question(path))


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    write_all(sys.argv[2], target)
