"""What is compared: each comparison is a list of cases, all of which every server in question runs."""

from dataclasses import dataclass

from measure import servers


@dataclass(frozen=True)
class Case:
    """One setting: how the load generator and the servers are called."""

    label: str
    load: tuple  # the load generator's options
    connections: int = 0  # descriptors that it takes, on either side
    threads: int = 1
    deadline: str = ""
    buffer: int = 4096
    seconds: float = 1.0  # counted, in a full run
    trace: bool = False  # count system calls instead
    patient: bool = False  # left out of a quick run
    once: bool = False  # too long for more than one round


@dataclass(frozen=True)
class Column:
    title: str
    path: str  # in the load generator's result: "server.cpu_ns_per_message"
    scale: float = 1.0
    digits: int = 0


@dataclass(frozen=True)
class Comparison:
    name: str
    letter: str
    title: str
    servers: tuple
    cases: tuple
    columns: tuple  # the first one is what ratios are made of
    rounds: int = 5
    quick_rounds: int = 1
    note: str = ""  # what a reader of the table has to know


CPU = Column("CPU ns/echo", "server.cpu_ns_per_message")
RATE = Column("echoes/s", "messages_per_second")
BUSY = Column("server busy %", "server.cpu_share", 100)
OWN = Column("load busy %", "generator_cpu_share", 100)
P50 = Column("p50 us", "latency_ns.p50", 1e-3)
P99 = Column("p99 us", "latency_ns.p99", 1e-3)
P999 = Column("p99.9 us", "latency_ns.p999", 1e-3)
MAX = Column("max us", "latency_ns.max", 1e-3)

STAGES = ("stage1", "stage2", "stage3", "stage4", "stage5")
PEERS = ("bare", "go", "asio", "uv", "uring")
EVENT_LOOPS = ("bare", "stage3", "stage4", "stage5", "go", "asio", "uv", "uring")


def closed(connections, size, *more):
    return ("--mode", "closed", "-c", str(connections), "-b", str(size), *more)


def cpu():
    cases = [Case(f"64 B, {count} connections", closed(count, 64), count) for count in (64, 1000)]
    return Comparison("cpu", "H", "an echo of 64 bytes, one server thread on a core of its own",
                      EVENT_LOOPS, tuple(cases), (CPU, RATE, P99, P999, BUSY, OWN), quick_rounds=3)


def steps():
    case = Case("64 B, 64 connections", closed(64, 64), 64)
    return Comparison("steps", "T", "stage 5 with a step taken back", ("bare", "stage5", *servers.STEPS[:3]),
                      (case,), (CPU, RATE, P99, P999), rounds=9)


def two():
    cases = [Case(f"64 B, {count} connections", closed(count, 64), count, threads=2,
                  patient=count == 1000) for count in (64, 1000)]
    return Comparison("two", "H", "two server threads, and the load beside them on the same two cores",
                      ("bare", "stage5", "wake_for_one", "go", "asio", "uv", "uring"), tuple(cases),
                      (RATE, CPU, P50, P99, P999), quick_rounds=3)


def sketches():
    case = Case("64 B, 64 connections", closed(64, 64), 64)
    return Comparison("sketches", "K", "a sketch beside its stage", ("bare", *servers.SKETCHES, *STAGES), (case,),
                      (CPU, RATE, P99, P999), rounds=5)


def wakes():
    cases = [Case(f"64 B, {count} connection{'s' * (count > 1)}", closed(count, 64), count, threads=2,
                  patient=count in (8, 50)) for count in (1, 8, 50, 500)]
    return Comparison("wakes", "W", "two server threads: waking the other one as seldom as stage 5, or as often as Go",
                      ("stage5", "wake_for_one"), tuple(cases), (CPU, RATE, P50, P99), rounds=9, quick_rounds=3)


def memory(idle):
    case = Case(f"{idle} idle connections, each after one echo",
                ("--mode", "closed", "-c", "1", "-i", str(idle)), idle + 1, seconds=0.2)
    return Comparison("memory", "C", "user memory of an idle connection",
                      ("bare", *STAGES, "malloc_frames", *PEERS[1:]), (case,),
                      (Column("bytes each", "server.memory_per_idle"),
                       Column("KiB in all", "server.memory_idle", 1 / 1024)), rounds=3)


def throughput():
    mib = Column("MiB/s", "bytes_per_second", 2**-20)
    case = Case("64 KiB messages, 16 connections", closed(16, 65536), 16, buffer=65536)
    return Comparison("throughput", "D", "large messages, one in flight a connection", EVENT_LOOPS,
                      (case,), (CPU, mib, P99, BUSY, OWN), quick_rounds=2)


def flood():
    mib = Column("MiB/s", "bytes_per_second", 2**-20)
    cases = [Case(f"{size} B messages, 64 connections, 256 KiB in flight each",
                  ("--mode", "flood", "-c", "64", "-b", str(size), "-w", "262144"), 64, buffer=65536,
                  patient=size in (2048, 16384))
             for size in (512, 2048, 4096, 16384, 65536)]
    return Comparison("flood", "D", "floods", EVENT_LOOPS, tuple(cases), (mib, CPU, BUSY, OWN))


def grid():
    cases = [Case(f"{size} B, {count} connections", closed(count, size), count,
                  patient=size == 512 or count in (150, 300, 500) or size == 1000 and count < 1000)
             for size in (128, 512, 1000) for count in (1, 50, 150, 300, 500, 1000)]
    return Comparison("grid", "A", "ping-pong: the grid of rust_echo_bench", ("stage1", *EVENT_LOOPS),
                      tuple(cases), (RATE, CPU, P50, P99, P999), rounds=3)


def idle(counts, descriptors):
    cases = [Case(f"{count} idle connections", closed(16, 64, "-i", str(count)), count + 16,
                  patient=count not in (0, 1000, 15_000), once=count > 15_000)
             for count in counts]
    stops = f"it stops at {counts[-1]} idle ones: this machine gives a process {descriptors} descriptors"
    return Comparison("idle", "B", "an echo's cost beside idle connections (16 busy ones)",
                      (*STAGES, "stage2-select", "stage2-spin", "bare", "go"), tuple(cases),
                      (CPU, RATE, P99), rounds=3, note=stops if counts[-1] < 1_000_000 else "")


def deadline():
    cases = [Case(f"64 B, 64 connections, {text}", closed(64, 64), 64, deadline=value)
             for text, value in (("no deadline", ""), ("a deadline for every message", "1h"))]
    return Comparison("deadline", "E", "what a deadline for every message costs",
                      ("stage4", "stage5", "go"), tuple(cases), (CPU, RATE, P99), quick_rounds=3)


def lateness():
    late = [Column(title, f"latency_ns.{name}", 1e-3)
            for title, name in (("late: p50 us", "p50"), ("p99 us", "p99"), ("p99.9 us", "p999"),
                                ("max us", "max"))]
    case = Case("1000 connections, silent after one echo, timeout 500 ms",
                ("--mode", "silent", "-c", "1000", "--timeout", "500ms"), 1000, deadline="500ms")
    return Comparison("lateness", "F", "how late a deadline is", ("stage4", "stage5", "go"), (case,),
                      tuple(late), rounds=3)


def churn():
    case = Case("16 at a time", ("--mode", "churn", "-c", "16"), 16)
    return Comparison("churn", "G", "connections opened, echoed once, and closed",
                      ("stage1", *EVENT_LOOPS, "malloc_frames"), (case,),
                      (Column("CPU ns each", CPU.path), Column("connections/s", "messages_per_second"), P99, BUSY, OWN), rounds=3)


def calls():
    cases = [Case(f"64 B, {count} connections", closed(count, 64), count, trace=True,
                  patient=count == 1) for count in (1, 64)]
    return Comparison("calls", "S", "system calls an echo (strace slows the server down)",
                      ("stage1", "stage2", *EVENT_LOOPS), tuple(cases),
                      (Column("calls/echo", "calls.all", 1, 2), Column("receive", "calls.receive", 1, 2),
                       Column("send", "calls.send", 1, 2), Column("wait", "calls.wait", 1, 2),
                       Column("other", "calls.other", 1, 2)), rounds=1)


def all_of_them(descriptors):
    """All comparisons, as far as so many descriptors in each process reach."""
    spare = 200  # what a process has open besides
    wanted = (0, 100, 500, 1000, 2000, 5000, 10_000, 15_000, 100_000, 1_000_000)
    counts = [count for count in wanted if count + spare <= descriptors]
    return [cpu(), steps(), two(), wakes(), sketches(), memory(min(15_000, descriptors - spare)), throughput(), grid(),
            idle(counts, descriptors), flood(), deadline(), lateness(), churn(), calls()]
