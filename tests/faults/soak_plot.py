#!/usr/bin/env python3
"""Draws what soaks have written down: soak_plot.py FILE.csv ... writes FILE.svg beside each.

A server's memory, descriptors, coroutine frames where they are known, and processor time, over
time. Text, axes and grid are of a grey that can be read on white as on black."""

import csv
import sys
from pathlib import Path

GREY = "#7d7d7d"
PANELS = [("resident", "memory, MiB", 1 / 2**20, "#0072b2"),
          ("descriptors", "descriptors", 1, "#e69f00"),
          ("frames", "coroutine frames\nand connections", 1, "#e0488b"),
          ("cores", "cores", 1, "#d55e00"),
          ("bytes", "echoed, MB a second", 1e-6, "#4aa84a")]


def read(path):
    """The samples, column by column; what is not known is left out."""
    with path.open() as file:
        rows = list(csv.DictReader(file))
    if len(rows) < 2:
        raise ValueError(f"{path}: nothing to draw")
    columns = {name: [float(row[name]) for row in rows] for name in rows[0] if rows[0][name] != ""}
    seconds, total = columns["seconds"], columns["bytes"]
    columns["bytes"] = [total[0] / max(seconds[0], 1e-3)]
    columns["bytes"] += [(b - a) / max(t - s, 1e-3)
                         for a, b, s, t in zip(total, total[1:], seconds, seconds[1:])]
    return columns


def draw(pyplot, path):
    columns = read(path)
    panels = [each for each in PANELS if each[0] in columns]
    figure, axes = pyplot.subplots(len(panels), 1, figsize=(8, 1.7 * len(panels)), sharex=True)
    long = columns["seconds"][-1] > 180
    time = [each / 60 if long else each for each in columns["seconds"]]
    for axis, (name, label, factor, colour) in zip(axes, panels):
        axis.plot(time, [each * factor for each in columns[name]], color=colour, linewidth=1.2)
        axis.set_ylim(0, max(max(columns[name]) * factor * 1.1, 0.1))
        axis.set_ylabel(label, fontsize=8)
        axis.grid(True, color=GREY, alpha=0.3, linewidth=0.6)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
    axes[-1].set_xlabel("minutes" if long else "seconds")
    axes[0].set_title(f"{path.stem}: clients of all kinds", fontsize=10)
    figure.align_ylabels()
    figure.tight_layout()
    figure.savefig(path.with_suffix(".svg"), transparent=True, metadata={"Date": None})
    pyplot.close(figure)


def main(paths):
    try:
        import matplotlib
        matplotlib.use("svg")
        from matplotlib import pyplot
    except ImportError:
        print("left out: the pictures, there is no matplotlib")
        return 0
    pyplot.rcParams.update({"svg.fonttype": "none", "text.color": GREY, "axes.labelcolor": GREY,
                            "axes.edgecolor": GREY, "xtick.color": GREY, "ytick.color": GREY})
    for path in paths:
        try:
            draw(pyplot, path)
        except (OSError, ValueError) as error:
            print(f"soak_plot: {error}", file=sys.stderr)
            return 1
        print(f"drawn: {path.with_suffix('.svg')}")
    return 0


if __name__ == "__main__":
    sys.exit(main([Path(each) for each in sys.argv[1:]]))
