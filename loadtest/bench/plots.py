"""What was found, drawn: which figures go into which picture."""

from statistics import median
from typing import Final

from loadtest import charts
from loadtest.bench.comparisons import P99_BAR_MS, Comparison, medians, rates_of
from loadtest.bench.report import bar_of, spelled
from loadtest.bench.result import Result
from loadtest.bench.workloads import WORKLOADS

CONTENDER_COLOURS: Final = {
    "bare": charts.GREY,
    "service": charts.BLUE,
    "row_locks": charts.ORANGE,
    "copy": charts.PURPLE,
}
PERCENTILES: Final = (("p50_ms", "p50"), ("p90_ms", "p90"), ("p99_ms", "p99"), ("p999_ms", "p99.9"))


def throughput(result: Result) -> str:
    rows = []
    for workload in WORKLOADS:
        rates = rates_of(result.measurements, workload.name)
        # Nothing cannot stand on a logarithmic axis.
        if rates and min(rates) > 0:
            colour = CONTENDER_COLOURS[getattr(workload, "contender", "copy")]
            rows.append(charts.Dots(workload.title, rates, f"{median(rates):,.0f}", colour))
    return charts.dots(rows, x="charges per second (logarithmic); dots are rounds, diamonds their medians", is_log=True)


def bars(result: Result) -> str:
    """How far each comparison is from its bar: 1 is the bar, to the right of it is better."""
    rows = [
        charts.Dots(
            each.title,
            [_times_the_bar(each, value) for value in each.rounds],
            f"{spelled(each, each.value)} ({bar_of(each)})",
            charts.GREEN if each.is_met else charts.RED,
        )
        for each in result.comparisons
        if each.bar is not None
    ]
    return charts.dots(rows, x="times the bar; dots are rounds, diamonds their medians", line_at=1)


def latency(result: Result) -> str:
    """Percentiles against the offered rate."""
    points = medians(result.latencies)
    offered = [point.offered_per_s for point in points]
    lines = [charts.Line(label, offered, [getattr(point, name) for point in points]) for name, label in PERCENTILES]
    bar = charts.Line("the bar of p99 at half", offered, [P99_BAR_MS] * len(points), charts.GREY, is_faint=True)
    return charts.lines([*lines, bar], x="offered charges per second", y="ms", is_log=True)


def _times_the_bar(comparison: Comparison, value: float) -> float:
    assert comparison.bar is not None
    return value / comparison.bar if comparison.unit == "ratio" else comparison.bar / value
