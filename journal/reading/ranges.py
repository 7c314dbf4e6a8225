"""From a time, or a position, to a place in the journal: binary search over an index that is there anyway.

Within a seller neither time nor position ever decreases with seq, so the search is exact: some twenty probes for
a million entries. Across sellers time follows position closely, not strictly: entries were decided in the order
of their positions, but a batch that the database refuses is sent again seller by seller, and the clock of the
machine may be set back. `SLACK_US` is how far that may reach; whoever uses positions found by time filters
by the time itself too.
"""

from typing import Final

from journal.reading.cell import BIGGEST, CellReader

SLACK_US: Final = 5_000_000

# `above` comes down to the first seq at which the column is $2 or more, `below` stays under it.
_FIRST_SEQ: Final = """
WITH RECURSIVE halves (below, above) AS (
    SELECT 0::bigint, coalesce((SELECT max(e.seq) FROM {{cell}}.entries e WHERE e.seller_id = $1), 0) + 1
    UNION ALL
    SELECT CASE WHEN e.{column} < $2 THEN e.seq ELSE h.below END, CASE WHEN e.{column} < $2 THEN h.above ELSE e.seq END
    FROM halves h JOIN {{cell}}.entries e ON e.seller_id = $1 AND e.seq = (h.below + h.above) / 2
    WHERE h.above - h.below > 1)
SELECT min(above) FROM halves"""
FIRST_SEQ_AT: Final = _FIRST_SEQ.format(column="at_us")
FIRST_SEQ_FROM_POSITION: Final = _FIRST_SEQ.format(column="position")
FIRST_POSITION_AT: Final = """
WITH RECURSIVE halves (below, above) AS (
    SELECT 0::bigint, coalesce((SELECT max(e.position) FROM {cell}.entries e), 0) + 1
    UNION ALL
    SELECT CASE WHEN e.at_us < $1 THEN e.position ELSE h.below END,
           CASE WHEN e.at_us < $1 THEN h.above ELSE e.position END
    FROM halves h JOIN {cell}.entries e ON e.position = (h.below + h.above) / 2
    WHERE h.above - h.below > 1)
SELECT min(above) FROM halves"""


class Ranges(CellReader):
    """Answers half-open ranges; None for a time means no bound."""

    async def _seqs(self, seller_id: str, from_us: int | None, to_us: int | None) -> tuple[int, int]:
        """The seller's entries from `from_us` on and before `to_us`: the first of them, and the first after them."""
        first = 0 if from_us is None else await self._first_seq_at(seller_id, from_us)
        return first, BIGGEST if to_us is None else await self._first_seq_at(seller_id, to_us)

    async def _first_seq_at(self, seller_id: str, at_us: int) -> int:
        """Of the first entry at that time or later; one more than the last seq when there is none."""
        return int((await self._fetch(FIRST_SEQ_AT, seller_id, at_us))[0][0])

    async def _first_seq_from_position(self, seller_id: str, position: int) -> int:
        return int((await self._fetch(FIRST_SEQ_FROM_POSITION, seller_id, position))[0][0])

    async def _positions(self, from_us: int | None, to_us: int | None) -> tuple[int, int]:
        """Positions that hold all entries of the time between, and few others."""
        first, end = 0, BIGGEST
        if from_us is not None:
            first = int((await self._fetch(FIRST_POSITION_AT, from_us - SLACK_US))[0][0])
        if to_us is not None:
            end = int((await self._fetch(FIRST_POSITION_AT, to_us + SLACK_US))[0][0])
        return first, end
