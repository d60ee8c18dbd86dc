#!/usr/bin/env python3
"""Finds words in comments and pages that readers have stumbled over: words.py ROOT.

Reads the comments of stages, tests and scripts, and every page, picture and README in English and in Chinese.
Prints `file:line: "word": write …` for each of the words below; status 1 if there is any. What stands in
`backticks` or in a page's \\command{...} is a name, and any word is allowed there. selftest.py shows that each
word is found."""

import io
import re
import sys
import tokenize
from pathlib import Path

# A pattern, and what to write instead. A pattern that begins with ^ is for the beginning of a comment; one in small
# letters also finds capitals.
WORDS = [
    # A comment begins with a verb, or names the thing.
    (r"^(Lets|The same|Who|Whom|Whose|Whoever|Of|So many|As many)\b", "a verb, or the name of the thing"),
    (r"^Whether\b", "\"True if …\" or \"Returns whether …\""),
    (r"\breturn or\b", "a noun first, then both outcomes: \"\\return X, or Y if …\""),
    # The actor has a name.
    (r"\b(for|of|to|by|with|from|as|is|lets|run|tells|wakes?) whom?\b", "the name: the client, the waiting coroutine"),
    (r"\bwho(so)?ever\b", "the name: the thread that …, any caller that …"),
    (r"[.;] Who\b[^.?:|]*[.;|]", "the name: \"A client that …\", \"If you …\""),
    # Plain words instead of rare idioms.
    (r"\banew\b", "again"),
    (r"\bfor ever\b", "forever, or what ends it"),
    (r"\bmend(s|ed|ing)?\b", "fix"),
    (r"\bheed(s|ed|ing)?\b", "ignore, or follow"),
    (r"\b(is|are|was|were|be|been|being) told\b(?! to\b)", "is notified, is reported, is distinguished"),
    (r"\b(g[ai]ve[sn]?|giving) way\b", "yield"),
    (r"\b(goes|go|went) on\b(?! (the|a|its)\b)", "continue, resume"),
    (r"\ban error like another\b", "like any other error"),
    (r"\bsees? to it\b", "ensure"),
    # The usual word for a thing, not one that only this project uses.
    (r"\bow(e|es|ed|ing)\b(?! to\b)", "bytes that are left unsent; the client is still to get …"),
    (r"\ban edge\b(?!-)", "a readiness event, an edge-triggered event"),
    (r"\b(another|number of (a|the|its)) life\b|\band a life\b|\bcounts? lives\b", "generation, sequence number"),
    (r"\bface\b", "interface"),
    (r"\bin line\b(?! (with|\d))", "queued, in the queue"),
    (r"\b(meets?|met|meeting) E[A-Z]{3,}", "gets EAGAIN"),
    (r"\b(that|those|they|who|clients?) (say|says|said) nothing\b", "is idle, sends nothing"),
    (r"\b(that|those|they|who|clients?|may) (takes?|took) nothing\b", "does not read; the receive window is closed"),
    (r"\bwhat (there is|has come)\b", "pending bytes, the event"),
    (r"\b(bytes|callers?|µs) an? (byte|client|connection|echo|message|side)\b|\bcalls an echo\b", "per"),
    # 中文。
    ("停放", "挂起（park）"),
    ("叫醒", "唤醒"),
    ("复位", "重置（RST）"),
    (r"(?<![名态])字里|写进字|[两一这那个]个字(?![节符段母])|那两字", "状态字"),
    ("边缘(?!触发|情况)", "就绪通知、就绪事件；模式写“边缘触发”"),
    ("水平(?!触发|方向)", "水平触发"),
    ("(?<!字节的|户端的)一生|另一生", "代（generation）；序号"),
    ("公布", "先置标志（发布）"),
    ("监听者", "监听套接字"),
    ("写者", "写的一方"),
    ("优雅停止|平稳停止|体面", "优雅退出"),
    ("抱怨", "记一行日志"),
    ("底线", "下限"),
    ("欠|还清", "还有数据没发完，待发送数据；发完"),
    ("走一步|白走", "得到一次运行机会，执行一轮，空跑一次"),
    ("睡", "阻塞，休眠"),
    ("里外翻|翻了个", "控制流倒过来了"),
    ("弄坏", "改坏"),
    ("想法", "思路"),
    ("无处可放|有地方放", "没有办法设置，可以设置"),
    ("打断用", "用于唤醒的 eventfd"),
    ("打招呼|不说话|什么也不说", "发送数据，空闲"),
]

# A file, the text around a word, and why the word is right there.
EXCEPTIONS = [
]

C_LIKE = {".cpp", ".hpp", ".go", ".pml", ".in"}
SHELL_LIKE = {".sh", ".cmake", ".yml"}
SHELL_NAMES = {"CMakeLists.txt", "dev", "run"}
NOT_OURS = re.compile(r"(build|\.git$|\.git/|docs/(transcripts|measured)/|tests/fuzz/corpus/)")


def in_c(text):
    """Comments as (line, column, whether nothing is in front, text), a line each."""
    literal = r'R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\''
    for found in re.finditer(rf"{literal}|(?P<comment>//[^\n]*|/\*.*?\*/)", text, re.S):
        if found["comment"]:
            begin = text.rfind("\n", 0, found.start()) + 1
            alone = not text[begin:found.start()].strip()
            for i, line in enumerate(found["comment"].split("\n")):
                yield (text.count("\n", 0, found.start()) + 1 + i, found.start() - begin, alone,
                       re.sub(r"^\s*(//[/!]?<?|/\*+<?|\*(?!/))|\*/$", "", line))


def in_shell(text):
    for i, line in enumerate(text.split("\n"), 1):
        found = re.search(r"(?:^|\s)#(?!!)", line)
        if found and all(line[:found.end()].count(quote) % 2 == 0 for quote in "'\""):
            yield i, found.end(), not line[:found.start()].strip(), line[found.end():]


def in_python(text):
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        line, column = token.start
        if token.type == tokenize.COMMENT:
            yield line, column, not token.line[:column].strip(), token.string.lstrip("#!")
        elif token.type == tokenize.STRING and token.string.startswith('"""'):
            for i, each in enumerate(token.string[3:-3].split("\n")):
                yield line + i, 0, i > 0, each


def in_page(text):
    """Everything but code, commands and where links lead."""
    fenced = False
    for i, line in enumerate(text.split("\n"), 1):
        fence = line.startswith("```")
        fenced ^= fence
        line = re.sub(r"\\\w+\{[^}]*\}|\\\w+|\]\([^)]*\)|<[^>]*>", "/", line)
        separate = re.match(r"[#|\-*]|\d+\.", line)
        yield i, 0, not separate, "" if fence or fenced or line.startswith("    ") else line


def reader_of(path):
    if path.suffix in C_LIKE:
        return in_c
    if path.suffix in SHELL_LIKE or path.name in SHELL_NAMES:
        return in_shell
    return {".py": in_python, ".md": in_page, ".seq": in_page, ".dot": in_page}.get(path.suffix)


def paragraphs(lines):
    """Joins what is read as one: lists of (line, text)."""
    joined, before = [], None
    for line, column, alone, text in lines:
        text = re.sub(r"``.*?``|`[^`]*`", "`", text).strip()
        if not text:
            before = None
            continue
        if alone and before == (line - 1, column):
            joined[-1].append((line, text))
        else:
            joined.append([(line, text)])
        before = line, column
    return joined


def hits_in(paragraph, is_comment):
    """(line, what was found, what to write) for each of WORDS in it."""
    text, starts = "", []
    for line, each in paragraph:
        starts.append((len(text), line))
        text += each + " "
    text = re.sub(r"^\\file ", " " * len("\\file "), text)
    for pattern, instead in WORDS:
        if pattern.startswith("^"):
            if not is_comment:
                continue
            pattern = r"^\s*" + pattern[1:]
        for found in re.finditer(pattern, text, re.I if pattern.islower() else 0):
            line = max(line for start, line in starts if start <= found.start())
            yield line, found.group().strip(), instead, text


def main(root):
    count, found = 0, 0
    unused = set(EXCEPTIONS)
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        read = reader_of(path)
        if not read or NOT_OURS.match(name) or not path.is_file():
            continue
        count += 1
        for paragraph in paragraphs(read(path.read_text())):
            for line, word, instead, text in hits_in(paragraph, read != in_page):
                excused = [each for each in EXCEPTIONS if each[0] == name and each[1] in text and word in each[1]]
                unused.difference_update(excused)
                if not excused:
                    found += 1
                    print(f'{name}:{line}: "{word}": write {instead}')
    for name, text, _ in sorted(unused):
        found += 1
        print(f'{name}: no longer needs its exception for "{text}"')
    print(f"{count} files, {found} to fix")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
