"""`python -m tests.scale`: fills a shop, measures what the service costs on it, and holds every figure to its bar.

The table is printed and written to scale.json. Status 1 if any bar was missed. A data directory that was filled
before is used as it is; what is measured alone (`--only pages`) rewrites its own figures only.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tests.scale.cold import cold
from tests.scale.exports import exports
from tests.scale.figures import Figure
from tests.scale.fill import CannotFill, Filled, fill, filled
from tests.scale.market import Plan
from tests.scale.memory import memory
from tests.scale.pages import pages
from tests.scale.shop import Shop, served
from tests.scale.starting import starting
from tests.scale.throughput import can_load, throughput
from tests.scale.verifying import verifying

RESULT: Final = Path("scale.json")
YEAR_US: Final = 365 * 86_400 * 1_000_000
A_WHILE_US: Final = 60_000_000
"""Between the last entry and now: nothing is written that is in the future by the time it is read."""
EMPTY_SELLERS: Final = 4_000

Measure = Callable[[], Awaitable[list[Figure]]]


def main() -> int:
    options = _options()
    console = Console(width=None if sys.stdout.isatty() else 140)
    try:
        results = asyncio.run(_run(options, console))
    except CannotFill as fault:
        console.print(str(fault), style="red", markup=False)
        return 2
    console.print(_table(results))
    return 1 if any(figure.is_met is False for figures in results.values() for figure in figures) else 0


async def _run(options: argparse.Namespace, console: Console) -> dict[str, list[Figure]]:
    folder: Path = options.data_dir
    full = await _filled(folder / "full", options.sellers, options.entries, options.big, console)
    results = {"fill": _of_fill(full)}
    for name, measure in _measures(options, folder, full, console).items():
        if options.only and name not in options.only:
            continue
        begin = time.monotonic()
        with console.status(f"{name}: under way"):
            results[name] = await measure()
        _write(results)
        console.print(f"{name}: {time.monotonic() - begin:,.0f} s", markup=False)
    return results


def _measures(options: argparse.Namespace, folder: Path, full: Filled, console: Console) -> dict[str, Measure]:
    """In the order of the table."""

    async def of_load() -> list[Figure]:
        if not can_load():
            console.print("throughput: wrk is not installed")
            return []
        empty = await _filled(folder / "empty", EMPTY_SELLERS, 5 * EMPTY_SELLERS, 0, console)
        async with served(folder / "full", full) as one, served(folder / "empty", empty) as other:
            return await throughput(one, other, sellers=1_000, rounds=options.rounds, seconds=5)

    @asynccontextmanager
    async def shop() -> AsyncIterator[Shop]:
        async with served(folder / "full", full) as made:
            yield made

    async def of_cold() -> list[Figure]:
        async with shop() as made:
            return await cold(made, 1_500)

    async def of_pages() -> list[Figure]:
        async with shop() as made:
            return await pages(made, 200)

    async def of_exports() -> list[Figure]:
        async with shop() as made:
            return await exports(made)

    return {
        "starting": lambda: starting(folder / "full", 5),
        "cold": of_cold,
        "memory": lambda: memory(folder / "full", full, min(100_000, full.plan.sellers)),
        "throughput": of_load,
        "pages": of_pages,
        "exports": of_exports,
        "verifying": lambda: verifying(folder / "full", full),
    }


async def _filled(folder: Path, sellers: int, entries: int, big: int, console: Console) -> Filled:
    """As it is when it was filled before. Raises CannotFill."""
    before = filled(folder)
    if before is not None:
        return before
    now_us = time.time_ns() // 1_000
    plan = Plan(sellers, entries, big, now_us - YEAR_US, now_us - A_WHILE_US)
    with _progress(console) as progress:
        bars = {what: progress.add_task(what, total=None) for what in ("entries", "indexes")}
        return await fill(
            folder, plan, lambda what, done, total: progress.update(bars[what], completed=done, total=total)
        )


def _of_fill(full: Filled) -> list[Figure]:
    return [
        Figure("sellers", full.plan.sellers, ""),
        Figure("entries", full.plan.entries, ""),
        Figure("entries made and loaded", round(full.entries_per_s), "entries/s"),
        Figure("indexes, vacuum, checkpoint", round(full.index_seconds), "s"),
    ]


def _table(results: dict[str, list[Figure]]) -> Table:
    table = Table(title="Scale of data", title_justify="left")
    table.add_column("measured")
    for name in ("figure", "value", "bar", "met"):
        table.add_column(name, justify="left" if name == "figure" else "right")
    for measured, figures in results.items():
        for figure in figures:
            bar = "" if figure.bar is None else f"{figure.must_be} {figure.bar:,g}"
            met = {None: "", True: "[green]yes", False: "[red]no"}[figure.is_met]
            table.add_row(measured, figure.name, f"{figure.value:,} {figure.unit}".strip(), bar, met)
    return table


def _write(results: dict[str, list[Figure]]) -> None:
    """What was not measured this time keeps the figures of the last time."""
    kept: dict[str, list[Figure]] = {}
    if RESULT.exists():
        kept = msgspec.json.decode(RESULT.read_bytes(), type=dict[str, list[Figure]])
    RESULT.write_bytes(msgspec.json.format(msgspec.json.encode(kept | results), indent=2) + b"\n")


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.scale", description=__doc__)
    parser.add_argument("--sellers", type=int, default=1_000_000)
    parser.add_argument("--entries", type=int, default=10_000_000)
    parser.add_argument("--big", type=int, default=1_000_000, help="entries of the one seller with a long history")
    parser.add_argument("--data-dir", type=Path, default=Path("scale-data"), help="kept, and used again; 10 GB")
    parser.add_argument("--rounds", type=int, default=8, help="of load on each journal")
    parser.add_argument(
        "--only",
        action="append",
        metavar="NAME",
        help="starting, cold, memory, throughput, pages, exports or verifying; may be given again",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
