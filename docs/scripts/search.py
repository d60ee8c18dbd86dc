"""What the search field finds besides our own symbols: pages, sections, the glossary's words, and Go's names."""

import json
import re

from sources import ROOT


def _plain(text):
    """A piece of a page as a reader sees it."""
    text = re.sub(r"\\ref \S+ \"([^\"]*)\"", r"\1", text)
    text = re.sub(r"\\go\{[^,}]*,([^,}]*)[^}]*\}", r"\1", text)
    text = re.sub(r"\\(?:ref|subpage|issue|from|heldby|measured|tried|fuzzed)\b(\{[^}]*\})?", "", text)
    return re.sub(r"[`*|]|<[^>]*>", "", text).strip()


def entries(language):
    """(what to look for, title, where) of everything that can be found."""
    for path in sorted((ROOT / "docs" / language).glob("*.md")):
        page = "index.html" if path.stem == "index" else path.stem + ".html"
        title, where, section = path.stem, page, ""
        for line in path.read_text().splitlines():
            if head := re.match(r"(#+) (.*?)(?: \{#(\w+)\})?$", line):
                section = _plain(head[2])
                if head[1] == "#":
                    title = section
                where = f"{page}#{head[3]}" if head[3] and head[1] != "#" else page
                yield section, title if section == title else f"{title} · {section}", where
            for name in re.findall(r"\\go\{[^,}]*,([^,}]*)", line):
                yield name, f"{name} · {title}", where
            if path.stem == "glossary" and line.startswith("| ") and not line.startswith("| ---"):
                cells = [_plain(cell) for cell in line.strip("| ").split(" | ")]
                yield " ".join(cells[:2]), " · ".join(cells[:2]) + f": {cells[2]}" if len(cells) > 2 else cells[0], where


def index(language):
    """The text of found.js, which site.js reads."""
    found = {}
    for words, title, where in entries(language):
        found.setdefault((title, where), words)
    rows = [[words, title, where] for (title, where), words in found.items()]
    return "window.found = " + json.dumps(rows, ensure_ascii=False, separators=(",", ":")) + ";\n"
