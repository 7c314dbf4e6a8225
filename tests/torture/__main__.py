"""`python -m tests.torture`: the whole programme; its table on the terminal, its figures in torture.json.

Status 1 if any trial found a fault. A trial that is run alone (`--only cuts`) rewrites its own rows only.
"""

import argparse
import asyncio
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from journal.embedded import EmbeddedPostgres
from tests.torture.away import can_mount, disk_full, stopped
from tests.torture.cuts import Cut, cuts
from tests.torture.fuzz import fuzz_corpus, fuzz_documented
from tests.torture.kills import Victim, kills
from tests.torture.overload import overload
from tests.torture.sequences import over_actors, over_http
from tests.torture.soak import soak
from tests.torture.trial import Row
from tests.torture.zombies import zombies

RESULT: Final = Path("torture.json")
FAULTS_SHOWN_MAX: Final = 10


def main() -> int:
    options = _options()
    _allow_many_connections()
    console = Console(width=None if sys.stdout.isatty() else 160)
    rows = asyncio.run(_run(options, console))
    console.print(_table(rows))
    for row in rows:
        for fault in row.faults[:FAULTS_SHOWN_MAX]:
            console.print(f"{row.title}, seed {row.seed}: {fault}", style="red", markup=False)
    return 1 if any(row.faults for row in rows) else 0


async def _run(options: argparse.Namespace, console: Console) -> list[Row]:
    rows = []
    for name, trial in _trials(options):
        if options.only and name not in options.only:
            continue
        folder = Path(tempfile.mkdtemp(prefix="charge-shop-torture-"))
        begin = time.monotonic()
        with console.status(f"{name}: under way"):
            try:
                row = await trial(folder, console.print)
            except Exception:  # One trial that breaks down must not end the night's work.
                row = Row(name, options.seed, faults=[traceback.format_exc()])
        rows.append(row)
        _write(rows)  # Hours of work are not lost with the last trial.
        kept = ""
        if row.faults:
            kept = f", kept {folder}"
        else:
            shutil.rmtree(folder, ignore_errors=True)
        console.print(f"{row.title}: {len(row.faults)} faults, {time.monotonic() - begin:,.0f} s{kept}", markup=False)
    return rows


Tell = Callable[[str], None]
Trial = Callable[[Path, Tell], Awaitable[Row]]


def _trials(options: argparse.Namespace) -> list[tuple[str, Trial]]:
    """In the order of the table. Each with a folder of its own."""
    seed: int = options.seed

    def cut(kind: Cut) -> Trial:
        async def trial(folder: Path, tell: Tell) -> Row:
            async with _database(folder) as url:
                row = await cuts(folder, url, seed, {kind: options.cuts})
            row.title = f"cut: {kind}"
            return row

        return trial

    async def zombie(folder: Path, tell: Tell) -> Row:
        async with _database(folder) as url:
            return await zombies(folder, url, seed, options.zombies)

    trials: list[tuple[str, Trial]] = [
        *(("cuts", cut(kind)) for kind in Cut),
        ("kills", lambda folder, tell: kills(folder, seed, (Victim.SERVICE,), options.kills)),
        ("kills", lambda folder, tell: kills(folder, seed, (Victim.POSTMASTER, Victim.BACKEND), options.kills)),
        ("zombies", zombie),
        ("stopped", lambda folder, tell: stopped(folder, seed, 10.0, options.stops)),
        # Longer than the flush's watchdog waits.
        ("stopped", lambda folder, tell: stopped(folder, seed, 15.0, options.stops)),
    ]
    trials.append(("overload", lambda folder, tell: overload(folder, seed, options.overload_s)))
    trials += [
        ("soak", lambda folder, tell: soak(folder, seed, options.soak_sellers, options.soak_rounds, tell)),
        ("fuzz", lambda folder, tell: fuzz_corpus(folder, seed, options.corpus_times)),
        ("fuzz", lambda folder, tell: fuzz_documented(folder, seed, options.fuzz_examples)),
        ("statemachine", lambda folder, tell: over_actors(seed, options.actor_sequences, tell)),
        ("statemachine", lambda folder, tell: over_http(folder, seed, options.http_sequences, tell)),
    ]
    if can_mount():
        trials.append(("full", lambda folder, tell: disk_full(folder, seed, options.stops)))
    return trials


@asynccontextmanager
async def _database(folder: Path) -> AsyncIterator[str]:
    """A Postgres beside the service, with fsync on, as an operator has it; its owner's URL."""
    server = EmbeddedPostgres(folder / "served")
    await server.start()
    try:
        yield server.owner_url
    finally:
        await server.stop()


def _table(rows: list[Row]) -> Table:
    table = Table(title="Torture", title_justify="left")
    for name in (
        "what was done",
        "times",
        "requests",
        "acknowledged",
        "unknown",
        "entries",
        "lost",
        "doubled",
        "stale",
    ):
        table.add_column(name, justify="left" if name == "what was done" else "right")
    table.add_column("figures")
    table.add_column("faults", justify="right")
    for row in rows:
        counts = (row.requests, row.acknowledged, row.unknown, row.entries, row.lost, row.doubled, row.stale_reads)
        table.add_row(
            row.title,
            f"{sum(row.done.values()):,}",
            *(f"{count:,}" for count in counts),
            ", ".join(f"{name} {value:g}" for name, value in row.figures.items()),
            f"[red]{len(row.faults)}" if row.faults else "[green]0",
        )
    return table


def _write(rows: list[Row]) -> None:
    """What was not run this time keeps the rows of the last time."""
    kept: list[Row] = []
    if RESULT.exists():
        titles = {row.title for row in rows}
        kept = [row for row in msgspec.json.decode(RESULT.read_bytes(), type=list[Row]) if row.title not in titles]
    RESULT.write_bytes(msgspec.json.format(msgspec.json.encode(kept + rows), indent=2) + b"\n")


def _allow_many_connections() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the load, of the faults and of their moments")
    parser.add_argument(
        "--only",
        action="append",
        metavar="NAME",
        help="cuts, kills, zombies, stopped, overload, soak, fuzz, statemachine or full; may be given again",
    )
    parser.add_argument("--cuts", type=int, default=1000, help="of each kind")
    parser.add_argument("--zombies", type=int, default=100, help="owners that are stopped and wake up")
    parser.add_argument("--stops", type=int, default=5, help="of Postgres, and as many full disks")
    parser.add_argument("--overload-s", type=float, default=60.0, help="how long three times too much is asked for")
    parser.add_argument("--actor-sequences", type=int, default=100_000, help="of commands, to actors in memory")
    parser.add_argument("--http-sequences", type=int, default=2_000, help="of commands, to the API")
    parser.add_argument("--corpus-times", type=int, default=20, help="the corpus of hostile requests is sent")
    parser.add_argument("--fuzz-examples", type=int, default=100, help="for each operation, valid ones, and wrong ones")
    parser.add_argument("--soak-sellers", type=int, default=100_000, help="that come and go")
    parser.add_argument("--soak-rounds", type=int, default=2, help="how often, after the first time")
    parser.add_argument("--kills", type=int, default=200, help="of the service, and as many of Postgres")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
