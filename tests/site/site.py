#!/usr/bin/env python3
"""Holds the documentation to what it promises: site.py CHECK [ARGUMENTS].

Says what it looked at, and BROKEN with exit status 1 for what is not so. CHECK is one of the
functions below whose name begins with check_; `built` needs a site that ./dev docs has made, and
`transcripts BUILD` the programs. Status 77: left out, and why."""

import difflib
import html.parser
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
SITE = ROOT / "build/docs/html"
LANGUAGES = ["en", "zh"]
LEFT_OUT = 77

sys.path.insert(0, str(DOCS / "scripts"))

broken = False


def complain(text):
    global broken
    broken = True
    print(f"BROKEN: {text}")


def leave_out(why):
    print(f"left out: {why}")
    sys.exit(LEFT_OUT)


def pages(language):
    return {path.stem: path.read_text() for path in sorted((DOCS / language).glob("*.md"))}


def labels(text):
    return re.findall(r"\{#(\w+)\}|\\anchor (\w+)", text)


def taken_in(text):
    """What a page takes in from elsewhere, in its order."""
    return re.findall(r"^\\(from\{[^}]*\}|verbinclude \S+|htmlinclude \S+|snippet \S+ \S+)", text, re.M)


def difference(a, b):
    if isinstance(a, int):
        return f"{a} and {b}"
    a, b = [str(each) for each in a], [str(each) for each in b]
    return "; ".join(line for line in difflib.ndiff(a, b) if line[0] in "-+")[:500] or "their order"


def commands(text, name):
    return re.findall(r"\\" + name + r"\{([^}]*)\}", text)


# ---- The checks ---------------------------------------------------------------------------------

def check_languages():
    """Both languages have the same pages, in each of them the same labels, code and links."""
    english, chinese = pages("en"), pages("zh")
    for name in sorted(english.keys() ^ chinese.keys()):
        complain(f"{name}.md is in one language only")
    for name in sorted(english.keys() & chinese.keys()):
        a, b = english[name], chinese[name]
        for what, find in [("labels", labels), ("code and transcripts", taken_in),
                           ("Go's symbols", lambda text: commands(text, "go")),
                           ("issues", lambda text: sorted(commands(text, "issue"))),
                           ("tests", lambda text: commands(text, "heldby")),
                           ("figures", lambda text: commands(text, "measured")),
                           ("faults", lambda text: commands(text, "tried")),
                           ("fuzzers", lambda text: commands(text, "fuzzed")),
                           ("pages before and after", lambda text: commands(text, "between")),
                           ("references", lambda text: sorted(re.findall(r"\\ref ([\w:./]*\w)", text))),
                           ("subpages", lambda text: re.findall(r"\\subpage (\w+)", text)),
                           ("rows of tables", lambda text: len(re.findall(r"^\|", text, re.M)))]:
            if find(a) != find(b):
                complain(f"{name}.md has other {what} in English than in Chinese: {difference(find(a), find(b))}")
    print(f"{len(english)} pages in each language")


def check_prose():
    """Chinese emphasis that Doxygen would not see, paragraphs on one line, every heading labelled."""
    for language in LANGUAGES:
        for name, text in pages(language).items():
            fenced = re.sub(r"(?m)^    .*$", "", text)
            for line in fenced.splitlines():
                if line.startswith("#") and "{#" not in line:
                    complain(f"{language}/{name}.md: a heading without a label: {line}")
                bare = re.sub(r"``.*?``|`[^`]*`|\\(heldby|tried)\{[^}]*\}", "", line)
                if re.search(r"(?<![-\w])--[a-z]", bare) or any(
                        "'" in code for code in re.findall(r"`([^`]*)`", re.sub(r"``.*?``", "", line))):
                    complain(f"{language}/{name}.md: Doxygen reads otherwise what is no code, or has "
                             f"an apostrophe in it: {line[:80]}")
                for _, emphasised, behind in re.findall(r"(\*+)([^*]+)\1(.?)", bare):
                    if language == "zh" and behind.strip(" |"):
                        complain(f"zh/{name}.md: no space behind the emphasised {emphasised}")
            blocks = re.split(r"\n\s*\n", fenced)
            for block in blocks:
                lines = [line for line in block.splitlines()
                         if line and not re.match(r"[#|\\<-]|\d+[.\\]", line)]
                if len(lines) > 1:
                    complain(f"{language}/{name}.md: a paragraph of several lines: {lines[0][:50]}")
    print("headings, paragraphs, emphasis")


def check_snippets():
    """Every piece of code that a page takes in exists, once, and is short enough to be read."""
    count = 0
    for language in LANGUAGES:
        for name, text in pages(language).items():
            found = commands(text, "from")
            count += len(found)
            if re.fullmatch(r"stage\d", name) and len(found) > 8:
                complain(f"{language}/{name}.md shows {len(found)} pieces of code, more than 8")
            for each in found:
                path, marker = each.split(",")
                source = ROOT / path
                lines = source.read_text().splitlines() if source.exists() else []
                at = [i for i, line in enumerate(lines) if line.strip() == f"// [{marker}]"]
                if len(at) != 2:
                    complain(f"{language}/{name}.md: {path} has {len(at)} lines with // [{marker}]")
                elif at[1] - at[0] > 90:
                    complain(f"{path}: [{marker}] is {at[1] - at[0]} lines long")
            for each in re.findall(r"^\\verbinclude (\S+)", text, re.M):
                if not (DOCS / "transcripts" / each).exists():
                    complain(f"{language}/{name}.md: there is no docs/transcripts/{each}")
    print(f"{count} pieces of code")


def check_symbols():
    """Every symbol of Go's names a file, a symbol and a version; every row of the concordance has
    one; every issue a project and a number."""
    count = 0
    for language in LANGUAGES:
        for name, text in pages(language).items():
            for each in commands(text, "go"):
                count += 1
                if not re.fullmatch(r"[\w/]+\.go,[\w.]+,1\.\d+(\.\d+)?", each):
                    complain(f"{language}/{name}.md: \\go{{{each}}} is not file,symbol,version")
            for each in commands(text, "issue"):
                if not re.fullmatch(r"[\w.-]+/[\w.-]+,\d+", each):
                    complain(f"{language}/{name}.md: \\issue{{{each}}} is not owner/project,number")
        section = ""
        for row in re.findall(r"^(?:\|.*\||##.*)$", pages(language)["concordance"], re.M):
            if row.startswith("#"):
                section = row
            if "---" in row or "| Go |" in row or row.startswith("#"):
                continue
            if "\\go{" not in row or ("\\ref stage" not in row and "{#concordance_5}" not in section):
                complain(f"{language}: a row of the concordance without Go's symbol or ours: {row}")
    print(f"{count} symbols of Go's")


def check_tests():
    """Every test that a page names is one of ours."""
    sources = "".join(path.read_text() for path in (ROOT / "tests").rglob("*")
                      if path.suffix in (".cpp", ".cmake", ".txt", ".hpp"))
    sources = re.sub(r'"\s*\n\s*"', "", sources)
    count = 0
    for language in LANGUAGES:
        for name, text in pages(language).items():
            for each in commands(text, "heldby"):
                count += 1
                stage, _, case = each.partition(": ")
                case = case.removeprefix("broken on purpose: ")
                if not re.fullmatch(r"stage\d", stage) or (
                        f'"{case}' not in sources and f'"{each}' not in sources):
                    complain(f"{language}/{name}.md: there is no test {each!r}")
    print(f"{count} names of tests")


def check_figures():
    """What a page says of a measurement, or a README, is what the file of results has."""
    import figures
    found = figures.results()
    count = 0
    for language in LANGUAGES:
        for name, text in pages(language).items():
            count += sum(len(commands(text, each)) for each in ("measured", "tried", "fuzzed"))
            try:
                figures.expand(text)
            except figures.Missing as missing:
                complain(f"{language}/{name}.md: {missing}")
    for path, language in figures.readmes():
        text = path.read_text()
        if "<!-- measured -->" not in text:
            complain(f"{path.name} has no place for what was measured")
        if text != figures.with_table(text, found, language):
            complain(f"{path.name} says otherwise than docs/measured/results.json: figures.py --write puts it right")
        if text != figures.with_code(text):
            complain(f"{path.name} shows code that is not in the sources: figures.py --write puts it right")
    print(f"{count} figures in pages, and the tables of the READMEs")


def check_documented():
    """Everything that a stage's header shows to others has a comment: Doxygen finds what has none."""
    if not shutil.which("doxygen"):
        leave_out("there is no doxygen")
    headers = sorted(ROOT.glob("stage[0-9]_*/**/*.hpp"))
    settings = {"INPUT": " ".join(["docs/namespaces.dox", *(str(path.relative_to(ROOT)) for path in headers)]),
                "INPUT_FILTER": "docs/filter", "STRIP_FROM_PATH": ".", "QUIET": "YES",
                "EXTRACT_ALL": "NO", "WARN_IF_UNDOCUMENTED": "YES", "BUILTIN_STL_SUPPORT": "YES",
                "DISTRIBUTE_GROUP_DOC": "YES", "GENERATE_HTML": "NO", "GENERATE_LATEX": "NO"}
    text = "".join(f"{name} = {value}\n" for name, value in settings.items())
    done = subprocess.run(["doxygen", "-"], cwd=ROOT, input=text, capture_output=True, text=True)
    if done.returncode != 0:
        complain(f"doxygen fails: {done.stdout}{done.stderr}")
    for line in sorted(set(re.findall(r"(.*): warning: (.*is not documented)", done.stdout + done.stderr))):
        complain(": ".join(line).removeprefix(f"{ROOT}/"))
    print(f"{len(headers)} headers")


def check_articles():
    """Every section of every article has its heading, on the article's page, in the same order;
    and from each there is a way to the code: a symbol, a piece of code or a page with some."""
    sections = {}
    for line in (DOCS / "articles.txt").read_text().splitlines():
        if line and not line.startswith(("#", " ")):
            page = line.split()[0]
            sections[page] = []
        elif line.startswith("  "):
            sections[page].append(line.strip().strip("()"))
    for language in LANGUAGES:
        texts = pages(language)
        for page, titles in sections.items():
            parts = re.split(r"(?m)^## ", texts[page])[1:]
            heads = [re.sub(r" (\([^()]*\) )?\{#\w+\}$", "", part.splitlines()[0]) for part in parts]
            if heads != titles:
                complain(f"{language}/{page}.md has not the article's sections:\n  {heads}\n  {titles}")
            for part in parts:
                if not re.search(r"\\from\{|\\ref stage\d", part) and not re.search(
                        r"\\ref (article_programs|one_byte|concordance|measured|io_models)", part):
                    complain(f"{language}/{page}.md: no way to the code from {part.splitlines()[0]}")
    print(f"{sum(map(len, sections.values()))} sections of {len(sections)} articles")


def check_names():
    """Every name of Go's that an article quotes, docs/article_names.txt, is in the concordance: as a
    symbol with a link, or in `backticks`."""
    quoted, article = {}, ""
    for line in (DOCS / "article_names.txt").read_text().splitlines():
        if line.startswith("  "):
            quoted.update((name, article) for name in line.split())
        elif line and not line.startswith("#"):
            article = line
    for language in LANGUAGES:
        text = pages(language)["concordance"]
        known = {each.split(",")[1] for each in commands(text, "go")} | set(re.findall(r"`([^`]+)`", text))
        known |= {name.split(".")[-1] for name in known} | {f"poll.{name}" for name in known}
        for name, article in quoted.items():
            if name not in known:
                complain(f"{language}/concordance.md lacks {name}, which {article} quotes")
    print(f"{len(quoted)} names that the articles quote")


def shape(text):
    """What of a transcript is the same each time: of a call its name, what it says to epoll and
    whether it fails; of other lines the words. Not the order: threads take turns as they like."""
    lines = set()
    for line in text.splitlines():
        call = re.search(r"(?:(\w+)\(.*|<\.\.\. (\w+) resumed>.*)\) = (?:-1 (E\w+)|[^-])", line)
        if call:
            told = sorted(set(re.findall(r"EPOLL_CTL_\w+|EPOLLET", line)))
            lines.add(" ".join([call.group(1) or call.group(2), *told, call.group(3) or "succeeds"]))
        elif re.fullmatch(r" *\d+ [\w.]+", line):
            lines.add("a thread")  # where it sleeps is called differently in other kernels
        elif "unfinished" not in line:
            lines.add(re.sub(r"[\d. ]+", " ", line).strip())
    return lines


def check_timelines():
    """Every event of a recorded trace is somebody's, and some line of the source takes note of it."""
    import timeline
    count = 0
    for path in sorted((DOCS / "transcripts").glob("*.json")):
        name, events = timeline.read(path.read_text())
        count += len(events)
        for event in events:
            source, line = timeline.line_of(int(name[5]), event)
            if line == 0:
                complain(f"{path.name}: no line of {source.name} takes note of {event.name!r}")
            if event.lane.kind == "other":
                complain(f"{path.name}: whose is {event.name} at {event.begin}?")
        for language in LANGUAGES:
            shown = timeline.fragment(path, language).count('<a class="event')
            if shown != len(events):
                complain(f"{path.name} has {len(events)} events, and its timeline shows {shown} ({language})")
    print(f"{count} events")


def check_transcripts(build):
    """The transcripts are what the programs do today."""
    import timeline
    import transcripts
    missing = [tool for tool in transcripts.TOOLS if not shutil.which(tool)]
    if missing:
        leave_out(f"there is no {' '.join(missing)}")
    if subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True).returncode != 0:
        leave_out("strace may not trace here")
    kept = {path.name for path in (DOCS / "transcripts").iterdir()}
    if kept != set(transcripts.all_of_them()):
        complain(f"docs/transcripts and transcripts.py differ: {kept ^ set(transcripts.all_of_them())}")
    makers = transcripts.all_of_them()
    with ThreadPoolExecutor(4) as several:  # they wait most of the time
        first = dict(zip(makers, several.map(lambda make: make(Path(build)), makers.values())))
    for name, make in makers.items():
        text = (DOCS / "transcripts" / name).read_text()
        shape_of = timeline.shape if name.endswith(".json") else shape
        for _ in range(3):  # what a loaded machine does once in a while, it does not do thrice
            new = first.pop(name, None) or make(Path(build))
            if shape_of(new) == shape_of(text):
                break
        else:
            complain(f"{name} is not what happens any more: transcripts.py makes\n{new}"
                     f"which differs in\n  " + "\n  ".join(sorted(shape_of(new) ^ shape_of(text))))
    print(f"{len(kept)} transcripts")


class Links(html.parser.HTMLParser):
    """What a page links to, and where one can be linked to in it."""

    def __init__(self, text):
        super().__init__()
        self.targets, self.anchors, self.title = [], set(), ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        for name in ("href", "src"):
            if attributes.get(name):
                self.targets.append(attributes[name])
        for name in ("id", "name"):
            if attributes.get(name):
                self.anchors.add(attributes[name])


def check_builds():
    """Doxygen has no warning, and check_built() nothing to complain about."""
    missing = [tool for tool in ("doxygen", "dot") if not shutil.which(tool)]
    if missing:
        leave_out(f"there is no {' '.join(missing)}")
    done = subprocess.run([sys.executable, DOCS / "scripts/build.py"], capture_output=True, text=True)
    if done.returncode != 0:
        complain(f"docs/scripts/build.py fails:\n{done.stdout}{done.stderr}")
    else:
        check_built()


def check_built():
    """In the site as it was built: every internal link and image leads somewhere, both languages
    have the same pages, every source file has its page with its text."""
    if not (SITE / "index.html").exists():
        leave_out("the site has not been built: ./dev docs does")
    parsed = {path: Links(path.read_text()) for path in SITE.rglob("*.html")}
    count = 0
    for path, links in parsed.items():
        for target in links.targets:
            url = urllib.parse.urlsplit(target)
            if url.scheme or target.startswith(("#", "javascript")) and target in ("#", "javascript:void(0)"):
                continue
            count += 1
            to = (path.parent / urllib.parse.unquote(url.path)).resolve() if url.path else path
            if not to.exists():
                complain(f"{path.relative_to(SITE)}: {target} leads nowhere")
            elif (url.fragment and to in parsed and not url.fragment.startswith("!")
                  and urllib.parse.unquote(url.fragment) not in parsed[to].anchors):
                complain(f"{path.relative_to(SITE)}: {target} leads to no place in the page")
    names = {language: {path.name for path in (SITE / language).glob("*.html")} for language in LANGUAGES}
    for name in sorted(names["en"] ^ names["zh"]):
        if not name.startswith(("dir_", "README")):  # where the languages' own files are listed
            complain(f"{name} was built in one language only")
    for name in ("navtreedata.js", "menudata.js"):  # the sidebar and the menu are no HTML
        for path in SITE.glob(f"*/{name}"):
            for target in set(re.findall(r'"([\w]+\.html)', path.read_text())):
                if not (path.parent / target).exists():
                    complain(f"{path.relative_to(SITE)}: {target} leads nowhere")
    for path in SITE.rglob("*.html"):
        if "ilinebr" in path.read_text():
            complain(f"{path.relative_to(SITE)} shows Doxygen's own markup: an apostrophe in backticks in a table?")
    from sources import source_page
    sources = sorted(ROOT.glob("stage[0-9]_*/**/*.[ch]pp"))
    for path in sources:
        if source_page(path) not in names["en"]:
            complain(f"{path.relative_to(ROOT)} has no page")
    for name in pages("en"):
        if f"{name}.html" not in names["en"]:
            complain(f"{name}.md has become no page")
    print(f"{len(parsed)} pages, {count} links, {len(sources)} source files")


# Each of these makes one of the checks above complain, or the check is worth nothing.
MISTAKES = [
    ("languages", "docs/zh/stage3.md", r"\from{stage3_epoll_lt/runtime/poller.cpp,wait}", ""),
    ("languages", "docs/en/stage1.md", "{#stage1_idea}", "{#stage1_ideas}"),
    ("languages", "docs/en/glossary.md", None, None),
    ("prose", "docs/zh/stage1.md", "**一个客户端。** ", "**一个客户端**。"),
    ("prose", "docs/zh/measured.md", "*延迟* 的", "*延迟*，"),
    ("prose", "docs/en/stage1.md", " {#stage1_walk}", ""),
    ("snippets", "stage4_epoll_et/poll/fd.cpp", "// [read]\n", ""),
    ("snippets", "docs/en/stage2.md", "stage2_echo.txt", "stage2_echoes.txt"),
    ("timelines", "stage5_coroutines/poll/fd_call.cpp", 'trace::event("park"', "trace::event(word"),
    ("timelines", "docs/transcripts/stage3_byte_timeline.json", '"name": "recv"', '"name": "recvfrom"'),
    ("timelines", "docs/transcripts/stage5_byte_timeline.json", '"result": 8}', '"result": 9}'),
    ("symbols", "docs/en/concordance.md", "sysSocket,1.26.4}", "sysSocket}"),
    ("symbols", "docs/zh/concordance.md", r"\go{runtime/proc.go,newproc,1.26.4}", "newproc"),
    ("tests", "docs/en/faults.md", "stage3: out of descriptors", "stage3: out of luck"),
    ("tests", "docs/zh/exercises.md", "stage3: out of descriptors", "stage3: out of luck"),
    ("documented", "stage3_epoll_lt/runtime/poller.hpp", "    /// Changes what `fd` is watched for.\n", ""),
    ("documented", "stage1_blocking/net/dial.hpp", "/// Connects to `where`; sleeps", "// Connects to"),
    ("figures", "docs/en/microseconds.md", "stage5/bare; us}", "stage6/bare; us}"),
    ("figures", "README.md", "| stage 3 |", "| stage three |"),
    ("figures", "README.md", "co_await client->read();", "co_await client->write();"),
    ("languages", "docs/zh/microseconds.md", "stage5/bare; us}", "stage4/bare; us}"),
    ("articles", "docs/zh/article_server.md", "## Accept ", "## accept "),
    ("articles", "docs/articles.txt", "  小结\n", ""),
    ("names", "docs/en/concordance.md", "`assignBucket`", "and buckets"),
    ("names", "docs/zh/concordance.md", "`waitReasonIOWait`", "等等"),
    ("names", "docs/article_names.txt", "article_lines\n", "article_lines\n  Shutdown\n"),
]


def check_mistakes():
    """The checks find what they are for."""
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory)
        for part in ["docs", "tests", *(path.name for path in ROOT.glob("stage[0-9]_*"))]:
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__", "corpus"))
        for readme in ROOT.glob("README*.md"):
            shutil.copy(readme, copy)
        for check, file, old, new in MISTAKES:
            text = (copy / file).read_text()
            if old is None:
                (copy / file).unlink()
            else:
                if old not in text:
                    complain(f"{file} has no {old!r} to make a mistake of")
                (copy / file).write_text(text.replace(old, new, 1))
            done = subprocess.run([sys.executable, copy / "tests/site/site.py", check],
                                  capture_output=True, text=True)
            if done.returncode == LEFT_OUT:
                print(f"{check} can't be tried: {done.stdout.strip()}")
            elif done.returncode != 1 or "BROKEN" not in done.stdout:
                complain(f"{check} does not mind {old!r} gone from {file}: {done.stdout}{done.stderr}")
            (copy / file).write_text(text)
    print(f"{len(MISTAKES)} mistakes")


def main():
    check = globals().get(f"check_{sys.argv[1]}")
    if check is None:
        sys.exit(f"there is no check {sys.argv[1]!r}")
    check(*sys.argv[2:])
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
