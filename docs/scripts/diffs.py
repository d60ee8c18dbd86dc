"""What a stage changes in the one before, as HTML: by file, coloured, moved lines folded."""

import difflib
import html
import re
from functools import cache

from sources import files_of, in_stage, source_page

WORDS = {
    "en": {"new": "new files", "gone": "gone", "same": "unchanged", "moved": "{} lines moved",
           "lines": "{} lines"},
    "zh": {"new": "新文件", "gone": "不再有", "same": "没有变化", "moved": "移动了 {} 行",
           "lines": "{} 行"},
}
CONTEXT = 4
FOLD = 4  # so many moved lines in a row are folded


def lines_of(path, number):
    """A file's lines, as if every stage had the same namespace."""
    return re.sub(r"stage[0-9]", f"stage{number}", path.read_text()).splitlines()


@cache
def compare(old_number, new_number):
    """(changed, new, gone, same): changed is [(old path, new path, old lines, new lines)]."""
    old, new = ({path.name: path for path in files_of(number) if path.stem != "sketch"}  # a page shows it apart
                for number in (old_number, new_number))
    changed, same = [], []
    for name, path in new.items():
        if name not in old:
            continue
        before, after = lines_of(old[name], new_number), lines_of(path, new_number)
        if before == after:
            same.append(path)
        else:
            changed.append((old[name], path, before, after))
    return (changed, [path for name, path in new.items() if name not in old],
            [path for name, path in old.items() if name not in new], same)


def signs(before, after):
    added = removed = 0
    for line in difflib.unified_diff(before, after, n=0, lineterm=""):
        added += line.startswith("+") and not line.startswith("+++")
        removed += line.startswith("-") and not line.startswith("---")
    return added, removed


@cache
def size(old_number, new_number):
    """How many lines the step adds and takes away, files that come and go included."""
    changed, new, gone, _ = compare(old_number, new_number)
    added = sum(len(path.read_text().splitlines()) for path in new)
    removed = sum(len(path.read_text().splitlines()) for path in gone)
    for _, _, before, after in changed:
        plus, minus = signs(before, after)
        added, removed = added + plus, removed + minus
    return added, removed


def _telling(line):
    return len(line.strip()) > 3


def _moved(changed):
    """Lines that one place loses and another gets."""
    lost, got = set(), set()
    for _, _, before, after in changed:
        for line in difflib.unified_diff(before, after, n=0, lineterm=""):
            if line.startswith(("+++", "---", "@@")) or not _telling(line[1:]):
                continue
            (got if line[0] == "+" else lost).add(line[1:].strip())
    return lost & got


def _rows(before, after, moved, words):
    body = list(difflib.unified_diff(before, after, n=CONTEXT, lineterm=""))[2:]
    out, at = [], 0
    while at < len(body):
        line = body[at]
        if line.startswith("@@"):
            if at > 0:
                out.append('<span class="h">⋯</span>')
            at += 1
            continue
        end = at
        while (end < len(body) and body[end][0] == line[0] and line[0] in "+-"
               and (body[end][1:].strip() in moved or not _telling(body[end][1:]))):
            end += 1
        real = sum(body[i][1:].strip() in moved for i in range(at, end))
        if real >= FOLD:
            inner = "".join(_row(body[i], "m") for i in range(at, end))
            title = line[0] + " " + words["moved"].format(end - at)
            out.append(f'</pre><details class="folded"><summary>{title}</summary>'
                       f"<pre>{inner}</pre></details><pre>")
            at = end
            continue
        out.append(_row(line, {"+": "a", "-": "r"}.get(line[0], "")))
        at += 1
    return "".join(out).replace("<pre></pre>", "")


def _row(line, kind):
    text = html.escape(line, quote=False)
    return f'<span class="{kind}">{text}</span>' if kind else f"<span>{text}</span>"


def fragment(language, old_number, new_number):
    words = WORDS[language]
    changed, new, gone, same = compare(old_number, new_number)
    moved = _moved(changed)
    out = ['<div class="diff">']
    for _, path, before, after in changed:
        plus, minus = signs(before, after)
        name = in_stage(path)
        out.append(f'<details><summary><span class="n">+{plus} −{minus}</span>'
                   f"<code>{name}</code></summary>"
                   f"<pre>{_rows(before, after, moved, words)}</pre></details>")
    for title, paths in [(words["new"], new), (words["gone"], gone), (words["same"], same)]:
        if not paths:
            continue
        links = []
        for path in paths:
            count = words["lines"].format(len(path.read_text().splitlines()))
            size_of = f" ({count})" if paths is not same else ""
            links.append(f'<a href="{source_page(path)}"><code>{in_stage(path)}</code></a>{size_of}')
        out.append(f'<p class="whole">{title}: {", ".join(links)}</p>')
    out.append("</div>")
    return "\n".join(out) + "\n"
