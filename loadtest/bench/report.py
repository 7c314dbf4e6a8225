"""What was found, as tables in the terminal."""

from collections.abc import Sequence
from statistics import median

from rich.console import Console
from rich.table import Table

from loadtest.bench.comparisons import Comparison, medians, rates_of
from loadtest.bench.open_loop import Latency
from loadtest.bench.result import Result
from loadtest.bench.workloads import WORKLOADS, Measurement


def show(console: Console, result: Result) -> None:
    console.print(_rates(result.measurements))
    if result.latencies:
        console.print(_latencies(result.latencies))
    console.print(_comparisons(result.comparisons))
    for check in result.checks:
        said = f"[red]{check.fault}" if check.fault else "[green]yes"
        console.print(f"{check.title}: {said}")


def _rates(measurements: Sequence[Measurement]) -> Table:
    table = Table(title="Charges per second, medians", title_justify="left")
    table.add_column("")
    for name in ("charges/s", "lowest", "highest", "CPU us/request"):
        table.add_column(name, justify="right")
    for workload in WORKLOADS:
        rates = rates_of(measurements, workload.name)
        cpu = [each.cpu_us for each in measurements if each.name == workload.name and each.cpu_us is not None]
        if rates:
            table.add_row(
                workload.title,
                *(f"{rate:,.0f}" for rate in (median(rates), min(rates), max(rates))),
                f"{median(cpu):,.0f}" if cpu else "",
            )
    return table


def _latencies(latencies: Sequence[Latency]) -> Table:
    table = Table(title="Latency in ms by offered rate (open loop), medians", title_justify="left")
    for name in ("of the peak", "offered/s", "answered/s", "p50", "p90", "p99", "p99.9"):
        table.add_column(name, justify="right")
    for latency in medians(latencies):
        table.add_row(
            f"{latency.share_of_peak:.0%}",
            f"{latency.offered_per_s:,.0f}",
            f"{latency.answered_per_s:,.0f}",
            *(f"{each:.1f}" for each in (latency.p50_ms, latency.p90_ms, latency.p99_ms, latency.p999_ms)),
        )
    return table


def _comparisons(comparisons: Sequence[Comparison]) -> Table:
    table = Table(title="Ratios within one round, their medians, and the bars", title_justify="left")
    for name in ("", "value", "rounds", "bar", ""):
        table.add_column(name, justify="left" if not name else "right")
    for each in comparisons:
        verdict = {None: "", True: "[green]met", False: "[red]not met"}[each.is_met]
        lowest, highest = spelled(each, min(each.rounds)), spelled(each, max(each.rounds))
        table.add_row(each.title, spelled(each, each.value), f"{lowest} to {highest}", bar_of(each), verdict)
    return table


def spelled(comparison: Comparison, value: float) -> str:
    return f"{value:.1f} ms" if comparison.unit == "ms" else f"{value:.2f}"


def bar_of(comparison: Comparison) -> str:
    """The bar, and the aim beyond it."""
    if comparison.bar is None:
        return ""
    bar = f"<= {comparison.bar:g} ms" if comparison.unit == "ms" else f">= {comparison.bar:g}"
    return bar if comparison.aim is None else f"{bar}, aim {comparison.aim:g}"
