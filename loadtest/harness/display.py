"""The display: how the load goes, a few times a second on a terminal, now and then as a line in a log."""

import asyncio
from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from loadtest.harness.driver import Driver
from loadtest.history import Outcome

TERMINAL_S: Final = 0.25
LOG_S: Final = 10.0
COLOURS: Final = {
    Outcome.DONE: "green",
    Outcome.DECLINED: "yellow",
    Outcome.REFUSED: "magenta",
    Outcome.NOT_APPLIED: "cyan",
    Outcome.UNKNOWN: "red",
}


async def show(console: Console, driver: Driver, duration_s: float) -> None:
    """Until it is cancelled."""
    if not console.is_terminal:
        while True:
            await asyncio.sleep(LOG_S)
            console.print(_line(driver, duration_s))
    with Live(_board(driver, duration_s), console=console, auto_refresh=False, transient=True) as live:
        while True:
            await asyncio.sleep(TERMINAL_S)
            live.update(_board(driver, duration_s), refresh=True)


def _board(driver: Driver, duration_s: float) -> Group:
    measurements = driver.measurements
    rate, median_ms, p99_ms = measurements.now()
    table = Table.grid(padding=(0, 3))
    for name in ("sent", *Outcome, "in flight", "not sent"):
        table.add_column(name, justify="right")
    table.add_row(*(Text(name, style="dim") for name in ("sent", *Outcome, "in flight", "not sent")))
    table.add_row(
        f"{measurements.sent:,}",
        *(Text(f"{measurements.counts[each]:,}", style=COLOURS[each]) for each in Outcome),
        f"{driver.in_flight:,}",
        f"{len(measurements.not_sent_ns):,}",
    )
    elapsed_s = driver.elapsed_s
    bar = Table.grid(padding=(0, 2))
    bar.add_row(
        ProgressBar(total=duration_s, completed=min(elapsed_s, duration_s), width=40),
        f"{elapsed_s:,.0f} of {duration_s:,g} s",
        Text.assemble((f"{rate:,.0f}", "bold"), "/s"),
        Text.assemble("p50 ", (f"{median_ms:,.1f}", "bold"), " ms"),
        Text.assemble("p99 ", (f"{p99_ms:,.1f}", "bold"), " ms"),
    )
    return Group(bar, table)


def _line(driver: Driver, duration_s: float) -> str:
    measurements = driver.measurements
    rate, median_ms, p99_ms = measurements.now()
    counts = ", ".join(f"{measurements.counts[each]:,} {each}" for each in Outcome if measurements.counts[each])
    return (
        f"{driver.elapsed_s:,.0f} of {duration_s:,g} s: {measurements.sent:,} sent, {counts}; "
        f"now {rate:,.0f}/s, p50 {median_ms:,.1f} ms, p99 {p99_ms:,.1f} ms"
    )
