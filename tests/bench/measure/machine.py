"""What the figures were measured on, and how many descriptors a process may have here."""

import datetime
import os
import platform
import resource
import subprocess
import time
from pathlib import Path


def descriptor_limit(wanted):
    """Raises this process's limit, which its children inherit, as far as `wanted`. Returns it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < wanted:
        most = int(Path("/proc/sys/fs/nr_open").read_text())
        try:  # root may
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, most), min(wanted, most)))
            return min(wanted, most)
        except (ValueError, OSError):
            pass
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


TICKS = os.sysconf("SC_CLK_TCK")


def busy_seconds():
    """How long all cores together have been at work for any process, the host of a virtual machine included."""
    times = [int(word) for word in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    idle = times[3] + times[4]
    return (sum(times) - idle) / TICKS


def process_seconds(pid):
    """The processor time that a process has used."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / TICKS


class Others:
    """What part of a core went to neither the server nor the load, while something was measured."""

    def __init__(self, pid):
        self.pid = pid
        self.begin = self.read()

    def read(self):
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        ours = process_seconds(self.pid) + children.ru_utime + children.ru_stime
        return time.monotonic(), busy_seconds() - ours

    def share(self):
        (began, before), (ended, after) = self.begin, self.read()
        return max(0.0, (after - before) / (ended - began))


def first_line(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()[0]
    except (OSError, IndexError):
        return ""


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def now():
    return datetime.datetime.now().astimezone().isoformat(timespec="seconds")


def describe(limit):
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30, 1),
        "kernel": platform.release(),
        "compiler": first_line("g++", "--version"),
        "go": first_line("go", "version"),
        "descriptor_limit": limit,
        "load_before": os.getloadavg()[0],
        "date": now(),
    }
