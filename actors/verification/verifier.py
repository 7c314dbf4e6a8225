"""Verifies a cell, or one seller of it: the walk through all journals, in slices, then the checks of the whole.

The slices are walked in this process, or handed out in the order of sellers to worker processes, one after the
other, as each gets ready. The first bad entry is the same either way: that of the first seller, in the order of
ids, whose journal has one.
"""

import asyncio
import os
from collections.abc import Callable, Iterable
from typing import Final

from msgspec.structs import replace

from actors.verification.cell_checks import gap, lost_head, orphan, restore_fault, second_use
from actors.verification.findings import Finding, Progress
from actors.verification.walk import Range, Walk
from actors.verification.workers import walk_in_workers
from journal.reader import Head
from journal.reading.audit import SELLERS, Audit, auditing
from journal.reading.subjects import ID_MIN

PROGRESS_INTERVAL_S: Final = 0.5
SLICES_PER_WORKER: Final = 16
ENTRIES_PER_WORKER_MIN: Final = 50_000
"""Less than that is done before a process has started."""
BEFORE_ALL: Final = -(2**62)
"""Less than any seq, one that no entry should have included."""
BEHIND_ALL: Final = 2**62
"""More than any seq."""


async def verify_journal(
    url: str,
    *,
    cell: str = "cell_00",
    seller_id: str | None = None,
    heads: Iterable[Head] | None = None,
    workers: int | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """The last progress, with the first bad entry if there is one. `seller_id`: only that seller's journal.

    `workers`: so many processes beside this one, which does the work itself if there are none, and so holds its event
    loop for 0.1 s at a time. By default as many as there are processors, unless there is too little to do for them.
    Needs the right to read and no other. Raises `JournalUnavailable` and `JournalUnreadable`."""
    heads = [head for head in heads or () if seller_id in (None, head.seller_id)]
    async with auditing(url, cell) as audit:
        so_far = _SoFar((await audit.fetch(SELLERS, seller_id))[0][0], on_progress)
        if seller_id is not None:
            finding = await Walk(audit, cell, Range(seller_id, BEFORE_ALL, seller_id), so_far.add).run()
        else:
            if workers is None:
                workers = min(os.cpu_count() or 1, await audit.last_position() // ENTRIES_PER_WORKER_MIN)
            cuts = await audit.slices(max(1, workers * SLICES_PER_WORKER))
            slices = [Range(after, BEFORE_ALL if after == ID_MIN else BEHIND_ALL, until) for after, until in cuts]
            if workers:
                finding = await walk_in_workers(url, cell, slices, workers, so_far.add)
            else:
                finding = await _walk_here(audit, cell, slices, so_far)
        finding = finding or await lost_head(audit, heads) or await orphan(audit, seller_id)
        if finding is None and seller_id is None:
            finding = await gap(audit) or await second_use(audit) or await restore_fault(audit)
            if finding is None:
                await audit.require_whole_indexes()
    return so_far.ended(finding)


async def _walk_here(audit: Audit, cell: str, slices: Iterable[Range], so_far: "_SoFar") -> Finding | None:
    for range_ in slices:
        finding = await Walk(audit, cell, range_, so_far.add).run()
        if finding is not None:
            return finding
    return None


class _SoFar:
    """Counts, and tells about it now and then."""

    def __init__(self, sellers_total: int, on_progress: Callable[[Progress], None]) -> None:
        self._progress = Progress(0, sellers_total, 0)
        self._on_progress = on_progress
        self._clock = asyncio.get_running_loop().time
        self._told_at_s = self._clock()
        on_progress(self._progress)

    def add(self, sellers: int, entries: int) -> None:
        done = self._progress.sellers_done + sellers
        self._progress = replace(
            self._progress,
            sellers_done=done,
            # The journal may have grown, and the table that the total was read from may lie.
            sellers_total=max(done, self._progress.sellers_total),
            entries_checked=self._progress.entries_checked + entries,
        )
        now_s = self._clock()
        if now_s - self._told_at_s >= PROGRESS_INTERVAL_S:
            self._told_at_s = now_s
            self._on_progress(self._progress)

    def ended(self, finding: Finding | None) -> Progress:
        return replace(self._progress, first_bad=finding)
