"""What the scripts have to know about the sources and about Doxygen's names for their pages."""

import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# The order in which a stage is read: from the server down, room by room, then the client and the base.
READING = ["sketch", "one_at_a_time", "server", "clients", "connection",
           "conn", "listener", "error", "bufio", "dial", "lookup", "listen", "resolve", "op_error",
           "fd", "fd_call", "fd_write", "fd_mutex",
           "task", "scheduler", "idle", "run_queue", "runnable", "time", "chan", "wait_group",
           "poll_desc", "waiter", "netpoll", "poller", "timers", "frame_cache", "usable_cpus",
           "socket", "unique_fd", "syscall_error", "address", "address_pair", "trace",
           "client", "program", "main", "options", "signals", "log"]


def stage_directory(number):
    return next(ROOT.glob(f"stage{number}_*"))


def files_of(number):
    """A stage's own files but the articles' programs, in reading order; headers first."""
    def place(path):
        known = READING.index(path.stem) if path.stem in READING else len(READING)
        return known, path.stem, path.suffix != ".hpp"
    found = stage_directory(number).rglob("*.[ch]pp")
    return sorted((path for path in found if path.parent.name != "articles"), key=place)


def in_stage(path):
    """A file's name within its stage: runtime/poller.hpp."""
    return "/".join(path.relative_to(ROOT).parts[1:])


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
