"""What the scripts have to know about the sources and about Doxygen's names for their pages."""

import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# The order in which a stage is read: from the server down, then the client, then the base.
READING = ["one_at_a_time", "server", "guests", "bufio", "net", "connection", "fd_call", "fd_write",
           "fd", "fd_mutex", "names", "task", "runtime", "chan", "scheduler", "run_queue",
           "runnable", "frame_cache", "poll_desc", "waiter", "netpoll", "poller", "timers", "client",
           "dial", "socket", "address", "op_error", "unique_fd", "options", "log", "trace", "main"]


def stage_directory(number):
    return next(ROOT.glob(f"stage{number}_*"))


def files_of(number):
    """A stage's own files, in reading order; headers first."""
    def place(path):
        known = READING.index(path.stem) if path.stem in READING else len(READING)
        return known, path.stem, path.suffix != ".hpp"
    found = stage_directory(number).glob("*.[ch]pp")
    return sorted(found, key=place)


@cache
def _names():
    count = {}
    for path in ROOT.glob("stage[0-9]_*/**/*.[ch]pp"):
        count[path.name] = count.get(path.name, 0) + 1
    return count


def source_page(path):
    """The page with the text of a source file, as Doxygen calls it."""
    name = path.name if _names()[path.name] == 1 else str(path.relative_to(ROOT))
    for character, code in [("_", "__"), ("/", "_2"), (".", "_8")]:
        name = name.replace(character, code)
    return name + "_source.html"


def about(path):
    r"""The first sentence of a file's \file comment."""
    match = re.search(r"/// \\file\n((?:\s*///[^\n]*\n)+)", path.read_text())
    if not match:
        return ""
    text = " ".join(line.strip()[3:].strip() for line in match.group(1).splitlines())
    return re.split(r"(?<=[.:;])\s", text)[0].rstrip(":;")
