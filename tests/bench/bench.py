#!/usr/bin/env python3
"""Runs the comparisons, server beside server and round by round, and tells what came of it.

Every server is a fresh process for every single measurement. Within a round all of them have their
turn before any has its next one, so that what changes in the machine meanwhile hits all alike.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from measure import comparisons, machine, plots, published, servers, table

SOURCES = Path(__file__).resolve().parents[2]
WANTED_DESCRIPTORS = 1_001_000


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def misused(text):
    say(text)
    sys.exit(2)


def above_zero(kind):
    def read(text):
        if not kind(text) > 0:
            raise ValueError
        return kind(text)

    read.__name__ = "positive number"
    return read


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], prog="bench")
    parser.error = lambda text: misused(text + " (see --help)")
    parser.add_argument("--quick", action="store_true", help="fewer cases, rounds and seconds: 3 minutes")
    parser.add_argument("--only", help="comparisons, by letter or name: A,C or cpu,memory")
    parser.add_argument("--servers", help="stage5,bare,go")
    parser.add_argument("--also", action="append", default=[], metavar="NAME=SERVER:PROGRAM",
                        help="another program with SERVER's options: old=stage5:/tmp/stage5_server")
    parser.add_argument("--cases", help="only the cases whose label has this in it: '1000 connections'")
    parser.add_argument("--rounds", type=above_zero(int), help="medians of so many")
    parser.add_argument("--seconds", type=above_zero(float), help="counted in each measurement")
    parser.add_argument("--build", type=Path, default=SOURCES / "build/release")
    parser.add_argument("--output", type=Path, help="build/bench/results.json; picked.json of a part")
    parser.add_argument("--keep", action="store_true",
                        help="what the output file has of comparisons that are not run now")
    parser.add_argument("--table", action="store_true", help="measure nothing: print and draw what the output file has")
    parser.add_argument("--publish", action="store_true",
                        help="the medians and the plots into docs/measured and the READMEs as well; with "
                             "--against, how well two runs agree")
    parser.add_argument("--against", type=Path, metavar="RESULTS",
                        help="at the end, how far that file's medians are from this run's")
    parser.add_argument("--list", action="store_true", help="what there is to compare")
    asked = parser.parse_args()
    if asked.output is None:  # a part must not replace the whole
        part = not asked.table and (asked.only or asked.servers or asked.cases or asked.also)
        asked.output = SOURCES / "build/bench" / ("picked.json" if part else "results.json")
    return asked


def chosen(text, known, names_of, what):
    """Those of `known` that the list names. `names_of` gives all names that one of them has."""
    if text is None:
        return list(known)
    wanted = [word.strip() for word in text.split(",")]
    for word in wanted:
        if not any(word in names_of(each) for each in known):
            names = ", ".join(names_of(each)[0] for each in known)
            misused(f"there is no {what} {word!r}; there are {names}")
    return [each for each in known if any(word in names_of(each) for word in wanted)]


class Bench:
    """A run: what to measure, and the results so far."""

    def __init__(self, asked):
        self.asked = asked
        self.load = asked.build / "tests/bench/load_generator"
        self.limit = machine.descriptor_limit(WANTED_DESCRIPTORS)
        known = list(servers.ALL)
        try:
            extra = [servers.variant(text, known) for text in asked.also]
        except ValueError as error:
            misused(f"--also: {error}")
        wanted = asked.servers and ",".join([asked.servers, *(server.name for server in extra)])
        self.servers = chosen(wanted, known + extra, lambda each: [each.name], "server")
        self.bases = {text.partition("=")[0]: text.partition("=")[2].partition(":")[0] for text in asked.also}
        self.comparisons = chosen(asked.only, comparisons.all_of_them(self.limit),
                                  lambda each: [each.name, each.letter], "comparison")
        self.runs, self.failures, self.left_out = [], [], {}
        self.machine = machine.describe(self.limit)
        # The highest core is the load's, so that interrupts, mostly on the first, hit the server alike.
        cores = sorted(os.sched_getaffinity(0))
        self.all_cores, self.server_core, self.load_core = set(cores), {cores[0]}, {cores[-1]}

    def read_kept(self):
        """Takes over what the output file has, but for the comparisons that are to run."""
        if not self.asked.output.exists():
            return
        try:
            kept = json.loads(self.asked.output.read_text())
            if self.asked.table:
                self.machine, self.left_out = kept["machine"], kept["left_out"]
            now = {} if self.asked.table else {comparison.name for comparison in self.comparisons}
            for name, into in (("runs", self.runs), ("failures", self.failures)):
                into += [entry for entry in kept[name] if entry["comparison"] not in now]
        except (ValueError, KeyError, TypeError):
            say(f"{self.asked.output} is not a file of results")
            sys.exit(1)

    def find_servers(self):
        for server in list(self.servers):
            if not (self.asked.build / server.program).exists():
                self.left_out[server.name] = f"not built ({server.package or server.program})"
                self.servers.remove(server)
        for name, why in self.left_out.items():
            say(f"left out: {name}, {why}")
        if not self.load.exists():
            say(f"{self.load} has not been built")
            sys.exit(1)

    def work_of(self, comparison):
        """The cases and servers of one round, in order."""
        for case in comparison.cases:
            if self.asked.quick and case.patient or self.asked.cases and self.asked.cases not in case.label:
                continue
            for server in self.servers:
                if self.bases.get(server.name, server.name) not in comparison.servers:
                    continue
                if case.connections <= server.most and not (case.deadline and not server.deadline):
                    yield case, server

    def run_load(self, case, address, pid, cores):
        seconds = self.asked.seconds or case.seconds * (0.3 if self.asked.quick else 1)
        command = [str(self.load), "--address", address, "--pid", str(pid), "--duration", f"{seconds:.3f}s",
                   "--warm-up", f"{0 if case.trace else 0.15 if self.asked.quick else 0.3}s", *case.load]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600,
                              preexec_fn=servers.prepare(cores), check=False)
        if done.returncode != 0:
            said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
            raise servers.Died(said[-1])
        return json.loads(done.stdout)

    def measure(self, case, server):
        alone = case.threads == 1
        command = server.command(self.asked.build, case.threads, case.deadline, case.buffer)
        with servers.Running(command, self.server_core if alone else self.all_cores) as running:
            cores = self.load_core if alone else self.all_cores
            pid = running.process.pid
            others, result = machine.Others(pid), {}
            try:
                if case.trace:
                    counts = servers.system_calls(
                        pid, lambda: result.update(self.run_load(case, running.address, pid, cores)))
                    result["calls"] = per_echo(counts, result["messages"] + case.connections)
                else:
                    result = self.run_load(case, running.address, pid, cores)
            except servers.Died as error:
                raise servers.Died(f"{error}; the server said: {running.complaint() or 'nothing'}") from None
            return result | {"others_cpu_share": round(others.share(), 3)}

    def run(self):
        for comparison in self.comparisons:
            rounds = self.asked.rounds or (
                comparison.quick_rounds if self.asked.quick else comparison.rounds)
            work = list(self.work_of(comparison))
            began, broken = time.monotonic(), set()
            for number in range(rounds):
                say(f"{comparison.name}: round {number + 1} of {rounds}, {len(work)} measurements")
                for case, server in work:
                    if (case.label, server.name) in broken or case.once and number > 0:
                        continue
                    entry = {"comparison": comparison.name, "case": case.label, "server": server.name,
                             "at": machine.now()}
                    try:
                        entry |= {"round": number, "result": self.measure(case, server)}
                        self.runs.append(entry)
                    except (servers.Died, OSError, subprocess.TimeoutExpired) as error:
                        say(f"{server.name}, {case.label}: {error}")
                        self.failures.append(entry | {"why": str(error)})
                        broken.add((case.label, server.name))
                    self.keep()
            say(f"{comparison.name}: {time.monotonic() - began:.0f} s")
            print("\n".join(table.lines(self.runs, comparison, self.failures)), flush=True)

    def keep(self):
        """Writes the results so far; a reader never sees half of a file."""
        path = self.asked.output
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(self.results(), indent=1))
        part.replace(path)

    def results(self):
        return {"machine": self.machine, "left_out": self.left_out, "runs": self.runs, "failures": self.failures}

    def compare(self):
        """With another run of the same programs, or of others."""
        path = self.asked.against
        if path is None:
            return
        try:
            others = json.loads(path.read_text())["runs"]
            for each in self.comparisons:
                print("\n".join(table.differences(self.runs, others, each)), end="", flush=True)
        except (OSError, ValueError, KeyError, TypeError):
            say(f"{path} is not a file of results")
            sys.exit(1)

    def draw(self):
        files = plots.draw(self.results(), self.asked.output.parent)
        say("left out: the plots, there is no matplotlib" if files is None else
            f"{len(files)} plots in {self.asked.output.parent}")
        if self.asked.publish:
            again = json.loads(self.asked.against.read_text())["runs"] if self.asked.against else []
            published.write(self.results(), again)
            say(f"published in {published.DIRECTORY}")


def per_echo(counts, echoes):
    """strace's counts, sorted by what they are for, an echo."""
    kinds = {"receive": ("recv", "read"), "send": ("send", "write"), "wait": ("epoll_", "poll", "select",
             "pselect", "ppoll", "io_uring_enter")}
    sums = {"receive": 0, "send": 0, "wait": 0, "other": 0}
    for name, count in counts.items():
        kind = next((kind for kind, starts in kinds.items() if name.startswith(starts)), "other")
        sums[kind] += count
    return {"all": sum(counts.values()) / echoes, "names": counts} | {k: v / echoes for k, v in sums.items()}


def main():
    asked = parse_arguments()
    bench = Bench(asked)
    if asked.list:
        for each in bench.comparisons:
            print(f"{each.letter}  {each.name:10}  {each.title}: {', '.join(each.servers)}")
        return 0
    if not shutil.which("strace"):
        bench.comparisons = [each for each in bench.comparisons if each.name != "calls"]
        say("left out: calls, there is no strace")
    if asked.keep or asked.table:
        bench.read_kept()
    if asked.table:
        for each in bench.comparisons:
            print("\n".join(table.lines(bench.runs, each, bench.failures)))
        bench.draw()
        bench.compare()
        return 0
    bench.find_servers()
    try:
        bench.run()
    except KeyboardInterrupt:
        say("interrupted; the results so far are kept")
    say(f"results: {asked.output}")
    bench.draw()
    bench.compare()
    return 1 if bench.failures else 0


if __name__ == "__main__":
    sys.exit(main())
