"""What is checked of a cell as a whole, after its sellers: heads, rows without a journal, positions, keys, restores."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from actors.verification.findings import Finding
from journal.reader import Head
from journal.reading.audit import (
    AFTER_GAP,
    AT_POSITION,
    HAS_GAP,
    ORPHANS,
    RESTORED,
    SECOND_USE,
    TWICE,
    USED_TWICE,
    Audit,
)

HEADS_AT_ONCE: Final = 1_000


async def lost_head(audit: Audit, heads: Iterable[Head]) -> Finding | None:
    """A chain that ends before an exported head, or has come to another hash there, was cut off or rewritten."""
    for batch in _batches(heads):
        for head, (found, last_seq) in zip(batch, await audit.hashes(batch), strict=True):
            if found is None:
                reason = f"is missing: there were entries up to {head.seq} when heads were exported"
                return Finding(head.seller_id, min(head.seq, (last_seq or 0) + 1), reason)
            if found != head.hash:
                return Finding(head.seller_id, head.seq, "it has another hash than when heads were exported")
    return None


async def orphan(audit: Audit, seller_id: str | None) -> Finding | None:
    """A row of a projection whose seller has no journal; of any seller, or of one."""
    for row in await audit.fetch_by_scan(ORPHANS, seller_id):
        return Finding(row[0], row[1], f"is missing: there is a row in {row[2]}, but no journal")
    return None


async def gap(audit: Audit) -> Finding | None:
    """The entry behind the first position that nobody has: what stood there was taken out, whosever it was. Or one of
    two that share a position, which the table's index forbids, unless somebody has dropped it."""
    async with audit.moment():
        if (await audit.fetch_by_scan(HAS_GAP))[0][0]:
            for row in await audit.fetch(AFTER_GAP):
                return Finding(row[0], row[1], f"the entry at position {row[2] - 1}, just before it, is missing")
            for row in await audit.fetch(TWICE):
                return Finding(row[0], row[1], f"its position {row[2]} is that of another entry too")
    return None


async def second_use(audit: Audit) -> Finding | None:
    """The second entry that used up an idempotency key of the same seller and side."""
    async with audit.moment():
        for key in await audit.fetch(USED_TWICE):
            for row in await audit.fetch(SECOND_USE, *key):
                return Finding(row[0], row[1], "its idempotency key is that of another entry too")
    return None


async def restore_fault(audit: Audit) -> Finding | None:
    """An entry that denies what was written down of restores: that they are counted, that the journal ended no earlier
    than they say, and that it took nothing until they were confirmed."""
    async with audit.moment():
        last_position = await audit.last_position()
        for number, row in enumerate(await audit.fetch(RESTORED), 1):
            position = row["last_position"]
            if row["number"] != number:
                reason = (
                    f"restore {number} is missing, which came before restore {row['number']} of the journal up to it"
                )
            elif position > last_position:
                reason = f"is the last, at position {last_position}; restore {number} had entries up to {position}"
            elif position < last_position and not row["is_confirmed"]:
                reason = f"it was written while the journal waited for the confirmation of restore {number}"
                position += 1
            else:
                continue
            for entry in await audit.fetch(AT_POSITION, position):
                return Finding(entry[0], entry[1], reason)
    return None


def _batches(heads: Iterable[Head]) -> Iterator[list[Head]]:
    rest = iter(heads)
    while batch := list(islice(rest, HEADS_AT_ONCE)):
        yield batch
