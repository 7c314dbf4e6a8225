"""Statements: from one balance of available credit to another, and what happened between.

Seqs have no gaps, so two searches by time tell how many entries there are, and their neighbours the balances.
Only the rare types are counted, each by a range of an index that holds their amounts too; what they leave of the
count and of the difference are the plain charges. So a statement costs nothing for charges, and 0.2 us for every
other entry, but in whole blocks of entries only the first time (`journal.reading.totals`).
"""

from typing import Final

import asyncpg

from journal.entry import EntryType
from journal.reading.ranges import Ranges
from journal.reading.records import StatementRecord, Total
from journal.reading.totals import KnownTotals, ends_of_blocks, first_of_block, sum_of

CURRENCY_AND_LAST_SEQ: Final = """
SELECT a.currency, (SELECT max(e.seq) FROM {cell}.entries e WHERE e.seller_id = a.seller_id)
FROM {cell}.accounts a WHERE a.seller_id = $1"""
BALANCES: Final = """
SELECT e.seq, e.available_after FROM {cell}.entries e WHERE e.seller_id = $1 AND e.seq = ANY($2::bigint[])"""
HASHES: Final = """
SELECT e.seq, e.hash FROM {cell}.entries e WHERE e.seller_id = $1 AND e.seq = ANY($2::bigint[])"""
# $2 first and $3 last seqs of ranges, $4 the types other than charge
RARE_TOTALS: Final = """
SELECT r.number - 1, t.type, s.count, s.amount
FROM unnest($2::bigint[], $3::bigint[]) WITH ORDINALITY AS r (first, last, number)
CROSS JOIN unnest($4::text[]) AS t (type) CROSS JOIN LATERAL (
    SELECT count(*) AS count, coalesce(sum(e.amount), 0) AS amount FROM (
        SELECT e.amount FROM {cell}.entries e
        WHERE (e.seller_id, e.type, e.seq) >= ($1, t.type, r.first)
          AND (e.seller_id, e.type, e.seq) <= ($1, t.type, r.last) AND e.type <> 'charge'
        ORDER BY e.seller_id, e.type, e.seq) e) s
WHERE s.count > 0"""

RARE_TYPES: Final = tuple(type_ for type_ in EntryType if type_ is not EntryType.CHARGE)


class Statements(Ranges):
    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", cell: str = "cell_00") -> None:
        super().__init__(pool, cell)
        self._known = KnownTotals()

    async def statement(self, seller_id: str, from_us: int | None, to_us: int | None) -> StatementRecord | None:
        """Of the entries from `from_us` on and before `to_us`; None for a seller without an account."""
        accounts = await self._fetch(CURRENCY_AND_LAST_SEQ, seller_id)
        if not accounts:
            return None
        currency, last_seq = accounts[0]
        first, end = await self._seqs(seller_id, from_us, to_us)
        first = max(first, 1)
        end = max(first, min(end, last_seq + 1))
        before, last = first - 1, end - 1
        balances = dict(await self._fetch(BALANCES, seller_id, [before, last]))
        opening, closing = balances.get(before, 0), balances.get(last, 0)

        totals = await self._rare_totals(seller_id, first, last)
        charges = end - first - sum(total.count for total in totals.values())
        if charges:
            amount = closing - opening - sum(total.amount for total in totals.values())
            totals[EntryType.CHARGE] = Total(charges, amount)
        return StatementRecord(currency, opening, closing, end - first, totals)

    async def _rare_totals(self, seller_id: str, first: int, last: int) -> dict[EntryType, Total]:
        """Of all types but charge, from seq `first` to seq `last`."""
        ends = ends_of_blocks(first, last)
        if not ends:
            return (await self._count(seller_id, [(first, last)]))[0]
        hashes: dict[int, bytes] = dict(await self._fetch(HASHES, seller_id, list(ends)))
        known = {end: totals for end, hash_ in hashes.items() if (totals := self._known.get(hash_)) is not None}
        unknown = [end for end in ends if end not in known]
        around = [(first, first_of_block(ends[0]) - 1), (ends[-1] + 1, last)]
        counted = await self._count(seller_id, around + [(first_of_block(end), end) for end in unknown])
        for end, totals in zip(unknown, counted[len(around) :], strict=True):
            if end in hashes:
                self._known.keep(hashes[end], totals)
        return sum_of([*counted, *known.values()])

    async def _count(self, seller_id: str, ranges: list[tuple[int, int]]) -> list[dict[EntryType, Total]]:
        """For each of the ranges of seqs; the first and the last belong to it."""
        counted: list[dict[EntryType, Total]] = [{} for _ in ranges]
        firsts, lasts = zip(*ranges, strict=True)
        for number, type_, count, amount in await self._fetch(RARE_TOTALS, seller_id, firsts, lasts, RARE_TYPES):
            counted[number][EntryType(type_)] = Total(count, int(amount))
        return counted
