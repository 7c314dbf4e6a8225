"""Sequences of commands against the ledger, a hundred thousand and more: the long form of `tests.stateful`."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hypothesis.errors import HypothesisException

from journal.embedded import APP_ROLE, EmbeddedPostgres
from journal.migrate import migrate
from tests.conftest import FAST_SETTINGS, Database
from tests.service.shop import open_shop
from tests.stateful.play import STEPS, play_actors, play_http
from tests.torture.trial import Row

PART: Final = 500
"""Sequences of one seed, after which the memory's journal begins anew and the progress is told."""

Progress = Callable[[str], None]


async def over_actors(seed: int, sequences: int, tell: Progress) -> Row:
    row = Row("any order of commands: actors against a ledger", seed)
    begin = time.monotonic()
    for done in range(0, sequences, PART):
        part = min(PART, sequences - done)
        try:
            await asyncio.to_thread(play_actors, part, seed + done)
        except (AssertionError, HypothesisException) as found:
            row.faults.append(_described(found, seed + done))
        _count(row, done + part, begin, tell)
    return row


async def over_http(folder: Path, seed: int, sequences: int, tell: Progress) -> Row:
    row = Row("any order of commands: the API against a ledger", seed)
    server = EmbeddedPostgres(folder / "data", settings=FAST_SETTINGS)
    await server.start()
    try:
        await migrate(server.owner_url, app_user=APP_ROLE)
        database = Database("postgres", server.owner_url, server.app_url)
        begin = time.monotonic()
        async with open_shop(database) as shop:
            for done in range(0, sequences, PART):
                part = min(PART, sequences - done)
                try:
                    await play_http(shop, part, seed + done)
                except (AssertionError, HypothesisException) as found:
                    row.faults.append(_described(found, seed + done))
                _count(row, done + part, begin, tell)
    finally:
        await server.stop()
    return row


def _count(row: Row, sequences: int, begin: float, tell: Progress) -> None:
    row.seconds = round(time.monotonic() - begin, 1)
    row.done = {"sequences": sequences}
    row.figures = {"sequences_per_s": round(sequences / row.seconds, 1), "steps_max": STEPS}
    tell(f"{row.title}: {sequences:,} sequences, {row.seconds:,.0f} s, {len(row.faults)} faults")


def _described(found: Exception, seed: int) -> str:
    notes = "\n".join(getattr(found, "__notes__", ()))
    return f"seed {seed}: {found}\n{notes}"
