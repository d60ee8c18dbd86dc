"""The results as the documentation keeps them: one run with the medians, in place of all rounds."""

import json
import statistics
import subprocess
from pathlib import Path

from measure import plots, table

SOURCES = Path(__file__).resolve().parents[3]
DIRECTORY = SOURCES / "docs/measured"
CPU = "server.cpu_ns_per_message"


def flat(result, prefix=""):
    """Its numbers, by path: "server.cpu_ns"."""
    for name, value in result.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield prefix + name, value


def nested(values):
    result = {}
    for path, value in values.items():
        *above, name = path.split(".")
        place = result
        for each in above:
            place = place.setdefault(each, {})
        place[name] = value
    return result


def medians(runs):
    """One run for each comparison, case and server; it says of how many it is the median."""
    groups = {}
    for run in runs:
        groups.setdefault((run["comparison"], run["case"], run["server"]), []).append(dict(flat(run["result"])))
    for (comparison, case, server), results in groups.items():
        paths = dict.fromkeys(path for result in results for path in result if not path.startswith("calls.names"))
        values = {path: statistics.median([result[path] for result in results if path in result]) for path in paths}
        rounded = {path: value if isinstance(value, int) else float(f"{value:.6g}") for path, value in values.items()}
        yield {"comparison": comparison, "case": case, "server": server, "round": 0, "rounds": len(results),
               "result": nested(rounded)}


def agreement(runs, others):
    """What another run of the same programs says of an echo's cost, as a part of what this one says."""
    return [{"case": run["case"], "server": run["server"],
             "ratio": round(table.median(others, "cpu", run["case"], run["server"], CPU)
                            / table.median(runs, "cpu", run["case"], run["server"], CPU), 4)}
            for run in medians(runs) if run["comparison"] == "cpu"
            and table.median(others, "cpu", run["case"], run["server"], CPU)]


def write(results, again):
    """Into docs/measured: the medians, the plots; and into the READMEs. `again` is another run's."""
    DIRECTORY.mkdir(exist_ok=True)
    runs = "\n".join(json.dumps(run) + "," for run in medians(results["runs"])).rstrip(",")
    head = json.dumps({"machine": results["machine"], "left_out": results["left_out"],
                       "failures": results["failures"], "again": agreement(results["runs"], again)})
    (DIRECTORY / "results.json").write_text(f'{head[:-1]}, "runs": [\n{runs}\n]}}\n')
    plots.draw(results, DIRECTORY)
    subprocess.run(["python3", "-B", SOURCES / "docs/scripts/figures.py", "--write"], check=True)
