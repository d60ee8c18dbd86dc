"""The results as text: for each case a row a server, medians, and ratios to the floor and to Go."""

import statistics


def value_at(result, path):
    for name in path.split("."):
        if not isinstance(result, dict) or name not in result:
            return None
        result = result[name]
    return result


def values(runs, comparison, case, server, path):
    """The values of all rounds, in the order in which the rounds ran."""
    found = [value_at(run["result"], path) for run in runs
             if (run["comparison"], run["case"], run["server"]) == (comparison, case, server)]
    return [value for value in found if value is not None]


def median(runs, comparison, case, server, path):
    found = values(runs, comparison, case, server, path)
    return statistics.median(found) if found else None


def ratio(value, other):
    return f"{value / other:.2f}" if value is not None and other else "-"


def notes(limits, others):
    found = []
    if limits.count("generator") * 2 > len(limits):
        found.append("the load was the limit")
    if others and statistics.median(others) > 0.15:
        found.append(f"others took {statistics.median(others):.0%} of a core")
    return "; ".join(found)


def row(runs, comparison, case, server):
    def at(name, column):
        return median(runs, comparison.name, case, name, column.path)

    cells = [server]
    for column in comparison.columns:
        value = at(server, column)
        cells.append("-" if value is None else f"{value * column.scale:,.{column.digits}f}")
    first = comparison.columns[0]
    found = values(runs, comparison.name, case, server, first.path)
    middle = statistics.median(found) if found else 0
    spread = (max(found) - min(found)) / middle * 100 if len(found) > 1 and middle else None
    note = notes(values(runs, comparison.name, case, server, "limit"),
                 values(runs, comparison.name, case, server, "others_cpu_share"))
    mine = at(server, first)
    return cells + [ratio(mine, at("bare", first)), ratio(mine, at("go", first)),
                    "-" if spread is None else f"{spread:.0f} %", note]


def lines(runs, comparison, failures=()):
    """The table of one comparison."""
    yield f"{comparison.letter}  {comparison.name}: {comparison.title}"
    yield f"   /bare, /go and spread are of {comparison.columns[0].title}" + (
        f"; {comparison.note}" if comparison.note else "")
    mine = [run for run in runs if run["comparison"] == comparison.name]
    for case in dict.fromkeys(run["case"] for run in mine):
        servers = dict.fromkeys(run["server"] for run in mine if run["case"] == case)
        rounds = max(run["round"] for run in mine if run["case"] == case) + 1
        head = ["server", *(column.title for column in comparison.columns), "/bare", "/go", "spread", ""]
        rows = [head] + [row(runs, comparison, case, server) for server in servers]
        widths = [max(len(line[i]) for line in rows) for i in range(len(head))]
        yield f"   {case} (medians of {rounds})"
        for line in rows:
            cells = [line[0].ljust(widths[0])]
            cells += [cell.rjust(width) for cell, width in zip(line[1:-1], widths[1:-1])]
            yield "     " + "  ".join(cells + [line[-1]]).rstrip()
    for failure in failures:
        if failure["comparison"] == comparison.name:
            yield f"   failed: {failure['server']}, {failure['case']}: {failure['why']}"
    yield ""


def differences(runs, others, comparison):
    """How far the medians of two runs are apart, in the comparison's first column."""
    path = comparison.columns[0].path
    rows, ratios = [], []
    mine = [run for run in runs if run["comparison"] == comparison.name]
    for case, server in dict.fromkeys((run["case"], run["server"]) for run in mine):
        now = median(runs, comparison.name, case, server, path)
        then = median(others, comparison.name, case, server, path)
        if now and then:
            ratios.append(now / then)
            rows.append(f"     {ratios[-1]:5.2f}  {server}, {case}")
    if rows:
        yield f"{comparison.letter}  {comparison.name}: {comparison.columns[0].title}, this run / the other"
        yield from rows
        yield f"     at most {max(abs(ratio - 1) for ratio in ratios):.1%} apart"
        yield ""
