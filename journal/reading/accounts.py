"""Accounts: their balances now and as of a time, which stand in their entries; and where every chain ends."""

from collections.abc import AsyncIterator, Sequence
from typing import Final

from journal.entry import Entry
from journal.reading.cell import BIGGEST
from journal.reading.ranges import Ranges
from journal.reading.records import AccountState, Head
from journal.reading.subjects import ID_MIN
from journal.rows import ENTRY_COLUMNS, PREVIOUS_HASH, entry_of

HEADS_CHUNK: Final = 1000

STATES: Final = """
SELECT a.seller_id::text, a.currency, a.is_suspended, a.credit_limit, e.available_after, e.held_after, e.seq, e.at_us
FROM {cell}.accounts a CROSS JOIN LATERAL (
    SELECT e.available_after, e.held_after, e.seq, e.at_us FROM {cell}.entries e
    WHERE e.seller_id = a.seller_id ORDER BY e.seq DESC LIMIT 1) e
WHERE a.seller_id = ANY($1::uuid[])"""
BY_SEQ: Final = f"SELECT {ENTRY_COLUMNS}, {PREVIOUS_HASH} FROM {{cell}}.entries e WHERE e.seller_id = $1 AND e.seq = $2"
# From one seller to the next by the primary key: the journal itself says which there are.
HEADS: Final = """
WITH RECURSIVE sellers (seller_id, n) AS (
    (SELECT e.seller_id, 1 FROM {cell}.entries e WHERE e.seller_id > $1 ORDER BY e.seller_id LIMIT 1)
    UNION ALL
    SELECT (
        SELECT e.seller_id FROM {cell}.entries e WHERE e.seller_id > s.seller_id ORDER BY e.seller_id LIMIT 1), s.n + 1
    FROM sellers s WHERE s.seller_id IS NOT NULL AND s.n < $2)
SELECT s.seller_id::text, e.seq, e.hash FROM sellers s CROSS JOIN LATERAL (
    SELECT e.seq, e.hash FROM {cell}.entries e WHERE e.seller_id = s.seller_id ORDER BY e.seq DESC LIMIT 1) e
ORDER BY s.seller_id"""


class Accounts(Ranges):
    async def accounts(self, seller_ids: Sequence[str]) -> dict[str, AccountState]:
        """Those of the sellers that have an account."""
        return {row[0]: AccountState(*row) for row in await self._fetch(STATES, seller_ids)}

    async def balance_at(self, seller_id: str, at_us: int) -> Entry | None:
        """The seller's last entry at that time or before, with the balances after it; None before the first."""
        if at_us >= BIGGEST:
            at_us = BIGGEST - 1
        rows = await self._fetch(BY_SEQ, seller_id, await self._first_seq_at(seller_id, at_us + 1) - 1)
        return entry_of(rows[0], rows[0]["previous_hash"]) if rows else None

    async def heads(self) -> AsyncIterator[Head]:
        """Of every seller, in the order of their ids; each as of the moment when it was read."""
        seller_id = ID_MIN
        while rows := await self._fetch(HEADS, seller_id, HEADS_CHUNK):
            for row in rows:
                yield Head(*row)
            seller_id = rows[-1][0]
