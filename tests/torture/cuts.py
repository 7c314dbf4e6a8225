"""Cuts the connection of the flush exactly where it hurts: before it has reached the server, after it was
committed but before the answer came back, or so that it arrives when the service has long given it up.

Killing Postgres at random was measured never to hit the second of these moments.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Final

from tests.torture.instance import Instance
from tests.torture.proxy import Flush, FlushProxy, ServerGone
from tests.torture.trial import Row, customers_of, ended, play

FLUSHES_BETWEEN_MAX: Final = 12
RACING_S: Final = (0.0001, 0.02)
"""About as long as the service takes to raise the epoch: such a flush comes just before it or just after."""


class Cut(StrEnum):
    BEFORE = "before it reached the server"
    AFTER = "committed, the answer lost"
    RACING = "on its way, as the service gives it up"
    TOO_LATE = "arrived after the epoch was raised"


class Cutter:
    """Takes a cut from the plan every few flushes. As a witness: what was written, although it came too late."""

    def __init__(self, random: Random, plan: Mapping[Cut, int]) -> None:
        self._random = random
        self._plan = [cut for cut, count in plan.items() for _ in range(count)]
        random.shuffle(self._plan)
        self._flushes_until_cut = self._draw()
        self._raised = asyncio.Event()
        self.is_done = asyncio.Event()
        self.done: Counter[str] = Counter()
        self.raced: Counter[str] = Counter()
        self.stale_writes = 0
        self.refused = 0
        """Cut after they were answered, but had not been written: none, as they were the owner's and in time."""

    async def __call__(self, flush: Flush) -> None:
        self._flushes_until_cut -= 1
        if self._flushes_until_cut > 0 or not self._plan:
            await self._pass(flush)
            return
        cut = self._plan.pop()
        self._flushes_until_cut = self._draw()
        self._raised.clear()
        is_reset = self._random.random() < 0.5
        try:
            match cut:
                case Cut.BEFORE:
                    flush.cut(is_reset=is_reset)
                case Cut.AFTER:
                    flush.deliver()
                    self.refused += not await flush.answered()
                    flush.cut(is_reset=is_reset)
                case Cut.RACING:
                    flush.cut_service(is_reset=is_reset)
                    await asyncio.sleep(RACING_S[0] * (RACING_S[1] / RACING_S[0]) ** self._random.random())
                    flush.deliver()
                    self.raced["written" if await flush.answered() else "fenced off"] += 1
                    flush.cut(is_reset=is_reset)
                case Cut.TOO_LATE:
                    flush.cut_service(is_reset=is_reset)
                    await self._raised.wait()
                    flush.deliver()
                    self.stale_writes += await flush.answered()
                    flush.cut(is_reset=is_reset)
        except ServerGone:
            pass
        else:
            self.done[cut] += 1
        if not self._plan:
            self.is_done.set()

    async def _pass(self, flush: Flush) -> None:
        flush.deliver()
        try:
            is_written = await flush.answered()
        except ServerGone:
            return
        flush.reply()
        if is_written:
            # A later flush of the same service was accepted: it has another epoch than the one that was cut.
            self._raised.set()

    def _draw(self) -> int:
        return self._random.randint(1, FLUSHES_BETWEEN_MAX)


async def cuts(folder: Path, database_url: str, seed: int, plan: Mapping[Cut, int], *, sellers: int = 6) -> Row:
    """`database_url`: a database of the trial's own, with its owner as the user."""
    proxy = FlushProxy(database_url)
    await proxy.start()
    instance = Instance(folder, {"CHARGE_SHOP_DATABASE_URL": proxy.url, "CHARGE_SHOP_MIGRATION_URL": database_url})
    row = Row("the flush's connection is cut", seed)
    try:
        async with ended(instance):
            await instance.start()
            async with customers_of([instance.url], Random(seed), sellers=sellers, at_once=32) as customers:
                cutter = Cutter(Random(seed + 1), plan)

                async def torment() -> None:
                    proxy.on_flush = cutter
                    await cutter.is_done.wait()

                await play(row, customers, torment, instance)
    finally:
        await proxy.close()
    row.done = dict(cutter.done)
    row.figures |= {f"racing_{what.replace(' ', '_')}": count for what, count in cutter.raced.items()}
    row.figures["stale_writes"] = cutter.stale_writes
    if cutter.refused:
        row.faults.append(f"{cutter.refused} flushes of the owner were not written, with nothing wrong")
    if cutter.stale_writes:
        row.faults.append(f"{cutter.stale_writes} flushes were written after the epoch had been raised")
    if row.done != {str(cut): count for cut, count in plan.items() if count}:
        row.faults.append(f"not all cuts happened: {row.done}")
    return row
