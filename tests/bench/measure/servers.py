"""The servers that are compared, and one of them as a process: started on its cores, ended by its id."""

import ctypes
import os
import select
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path


@dataclass(frozen=True)
class Server:
    """A program, and the options by which it is controlled. What it has no option for cannot be measured."""

    name: str
    program: str  # relative to the build's directory, or absolute
    arguments: tuple = ()
    threads: bool = False  # has --threads
    deadline: str = ""  # the option that sets an idle timeout
    buffer: bool = False  # has --buffer
    most: int = 10**9  # connections
    package: str = ""  # what is to be installed to have it
    sketch: bool = False  # takes a port, and no options

    def command(self, build, threads=1, deadline="", buffer=0):
        if self.sketch:
            return [str(build / self.program), "0"]
        words = [str(build / self.program), "--listen", "127.0.0.1:0", *self.arguments]
        if self.threads:
            words += ["--threads", str(threads)]
        if deadline:
            words += [self.deadline, deadline]
        if self.buffer and buffer:
            words += ["--buffer", str(buffer)]
        return words


PEERS = "tests/bench/"
ALL = [
    Server("bare", PEERS + "bare_epoll", threads=True),
    Server("stage1", "stage1_blocking/stage1_server", most=20_000),
    Server("stage2", "stage2_nonblocking/stage2_server", most=20_000),
    Server("stage2-select", "stage2_nonblocking/stage2_server", ("--wait", "select"), most=1000),
    Server("stage2-spin", "stage2_nonblocking/stage2_server", ("--wait", "spin"), most=20_000),
    Server("stage3", "stage3_epoll_lt/stage3_server"),
    Server("stage4", "stage4_epoll_et/stage4_server", deadline="--idle-timeout"),
    Server("stage5", "stage5_coroutines/stage5_server", threads=True, deadline="--idle-timeout"),
    Server("go", PEERS + "go_echo", threads=True, deadline="--deadline", buffer=True, package="golang-go"),
    Server("asio", PEERS + "asio_echo", threads=True, buffer=True, package="libasio-dev"),
    Server("uv", PEERS + "uv_echo", threads=True, package="libuv1-dev"),
    Server("uring", PEERS + "uring_echo", threads=True, buffer=True, package="liburing-dev"),
]
SKETCHES = tuple(f"sketch{number}" for number in range(1, 6))
ALL += [Server(f"sketch{name[5]}", f"{name}/stage{name[5]}_sketch", sketch=True)
        for name in ("stage1_blocking", "stage2_nonblocking", "stage3_epoll_lt", "stage4_epoll_et", "stage5_coroutines")]
STEPS = ("always_try", "malloc_frames", "untraced", "wake_for_one")
ALL += [Server(name, f"{PEERS}steps/{name}/stage5_server", threads=True) for name in STEPS]


def variant(text, servers):
    """"old=stage5:/tmp/stage5_server --flag" is stage 5's options with another program."""
    name, _, rest = text.partition("=")
    base, _, command = rest.partition(":")
    known = {server.name: server for server in servers}
    words = command.split()
    if not name or base not in known or not words:
        raise ValueError(f"{text!r} is not NAME=SERVER:PROGRAM [OPTIONS]")
    return replace(known[base], name=name, program=os.path.abspath(words[0]), arguments=tuple(words[1:]))


class Died(Exception):
    """A program that had to run, or to succeed, did not: the text is one line."""


def prepare(cores):
    """What a child does before it becomes its program: takes its cores, and ends when we do."""
    libc = ctypes.CDLL(None)

    def run():
        os.sched_setaffinity(0, cores)
        libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG

    return run


@dataclass
class Running:
    """A server that listens. A context manager: at its end the process is gone."""

    command: list
    cores: set
    errors: object = field(default_factory=tempfile.TemporaryFile)
    process: subprocess.Popen = None
    address: str = ""

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=self.errors, preexec_fn=prepare(self.cores))
        if select.select([self.process.stdout], [], [], 10)[0]:
            line = self.process.stdout.readline().decode(errors="replace").strip()
            if line.startswith("listening on "):
                self.address = line.removeprefix("listening on ")
                return self
        text = self.complaint() or "it says nothing"
        self.__exit__()
        raise Died(f"{Path(self.command[0]).name} does not listen: {text}")

    def __exit__(self, *_):
        for number, patience in ((signal.SIGTERM, 8), (signal.SIGKILL, 5)):
            if self.process.poll() is None:
                self.process.send_signal(number)
                try:
                    self.process.wait(patience)
                except subprocess.TimeoutExpired:
                    pass
        self.process.stdout.close()
        self.errors.close()

    def complaint(self):
        """The last line that it wrote to standard error."""
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""


def system_calls(pid, work):
    """Runs `work` with strace counting the process's calls. Returns their counts by name."""
    with tempfile.NamedTemporaryFile() as counts:
        tracer = subprocess.Popen(["strace", "-c", "-f", "-qq", "-o", counts.name, "-p", str(pid)],
                                  stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        time.sleep(0.3)  # strace does not say when it is attached
        try:
            if tracer.poll() is not None:
                raise Died("strace: " + tracer.stderr.read().decode(errors="replace").strip()[:200])
            work()
        finally:
            if tracer.poll() is None:
                tracer.send_signal(signal.SIGINT)
            tracer.wait(10)
        found = {}
        for line in Path(counts.name).read_text().splitlines():
            words = line.split()
            if len(words) >= 5 and words[0].replace(".", "").isdigit() and words[-1] != "total":
                found[words[-1]] = int(words[3])
        return found
