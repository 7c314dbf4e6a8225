"""What is checked of a cell as a whole, after its sellers: exported heads, rows without a journal, positions."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from actors.verification.findings import Finding
from journal.reader import Head
from journal.reading.audit import AFTER_GAP, HAS_GAP, ORPHANS, TWICE, Audit

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


def _batches(heads: Iterable[Head]) -> Iterator[list[Head]]:
    rest = iter(heads)
    while batch := list(islice(rest, HEADS_AT_ONCE)):
        yield batch
