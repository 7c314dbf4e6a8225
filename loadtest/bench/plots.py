"""Pictures of what was found, as SVG: nothing but the text of one <svg> element each."""

import io
from statistics import median
from typing import Any, Final

import matplotlib
from matplotlib.figure import Figure

from loadtest.bench.comparisons import Comparison, medians
from loadtest.bench.report import bar_of, spelled
from loadtest.bench.result import Result
from loadtest.bench.workloads import WORKLOADS

INK: Final = "#1f2933"
QUIET: Final = "#9aa5b1"
GOOD: Final = "#1a7f5a"
BAD: Final = "#b3402a"
CONTENDER_COLORS: Final = {"bare": QUIET, "service": "#2f5d8a", "row_locks": "#c08a3e", "copy": "#7a6a9b"}
PERCENTILES: Final = (("p50_ms", "p50"), ("p90_ms", "p90"), ("p99_ms", "p99"), ("p999_ms", "p99.9"))
WIDTH: Final = 9.0


def throughput(result: Result) -> str:
    """A diamond for the median of each workload, a dot for each round."""
    rows = [(each, [m.charges_per_s for m in result.measurements if m.name == each.name]) for each in WORKLOADS]
    rows = [(workload, rates) for workload, rates in rows if rates][::-1]
    figure, axes = _new(0.36 * len(rows) + 0.9)
    for place, (workload, rates) in enumerate(rows):
        color = CONTENDER_COLORS[getattr(workload, "contender", "copy")]
        axes.plot(rates, [place] * len(rates), "o", color=color, markersize=3, alpha=0.5)
        axes.plot(median(rates), place, "D", color=color, markersize=7)
        axes.annotate(f"{median(rates):,.0f}", (1, place), (8, 0),
                      xycoords=("axes fraction", "data"), textcoords="offset points", va="center")  # fmt: skip
    axes.set_yticks(range(len(rows)), [workload.title for workload, _ in rows])
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("charges per second (logarithmic); dots are rounds, diamonds their medians")
    return _svg(figure)


def bars(result: Result) -> str:
    """How far each comparison is from its bar: 1 is the bar, to the right of it is better."""
    rows = [each for each in result.comparisons if each.bar is not None][::-1]
    figure, axes = _new(0.36 * len(rows) + 0.9)
    for place, each in enumerate(rows):
        color = GOOD if each.is_met else BAD
        axes.plot([_times_the_bar(each, value) for value in each.rounds], [place] * len(each.rounds), "o",
                  color=color, markersize=3, alpha=0.5)  # fmt: skip
        axes.plot(_times_the_bar(each, each.value), place, "D", color=color, markersize=7)
        axes.annotate(f"{spelled(each, each.value)} ({bar_of(each)})", (1, place), (8, 0),
                      xycoords=("axes fraction", "data"), textcoords="offset points", va="center")  # fmt: skip
    axes.axvline(1, color=INK, linewidth=1)
    axes.set_yticks(range(len(rows)), [each.title for each in rows])
    axes.set_xlabel("times the bar; dots are rounds, diamonds their medians")
    return _svg(figure)


def latency(result: Result) -> str:
    """Percentiles against the offered rate."""
    figure, axes = _new(3.6)
    points = medians(result.latencies)
    offered = [point.offered_per_s for point in points]
    for (name, label), shade in zip(PERCENTILES, (0.35, 0.55, 1.0, 0.75), strict=True):
        values = [getattr(point, name) for point in points]
        axes.plot(offered, values, "o-", color=CONTENDER_COLORS["service"], alpha=shade, markersize=4)
        axes.annotate(label, (offered[-1], values[-1]), (8, 0), textcoords="offset points", va="center")
    axes.axhline(15, color=BAD, linewidth=1, linestyle="--")
    axes.annotate("15 ms", (0, 15), (4, 3), xycoords=("axes fraction", "data"), textcoords="offset points", color=BAD)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.set_xticks(offered, [f"{point.offered_per_s:,.0f}\n{point.share_of_peak:.0%}" for point in points])
    axes.set_xlabel("offered charges per second, and their share of the peak")
    axes.set_ylabel("ms (logarithmic)")
    return _svg(figure)


def _times_the_bar(comparison: Comparison, value: float) -> float:
    assert comparison.bar is not None
    return value / comparison.bar if comparison.unit == "ratio" else comparison.bar / value


def _new(height: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="both", color="#e4e7eb", linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def _svg(figure: Figure) -> str:
    # Letters stay letters, in the font of the page; the same figures give the same picture.
    with matplotlib.rc_context({"svg.fonttype": "none", "font.family": "sans-serif", "svg.hashsalt": "bench"}):
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()[text.getvalue().index("<svg") :]
