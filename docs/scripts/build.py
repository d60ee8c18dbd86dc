#!/usr/bin/env python3
"""Writes the site, build/docs/html: in each language the same pages over the same sources.

build.py [--keep-going]: what is generated first (generate.py), then Doxygen for each language; any
warning is an error. Needs doxygen and graphviz; the theme if it is there. No network."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import generate
import search

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build/docs"
AWESOME = Path("/usr/share/doxygen-awesome-css")
THEME = ["doxygen-awesome.css", "doxygen-awesome-sidebar-only.css",
         "doxygen-awesome-sidebar-only-darkmode-toggle.css"]
TOGGLE = "doxygen-awesome-darkmode-toggle.js"

LANGUAGES = {
    "en": {"LANGUAGE": "English", "NAME": "Go's netpoller in C++",
           "BRIEF": "How code that looks blocking becomes epoll, in five stages",
           "PROGRAMS": "stage5_coroutines/articles/README.md"},
    "zh": {"LANGUAGE": "Chinese", "NAME": "用 C++ 看懂 Go 的网络轮询器",
           "BRIEF": "看起来会阻塞的代码怎样变成 epoll，分五步",
           "PROGRAMS": "stage5_coroutines/articles/README.zh-CN.md"},
}
OTHER = {"en": ("zh", "中文"), "zh": ("en", "English")}
THEME_SWITCH = {"en": "Light or dark", "zh": "浅色或深色"}
SKIP = {"en": "To the text", "zh": "跳到正文"}

CHOICE = """<!DOCTYPE html>
<html><head><meta charset="utf-8"><title>Go's netpoller in C++ · 用 C++ 看懂 Go 的网络轮询器</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<script>location.replace((navigator.language || "en").startsWith("zh") ? "zh/index.html"
    : "en/index.html");</script></head>
<body style="font: 120% sans-serif; margin: 4em"><p><a href="en/index.html">English</a></p>
<p><a href="zh/index.html">中文</a></p></body></html>
"""


LAYOUT = """<doxygenlayout version="1.0"><navindex>
<tab type="mainpage" visible="yes" title="{title}"/>
{pages}<tab type="usergroup" visible="yes" url="[none]" title="{source}">
<tab type="filelist" visible="yes" title=""/>
<tab type="namespacelist" visible="yes" title=""/>
<tab type="classlist" visible="yes" title=""/>
</tab>
</navindex></doxygenlayout>
"""
SOURCE = {"en": "The source", "zh": "源码"}


def plain(title):
    """As XML takes it between double quotes, and Doxygen's JavaScript too."""
    return title.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")


def write_layout(language):
    """The tree at the side, as the front page has it: its sections, and the pages in each."""
    pages = ROOT / "docs" / language
    titles = {}
    for path in [*pages.glob("*.md"), ROOT / LANGUAGES[language]["PROGRAMS"]]:
        if path.exists():
            titles[path.stem] = re.match(r"# (.*?)(?: \{#\w+\})?$", path.read_text(), re.M).group(1)
    titles["article_programs"] = titles.pop(Path(LANGUAGES[language]["PROGRAMS"]).stem, "")
    groups, title = [], ""
    for line in (pages / "index.md").read_text().splitlines():
        if line.startswith("## "):
            title = re.sub(r" \{#\w+\}$", "", line[3:])
        elif match := re.match(r"- \\subpage (\w+)", line):
            if not groups or groups[-1][0] != title:
                groups.append((title, []))
            groups[-1][1].append(match.group(1))
    text = ""
    for title, labels in groups:
        text += f'<tab type="usergroup" visible="yes" url="[none]" title="{plain(title)}">\n'
        for label in labels:
            text += (f'<tab type="user" visible="yes" url="@ref {label}" '
                     f'title="{plain(titles[label])}"/>\n')
        text += "</tab>\n"
    (BUILD / "generated" / language / "layout.xml").write_text(
        LAYOUT.format(title=plain(titles["index"]), pages=text, source=SOURCE[language]))


def stages():
    return sorted(path.name for path in ROOT.glob("stage[0-9]_*"))


def settings(language):
    """What Doxyfile finds in its environment for a language."""
    theme = [str(AWESOME / name) for name in THEME if (AWESOME / name).exists()]
    files = ["docs/theme/site.js", f"build/docs/generated/{language}/found.js"]
    if (AWESOME / TOGGLE).exists():
        files.append(str(AWESOME / TOGGLE))
    programs = LANGUAGES[language]["PROGRAMS"]
    return {**LANGUAGES[language], "PAGES": f"docs/{language}", "SITE": f"html/{language}",
            "PROGRAMS": programs if (ROOT / programs).exists() else "",
            "FRAGMENTS": f"build/docs/generated/{language}", "STAGES": " ".join(stages()),
            "THEME": " ".join([*theme, "docs/theme/site.css"]), "FILES": " ".join(files),
            "LAYOUT": f"build/docs/generated/{language}/layout.xml",
            "HEADER": f"build/docs/generated/{language}/header.html"}


def doxygen(language, *arguments):
    environment = {**os.environ, **settings(language)}
    if arguments:
        environment["HEADER"] = ""
    return subprocess.Popen(["doxygen", *(arguments or ["docs/Doxyfile"])], cwd=ROOT, text=True,
                            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def write_header(language):
    """Doxygen's own header, whatever its version, with the switches for language and theme."""
    directory = BUILD / "generated" / language
    header = directory / "header.html"
    process = doxygen(language, "-w", "html", header, directory / "footer.html",
                      directory / "style.css", "docs/Doxyfile")
    output, _ = process.communicate()
    if process.returncode != 0:
        sys.exit(f"doxygen could not make a header:\n{output}")
    text = header.read_text()
    scripts = ('<link rel="icon" href="data:,"/>\n<script src="$relpath^found.js"></script>\n'
               '<script src="$relpath^site.js"></script>\n')
    if (AWESOME / TOGGLE).exists():
        scripts += (f'<script src="$relpath^{TOGGLE}"></script>\n'
                    f'<script>DoxygenAwesomeDarkModeToggle.title = "{THEME_SWITCH[language]}";\n'
                    'DoxygenAwesomeDarkModeToggle.init()</script>\n')
    other, name = OTHER[language]
    switch = (f'<a class="language" lang="{other}" data-site="../{other}/" '
              f'href="../{other}/index.html">{name}</a>')
    tag = {"en": "en", "zh": "zh-CN"}[language]
    text = re.sub(r'(<html[^>]*?) lang="[^"]*"', r"\1", text)
    for old, new in [("</head>", scripts + "</head>"),
                     ("<html ", f'<html lang="{tag}" '),
                     ("<body>", f'<body>\n<a class="skip" href="#doc-content">{SKIP[language]}</a>'),
                     ("<!--END PROJECT_NUMBER-->", "<!--END PROJECT_NUMBER-->" + switch)]:
        if old not in text:
            sys.exit(f"docs/scripts/build.py: Doxygen's header has no {old} any more")
        text = text.replace(old, new, 1)
    header.write_text(text)


def main():
    shutil.rmtree(BUILD, ignore_errors=True)
    for language in LANGUAGES:
        (BUILD / "generated" / language).mkdir(parents=True)
        generate.write_all(language, BUILD / "generated" / language)
        write_layout(language)
        write_header(language)
        (BUILD / "generated" / language / "found.js").write_text(search.index(language))
    (BUILD / "html").mkdir()
    running = {language: doxygen(language) for language in LANGUAGES}
    failed = False
    for language, process in running.items():
        output, _ = process.communicate()
        if process.returncode != 0 or "warning:" in output:
            print(output, end="")
            failed = True
    if failed:
        sys.exit(1)
    (BUILD / "html/index.html").write_text(CHOICE)
    for language in LANGUAGES:
        for plot in generate.plots(language):
            shutil.copy(plot, BUILD / "html" / language / plot.name)


if __name__ == "__main__":
    main()
