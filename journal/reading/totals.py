"""Totals of blocks of a seller's entries, kept in memory for the next statement.

A block is `BLOCK_ENTRIES` entries in a row; the first begins with seq 1. Its totals are kept under the hash of its
last entry, and that is over everything of the seller up to there: what is found under a hash cannot be out of date,
not even after a restore.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from journal.entry import EntryType
from journal.reading.records import Total

BLOCK_ENTRIES: Final = 10_000
BLOCKS_KEPT_MAX: Final = 10_000
"""Of a kilobyte each, so 10 MB, for a hundred million entries."""

Totals: TypeAlias = Mapping[EntryType, Total]
_NOTHING: Final = Total(0, 0)


def ends_of_blocks(first: int, last: int) -> range:
    """The last seqs of the blocks that lie within the seqs `first` to `last`."""
    begun_before = -(-(first - 1) // BLOCK_ENTRIES)
    return range((begun_before + 1) * BLOCK_ENTRIES, last + 1, BLOCK_ENTRIES)


def first_of_block(end: int) -> int:
    """The first seq of the block that ends with seq `end`."""
    return end - BLOCK_ENTRIES + 1


def sum_of(parts: Iterable[Totals]) -> dict[EntryType, Total]:
    sums: dict[EntryType, Total] = {}
    for part in parts:
        for type_, total in part.items():
            sum_ = sums.get(type_, _NOTHING)
            sums[type_] = Total(sum_.count + total.count, sum_.amount + total.amount)
    return sums


class KnownTotals:
    """Those of the blocks that were asked for last."""

    def __init__(self) -> None:
        self._by_hash: OrderedDict[bytes, Totals] = OrderedDict()

    def get(self, hash_: bytes) -> Totals | None:
        totals = self._by_hash.get(hash_)
        if totals is not None:
            self._by_hash.move_to_end(hash_)
        return totals

    def keep(self, hash_: bytes, totals: Totals) -> None:
        self._by_hash[hash_] = totals
        if len(self._by_hash) > BLOCKS_KEPT_MAX:
            self._by_hash.popitem(last=False)
