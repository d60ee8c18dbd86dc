#!/usr/bin/env python3
"""Holds TABLE.md to the tests: each row's tests are there, each test of tests/faults and each hostile
client has a row, and the rows are counted through. --selftest: and finds out a table that lies."""

import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent
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
    for line in table.splitlines():
        cells = [each.strip() for each in line.strip("|").split("|")]
        if line.startswith("| ") and cells[0].isdigit():
            yield int(cells[0]), cells[3]


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
    lies = [table.replace(f"| {first} |", "| something else |", 1),
            table.replace("| 2 |", "| 3 |", 1),
            "".join(line for line in table.splitlines(True) if not line.startswith(f"| {last} |")),
            table.replace(f"| {first} |", f"| {PREFIX}{first} |", 1)]
    for lie in lies:
        if lie == table or not list(complaints(lie, own, conformance, needed)):
            yield f"not found out: a table of {len(lie)} letters"


def main(arguments):
    table = (HERE / "TABLE.md").read_text()
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
