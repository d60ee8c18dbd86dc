#!/usr/bin/env python3
"""Makes the transcripts that the pages show, by running the servers: transcripts.py BUILD [DIRECTORY].

BUILD is a build tree with the stages' programs (build/release); DIRECTORY is where the transcripts
go (docs/transcripts). Needs strace, ps and ss. Process ids, ports and addresses become small numbers
of their own, so that a transcript only changes when what happens does. What a server's own --trace
says is kept as JSON, for a timeline."""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import timeline

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ["strace", "ps", "ss"]
PORT = 8080  # what a transcript calls the server's port
LONGEST = 138


class Server:
    """A program that listens, under strace if `calls` says which calls to show."""

    def __init__(self, build, program, *options, calls=None, flags=(), limit=None):
        self.trace = tempfile.NamedTemporaryFile(mode="r")
        command = [str(build / program), "--listen", "127.0.0.1:0", *options]
        if calls is not None:
            command = ["strace", "-o", self.trace.name, *flags, *calls, *command]
        if limit:
            command = ["prlimit", f"--nofile={limit}", *command]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True)
        line = self.process.stdout.readline()
        if not line.startswith("listening on "):
            raise RuntimeError(f"{program}: {line}{self.process.stderr.read()}")
        self.port = int(line.rsplit(":", 1)[1])
        self.children = self.process.pid
        self.clients = []
        if calls is not None:
            found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)],
                                   capture_output=True, text=True)
            self.children = int(found.stdout.split()[0])

    def traced(self):
        return Path(self.trace.name).read_text()

    def client(self, receive_buffer=None):
        made = socket.socket()
        if receive_buffer:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        made.connect(("127.0.0.1", self.port))
        made.settimeout(5)
        self.clients.append(made.getsockname()[1])
        pause()
        return made

    def output(self, *command):
        text = subprocess.run([str(each) for each in command], capture_output=True, text=True).stdout
        return self.tidy(text)

    def tidy(self, text):
        return tidy(text, self.port, self.clients)

    def stop(self, number=signal.SIGINT):
        subprocess.run(["kill", f"-{int(number)}", str(self.children)])
        _, errors = self.process.communicate(timeout=20)
        lines = self.traced().splitlines()
        begins = [i for calls in (r"epoll_ctl\(|accept4\(|poll\(", r"epoll_p?wait2?\(")
                  for i, line in enumerate(lines) if re.search(calls, line)]
        calls = "\n".join(lines[begins[0]:] if begins else [])
        self.trace.close()
        return self.tidy(calls), self.tidy(errors)


def pause():
    time.sleep(0.15)


def tidy(text, port=None, clients=()):
    """Replaces numbers that differ in each run by small ones, in the order in which they appear; those of a
    server's clients, in the order in which the clients connected."""
    known = {"port": {str(client): 50001 + i for i, client in enumerate(clients)}}

    def small(kind, first):
        def replace(match):
            of_kind = known.setdefault(kind, {})
            return match.group(1) + str(of_kind.setdefault(match.group(2), first + len(of_kind)))
        return replace

    if port:
        text = re.sub(rf"\b{port}\b", str(PORT), text)
    if not re.search(r"(?m)^\d+ +\d+ +127", text):  # what ss says of queues are no process ids
        text = re.sub(r"(?m)^( *)(\d+)(?= )", small("process", 101), text)
    text = re.sub(r"(clone3?\(.* = )(\d+)", small("process", 101), text)
    text = re.sub(r"(si_pid=)(\d+)", small("killer", 900), text)
    text = re.sub(r"(sin_port=htons\()(?!8080)(\d+)", small("port", 50001), text)
    text = re.sub(r"(127\.0\.0\.1:)(?!8080)(\d+)", small("port", 50001), text)
    text = re.sub(r"0x[0-9a-f]{6,}", "0x7f…", text)
    text = text.replace(str(ROOT) + "/", "")
    return text.expandtabs()


def cut(lines):
    return [line if len(line) <= LONGEST else line[:LONGEST - 1] + "…" for line in lines]


def shorten(lines):
    """What a reader need not see of a call."""
    for line in lines:
        line = re.sub(r"(clone3?\().*(\) = )", r"\1…CLONE_THREAD…\2", line)
        line = re.sub(r", sin_addr=inet_addr\(\"127.0.0.1\"\)", ", …", line)
        line = re.sub(r"data=\{u32=(\d+), u64=\d+\}", r"data=\1", line)
        line = re.sub(r"(recvfrom\(.*?), 0, NULL, NULL\)", r"\1, …)", line)
        line = re.sub(r"(sendto\(.*?MSG_NOSIGNAL), NULL, 0\)", r"\1, …)", line)
        yield re.sub(r"\s+=", " =", line)


def show(command, text, keep=None):
    lines = [line for line in text.splitlines()
             if line.strip() and "+++" not in line and (keep is None or re.search(keep, line))]
    if not lines:
        raise RuntimeError(f"nothing to show of: {command}")
    return "\n".join([f"$ {command}", *cut(shorten(lines))]) + "\n"


def echo(client, message):
    client.sendall(message)
    got = b""
    while len(got) < len(message):
        got += client.recv(65536)
    pause()
    return got


def trace(build, program, *options, clients):
    """What the server notes while `clients` does something with it, as JSON, an event a line."""
    with tempfile.NamedTemporaryFile(mode="r", suffix=".json") as file:
        server = Server(build, program, *options, "--trace", file.name)
        pause()  # until it waits for clients
        clients(server)
        pause()
        server.stop()
        return small_trace(file.read())


def small_trace(text):
    """From the first look at who wants to be accepted to the last client's end; without the looks of
    a worker that finds nothing to do, unless the time for which it looked was a deadline's."""
    name, events = timeline.read(text)
    first = next(i for i, event in enumerate(events) if event.lane.kind == "listener"
                 and event.name in ("resume", "accept4"))
    if first > 0 and events[first - 1].lane.kind == "poller":
        first -= 1
    last = max(i for i, event in enumerate(events) if event.lane.kind == "client")
    kept = [event for event, then in zip(events[first:last + 1], events[first + 1:] + [None])
            if event.lane.kind in ("listener", "client") or is_worth_keeping(event, then)]
    small = {}
    lines = [{"name": "process_name", "ph": "M", "pid": 1, "args": {"name": name}}]
    for event in kept:
        record = event.record | {"ts": round(event.begin - kept[0].begin, 1), "pid": 1, "tid": event.thread}
        if event.end is not None:
            record["dur"] = round(event.end - event.begin, 1)
        if event.waiter:
            record["args"]["waiter"] = small.setdefault(event.waiter, f"{len(small) + 1:#x}")
        lines.append(record)
    return "[\n" + ",\n".join(map(json.dumps, lines)) + "\n]\n"


def is_worth_keeping(event, then):
    return event.lane.kind == "poller" and (event.result or (then is not None and then.name == "timer"))


def one_byte(server):
    client = server.client()
    echo(client, b"x")
    client.close()


# ---- The transcripts; each function's name is its file's ----------------------------------------

def stage1_one_at_a_time(build):
    server = Server(build, "stage1_blocking/stage1_one_at_a_time",
                    calls=["-e", "trace=accept4,recvfrom,sendto,close"])
    first, second = server.client(), server.client()
    first.sendall(b"first\n")
    second.sendall(b"second\n")
    pause()
    queue = server.output("ss", "-Htn", "sport", "=", f":{server.port}").splitlines()
    queue = "\n".join(sorted(queue, key=lambda line: line.split()[-1]))
    first.recv(100)
    first.close()
    second.recv(100)
    pause()
    second.close()
    pause()
    calls, _ = server.stop(signal.SIGKILL)
    return (show("ss -tn sport = :8080        # two clients have sent, one is served", queue)
            + show("strace stage1_one_at_a_time", calls, "accept4|recvfrom|sendto|close"))


def stage1_threads(build):
    server = Server(build, "stage1_blocking/stage1_server")
    clients = [server.client() for _ in range(3)]
    text = server.output("ps", "-T", "-o", "tid,wchan:24", "-p", server.children)
    for client in clients:
        client.close()
    server.stop()
    return show("ps -T -o tid,wchan:24 -p $(pgrep stage1_server)   # three clients are connected", text)


def stage1_echo(build):
    server = Server(build, "stage1_blocking/stage1_server", flags=["-f"],
                    calls=["-e", "trace=accept4,recvfrom,sendto,clone,clone3,shutdown,close"])
    client = server.client()
    echo(client, b"hello\n")
    client.close()
    pause()
    calls, _ = server.stop()
    return show("strace -f stage1_server", calls, "accept4|recvfrom|sendto|clone|shutdown|close")


def stage1_cost(build):
    server = Server(build, "stage1_blocking/stage1_server")
    clients = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(200)]
    time.sleep(0.5)
    text = server.output("grep", "-E", "^(Threads|VmSize|VmRSS|voluntary)",
                         f"/proc/{server.children}/status")
    for client in clients:
        client.close()
    server.stop()
    return show("grep -E 'Threads|VmSize|VmRSS|voluntary' /proc/$(pgrep stage1_server)/status"
                "   # 200 idle clients", text)


def stage2_spin(build):
    server = Server(build, "stage2_nonblocking/stage2_server", "--wait", "spin", flags=["-c"],
                    calls=["-e", "trace=accept4,read,poll"])
    time.sleep(1)
    subprocess.run(["kill", "-INT", str(server.children)])
    server.process.communicate(timeout=20)
    return show("timeout -s INT 1 strace -c stage2_server --wait spin      # nobody is connected",
                tidy(Path(server.trace.name).read_text()), r"accept4|read|calls|---")


def stage2_echo(build):
    server = Server(build, "stage2_nonblocking/stage2_server",
                    calls=["-e", "trace=accept4,recvfrom,sendto,poll,close"])
    idle, client = server.client(), server.client()
    echo(client, b"hello\n")
    client.close()
    pause()
    idle.close()
    pause()
    calls, _ = server.stop(signal.SIGKILL)
    return show("strace stage2_server --wait poll      # a second client is idle", calls,
                "accept4|recvfrom|sendto|poll|close")


def stage2_list(build):
    server = Server(build, "stage2_nonblocking/stage2_server", limit=2048, calls=["-e", "trace=poll"])
    busy = server.client()
    echo(busy, b"hello\n")
    idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(1000)]
    time.sleep(1.5)
    echo(busy, b"again\n")
    calls, _ = server.stop(signal.SIGKILL)
    for client in [busy, *idle]:
        client.close()
    lines = [line for line in calls.splitlines() if line.startswith("poll(") and ") = " in line]
    few = [line for line in lines if re.search(r"\], 3, -1\)", line)][-1:]
    many = [re.sub(r"(fd=5, events=POLLIN\}).*?\], 1003", r"\1, ...], 1003", line)
            for line in lines if re.search(r", 1003, -1\)", line)][-1:]
    return show("strace -e poll stage2_server --wait poll      # alone, then beside 1000 idle clients",
                "\n".join(few + many))


def stage2_select(build):
    server = Server(build, "stage2_nonblocking/stage2_server", "--wait", "select", limit=2048)
    clients = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(1025)]
    time.sleep(0.5)
    for client in clients:
        client.close()
    _, errors = server.stop()
    return show("stage2_server --wait select      # 1025 clients come", errors)


def stage2_connect(build):
    server = Server(build, "stage2_nonblocking/stage2_server")
    with tempfile.NamedTemporaryFile(mode="r") as trace:
        subprocess.run(["strace", "-o", trace.name, "-e",
                        "trace=socket,connect,poll,getsockopt,sendto,recvfrom",
                        build / "stage2_nonblocking/stage2_client", f"127.0.0.1:{server.port}"],
                       input=b"hello\n", stdout=subprocess.DEVNULL)
        text = trace.read()
    server.stop()
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if "connect(" in line and "AF_INET" in line)
    return show("echo hello | strace stage2_client 127.0.0.1:8080",
                tidy("\n".join(lines[start - 1:]), server.port), "^(?!recvfrom.*EAGAIN)")


def stage3_life(build):
    server = Server(build, "stage3_epoll_lt/stage3_server",
                    calls=["-e", "trace=accept4,recvfrom,sendto,epoll_wait,epoll_ctl,close"])
    client = server.client()
    echo(client, b"hello\n")
    client.close()
    pause()
    calls, _ = server.stop(signal.SIGKILL)
    return show("strace stage3_server      # a client's whole life", calls, "accept4|recv|send|epoll|close")


def owed(build, program, *options):
    server = Server(build, program, *options, calls=["-e", "trace=epoll_wait,epoll_ctl,epoll_pwait2,recvfrom,sendto"])
    client = server.client(receive_buffer=4096)
    client.setblocking(False)
    sent = 0
    end = time.time() + 1.5
    while time.time() < end:
        try:
            sent += client.send(bytes(65536))
        except BlockingIOError:
            time.sleep(0.02)
    queues = server.output("ss", "-Htn", "state", "established", "sport", "=", f":{server.port}")
    calls, _ = server.stop(signal.SIGKILL)
    client.close()
    return calls, queues


def stage3_unsent(build):
    calls, queues = owed(build, "stage3_epoll_lt/stage3_server")
    lines = calls.splitlines()
    first = next(i for i, line in enumerate(lines) if "EPOLL_CTL_MOD" in line)
    text = re.sub(r'"(\\0)+"\.\.\.', '"…"...', "\n".join(lines[max(0, first - 2):first + 2]))
    return (show("strace stage3_server      # a client sends and does not read", text)
            + show("ss -Htn state established sport = :8080      # bytes not read, bytes not acknowledged",
                   queues))


def stage4_life(build):
    server = Server(build, "stage4_epoll_et/stage4_server", "--idle-timeout", "700ms",
                    calls=["-e", "trace=accept4,recvfrom,sendto,epoll_wait,epoll_pwait2,epoll_ctl,close"])
    client = server.client()
    echo(client, b"hello\n")
    echo(client, b"again\n")
    time.sleep(0.9)
    client.close()
    calls, _ = server.stop(signal.SIGKILL)
    return show("strace stage4_server --idle-timeout 700ms      # a client's whole life", calls,
                "accept4|recv|send|epoll|close")


def stage4_unsent(build):
    calls, _ = owed(build, "stage4_epoll_et/stage4_server")
    lines = [line for line in calls.splitlines() if "epoll_ctl" in line or "EAGAIN" in line]
    text = re.sub(r'"(\\0)+"\.\.\.', '"…"...', "\n".join(lines))
    return show("strace stage4_server      # the same client: what is told to epoll, and what meets EAGAIN",
                "\n".join(text.splitlines()[:6]))


def stage4_stop(build):
    server = Server(build, "stage4_epoll_et/stage4_server",
                    calls=["-e", "trace=epoll_wait,epoll_pwait2,write,read,rt_sigreturn,close"])
    pause()
    calls, _ = server.stop()
    return show("strace stage4_server      # Ctrl-C", calls, "epoll|write|read|SIG|sigreturn")


def stage4_threads(build):
    server = Server(build, "stage4_epoll_et/stage4_server")
    clients = [server.client() for _ in range(3)]
    text = server.output("ps", "-T", "-o", "tid,wchan:24", "-p", server.children)
    for client in clients:
        client.close()
    server.stop()
    return show("ps -T -o tid,wchan:24 -p $(pgrep stage4_server)   # three clients are connected", text)


def stage5_life(build):
    server = Server(build, "stage5_coroutines/stage5_server", "--threads", "1", flags=["-f"],
                    calls=["-e", "trace=accept4,recvfrom,sendto,epoll_wait,epoll_pwait2,epoll_ctl,close"])
    client = server.client()
    echo(client, b"hello\n")
    echo(client, b"again\n")
    client.close()
    pause()
    calls, _ = server.stop(signal.SIGKILL)
    return show("strace -f stage5_server --threads 1      # a client's whole life", calls,
                "accept4|recv|send|epoll|close")


def stage5_threads(build):
    server = Server(build, "stage5_coroutines/stage5_server", "--threads", "2")
    clients = [server.client() for _ in range(3)]
    text = server.output("ps", "-T", "-o", "tid,wchan:24", "-p", server.children)
    for client in clients:
        client.close()
    server.stop()
    return show("ps -T -o tid,wchan:24 -p $(pgrep stage5_server)   # --threads 2, three clients are connected",
                text)


def stage5_lines(build):
    server = Server(build, "stage5_coroutines/stage5_server", "--mode", "lines", "--verbose")
    client = server.client()
    client.sendall(b"hel")
    pause()
    client.sendall(b"lo\nwor")
    pause()
    got = client.recv(100)
    client.sendall(b"ld\n")
    pause()
    got += client.recv(100)
    client.close()
    pause()
    _, errors = server.stop()
    return (show('(printf hel; sleep 1; printf "lo\\nwor"; sleep 1; printf "ld\\n") | nc -N localhost 8080',
                 got.decode())
            + show("stage5_server --mode lines --verbose", errors))


def stage3_byte_timeline(build):
    return trace(build, "stage3_epoll_lt/stage3_server", clients=one_byte)


def stage5_byte_timeline(build):
    return trace(build, "stage5_coroutines/stage5_server", "--threads", "1", clients=one_byte)


def stage5_timeline(build):
    def clients(server):
        silent, other = server.client(), server.client()
        for client in (silent, other):  # both at once: one wait tells of both
            client.sendall(b"hello\n")
        for client in (silent, other):
            client.recv(100)
        pause()
        echo(other, b"again\n")
        other.close()
        silent.recv(100)  # until its deadline has passed
        silent.close()
    return trace(build, "stage5_coroutines/stage5_server", "--threads", "2", "--idle-timeout", "700ms",
                 clients=clients)


def keep(name, make, build):
    """Which thread does what is luck, and no transcript is compared by it; but where there are two,
    both are to be seen."""
    for _ in range(20):
        text = make(build)
        if name != "stage5_timeline.json" or '"tid": 2' in text:
            break
    return text


def all_of_them():
    """By the names of their files."""
    return {f"{name}.{'json' if name.endswith('_timeline') else 'txt'}": make
            for name, make in globals().items() if re.match(r"stage\d_", name)}


def main():
    build = Path(sys.argv[1]).resolve()
    directory = Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "docs/transcripts"
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        sys.exit(f"missing: {' '.join(missing)}")
    directory.mkdir(parents=True, exist_ok=True)
    for name, make in all_of_them().items():
        (directory / name).write_text(keep(name, make, build))


if __name__ == "__main__":
    main()
