#!/usr/bin/env python3
"""Makes each mistake of words.py once, in a small tree, and expects it to be found, and nothing else."""

import contextlib
import io
import re
import tempfile
from pathlib import Path

import words

# For each pattern a line that has it; the first one is for ^Lets and its like.
HITS = [
    "Lets it not fire.", "Whether it has gone.", "\\return or nothing.", "wakes who waits for bytes",
    "whoever adds work", "It ends. Who is cut off sees that.", "begins anew", "waits for ever", "mended in 13",
    "is not heeded", "an error is told once", "gives way", "the coroutine goes on", "an error like another",
    "sees to it", "bytes are owed", "An edge comes", "the number of the life", "behind one face", "two in line",
    "meets EAGAIN", "a client that says nothing", "one that took nothing", "takes what there is",
    "512 bytes a connection",
    "停放着", "叫醒它", "复位", "写在字里", "来过一个边缘", "水平是默认的", "旧的一生", "公布理由", "监听者", "写者",
    "体面地结束", "抱怨一次", "底线之下", "欠字节", "走一步", "睡在内核里", "代码里外翻了个", "弄坏", "想法", "超时无处可放",
    "打断用", "不说话的客户端",
]
# Lines in which nothing may be found.
NO_HITS = [
    "Lists the same letters.", "Tells whether it has gone.", "returns or throws", "Two questions. Who copies? Who waits?",
    "is told to stop", "on the way", "it goes on the heap", "owing to that", "an edge-triggered event",
    "in line with Go", "meets every need", "this says nothing about it", "`whoever`, ``for ever``",
    "状态字里", "一个字节", "边缘触发与水平触发", "一个字节的一生", "休眠", "一个字符",
]

failed = 0


def check(holds, text):
    global failed
    if not holds:
        failed += 1
        print(f"BROKEN: {text}")


def lint(root, files, exceptions=()):
    """Plants the files and reads them. Returns the status and what was printed."""
    words.EXCEPTIONS = list(exceptions)
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    with contextlib.redirect_stdout(io.StringIO()) as said:
        status = words.main(root)
    for name in files:
        (root / name).unlink()
    return status, said.getvalue()


def main(root):
    found = set()
    for text in HITS:
        status, said = lint(root, {"stage1_x/a.cpp": f"int a;\n// {text}\n"})
        check(status == 1 and "stage1_x/a.cpp:2: \"" in said and "write " in said, f"{text!r} is not found: {said}")
        found.update(pattern for pattern, _ in words.WORDS if re.search(pattern, text, re.I))
    for pattern, _ in words.WORDS:
        check(pattern in found, f"no line of HITS is for {pattern}")
    for text in NO_HITS:
        status, said = lint(root, {"a.hpp": f"/// {text}\n"})
        check(status == 0, f"{text!r} is no mistake: {said}")

    # Where it looks: comments of each language, every line of a page.
    for name, text, line in [
            ("tests/a.hpp", "int a; ///< begins anew\n", 1),
            ("tests/a.go", "/*\n * begins anew\n */\n", 2),
            ("tests/a.pml", "int a; /* begins anew */\n", 1),
            ("tests/a.sh", "a='#' # begins anew\n", 1),
            ("tests/a.py", 'def a():\n    """Says a.\n\n    begins anew"""\n', 4),
            ("tests/CMakeLists.txt", "# begins anew\n", 1),
            ("docs/en/a.md", "# A page {#a}\n\n| it | begins anew |\n", 3),
            ("docs/diagrams/a.seq", "a -> b: begins anew\n", 1),
            ("README.md", "It never\nbegins for\never.\n", 2),
            ("tests/b.cpp", "/// It waits for\n/// ever.\n", 1),
            ("tests/c.cpp", "/// \\file\n/// Lets it go.\n", 1)]:
        status, said = lint(root, {name: text})
        check(status == 1 and f"{name}:{line}: \"" in said, f"{text!r} in {name} is not found: {said}")
    # And where it does not look.
    for name, text in [
            ("tests/a.cpp", 'auto a = "anew // anew"; // fine\n'),
            ("tests/a.py", "anew = 'begins anew'\n"),
            ("tests/a.txt", "begins anew\n"),
            ("docs/en/a.md", "\\heldby{it begins anew}\n\n    begins anew\n\n```\nanew\n```\n"),
            ("tests/d.cpp", "int a; ///< waits for\nint b; ///< ever\n"),
            ("build/a.md", "begins anew\n")]:
        status, said = lint(root, {name: text})
        check(status == 0, f"{text!r} in {name} is no mistake: {said}")

    reason = ("a.md", "begins anew", "a quotation")
    check(lint(root, {"a.md": "It begins anew.\n"}, [reason])[0] == 0, "an exception does not count")
    check(lint(root, {"a.md": "It waits for ever.\n"}, [reason])[0] == 1, "an exception excuses everything")
    check(lint(root, {"a.md": "It is fine.\n"}, [reason])[0] == 1, "an exception that nothing needs is kept")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        main(Path(directory))
    print(f"{len(HITS)} mistakes, {failed} failures")
    raise SystemExit(1 if failed else 0)
