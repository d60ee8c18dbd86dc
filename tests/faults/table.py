#!/usr/bin/env python3
"""Holds docs/en/fault_table.md to the tests: each row's tests are there, each test of tests/faults and
each hostile client has a row, and the rows are counted through. --selftest: and finds out a table that
lies. --count BUILD: runs the tests of all rows on each stage, and writes how often each fault was tried
into docs/measured/faults.json."""

import datetime
import json
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent
TABLE = TESTS.parent / "docs/en/fault_table.md"
COUNTS = TESTS.parent / "docs/measured/faults.json"
PREFIX = "check_server: "


def cases(paths):
    """The names of test cases, in the order of the files. A name may be parted into two literals."""
    names = []
    for path in sorted(paths):
        for literals in re.findall(r'TEST_CASE\(\s*((?:"(?:[^"\\]|\\.)*"\s*)+)', path.read_text()):
            names.append("".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literals)))
    return names


def rows(table):
    """(number, tests) of each row."""
    for number, cell in re.findall(r"^\| (\d+) \|.*\\tried\{([^}]*)\}", table, re.M):
        yield int(number), cell


def tests_in(cell):
    """A cell names one test, or several of the same program with semicolons between."""
    prefix = PREFIX if cell.startswith(PREFIX) else ""
    return [prefix + each.strip() for each in cell.removeprefix(PREFIX).split(";")]


def complaints(table, own, conformance, needed):
    known = set(own) | {PREFIX + each for each in conformance}
    named = []
    for place, (number, cell) in enumerate(rows(table), 1):
        if number != place:
            yield f"row {number} comes in the place of {place}"
        named += tests_in(cell)
        for each in tests_in(cell):
            if each not in known:
                yield f"row {number} names a test that is not there: {each}"
    for each in needed:
        if each not in named:
            yield f"no row for the test: {each}"


def selftest(table, own, conformance, needed):
    first = next(iter(rows(table)))[1]
    last = max(number for number, cell in rows(table))
    lies = [table.replace(f"{{{first}}}", "{something else}", 1),
            table.replace("| 2 |", "| 3 |", 1),
            "".join(line for line in table.splitlines(True) if not line.startswith(f"| {last} |")),
            table.replace(f"{{{first}}}", f"{{{PREFIX}{first}}}", 1)]
    for lie in lies:
        if lie == table or not list(complaints(lie, own, conformance, needed)):
            yield f"not found out: a table of {len(lie)} letters"


def times(build, test, stage):
    """How often a test strikes a stage: faults injected, or else whether it was tried there at all."""
    if test.startswith(PREFIX):
        words = [build / "tests/check_server", "--stage", str(stage)]
    elif test in cases([HERE / "network_test.cpp"]):
        words = [build / "tests/faults/network_test"]
    else:
        words = [build / "tests/faults/faults_test"]
    words.append(re.sub(r"([\\,\[\]*])", r"\\\1", test.removeprefix(PREFIX)))  # Catch2's own signs
    with tempfile.NamedTemporaryFile("r") as struck:
        environment = {**os.environ, "STAGE": str(stage), "STRUCK": struck.name}
        done = subprocess.run(words, capture_output=True, text=True, env=environment)
        if done.returncode != 0:
            raise SystemExit(f"{test}: fails on stage {stage}\n{done.stdout}{done.stderr}")
        had_nothing_to_do = not test.startswith(PREFIX) and " assertion" not in done.stdout
        if "LEFT OUT" in done.stdout or had_nothing_to_do:
            return 0
        return sum(int(line) for line in struck) or 1


def count(build, table):
    tests = list(dict.fromkeys(each for _, cell in rows(table) for each in tests_in(cell)))
    tried = {}
    for place, test in enumerate(tests, 1):
        print(f"{place} of {len(tests)}: {test}", file=sys.stderr)
        # A cable that is out for 150 seconds needs no processor.
        with ThreadPoolExecutor(5 if "network" in test else 1) as stages:
            tried[test] = sum(stages.map(lambda stage: times(build, test, stage), range(1, 6)))
    day = datetime.date.today().isoformat()
    COUNTS.write_text(json.dumps({"date": day, "tried": tried}, indent=1, ensure_ascii=False) + "\n")
    print(f"{sum(tried.values())} times, of {len(tried)} tests")


def main(arguments):
    table = TABLE.read_text()
    if len(arguments) == 2 and arguments[0] == "--count":
        return count(Path(arguments[1]).resolve(), table)
    own = cases(HERE.glob("*_test.cpp"))
    hostile = cases([TESTS / "conformance/hostile_test.cpp"])
    conformance = cases((TESTS / "conformance").glob("*_test.cpp"))
    needed = [*own, *(PREFIX + each for each in hostile)]
    needed = [each for each in needed if "script that can't be read" not in each]  # of the injector's
    check = selftest if arguments == ["--selftest"] else complaints
    wrong = list(check(table, own, conformance, needed))
    for each in wrong:
        print(f"BROKEN: {each}")
    if not wrong:
        print(f"{len(list(rows(table)))} rows, {len(needed)} tests that need one")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
