"""Entries: pages of them newest first, one by its id, all of them oldest first in chunks, those after a position.

A seller's entries are ordered by seq, those of a cell by position. Filters narrow the range of an index, except
one: pages of plain charges are picked out of all entries, for charges have no index by type. In a journal that is
mostly something else such a page reads on until it is full (about 1 us for an entry that is passed over).
"""

from collections.abc import AsyncIterator
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from journal.entry import CHARGE_OPENERS, EntryType
from journal.ids import seq_of
from journal.reading.cell import BIGGEST
from journal.reading.ranges import Ranges
from journal.reading.records import PostedEntry
from journal.rows import CURRENCY, ENTRY_COLUMNS, POSITION, PREVIOUS_HASH, entry_of

CHUNK: Final = 500
"""Entries that an export reads, and its caller encodes, at once: a few milliseconds of the event loop."""

_SELECT: Final = f"SELECT {ENTRY_COLUMNS}, {PREVIOUS_HASH}, {CURRENCY} FROM {{cell}}.entries e"

# $1 seller, $2 first, $3 end (exclusive) of the range of seq or position, $4 limit, $5 from, $6 to, $7 type, $8 charge
_TIME: Final = "e.at_us >= $5 AND e.at_us < $6"
_ANY_TYPE: Final = "$7::text IS NULL AND $8::uuid IS NULL"
_OF_SELLER: Final = f"""{_SELECT}
WHERE (e.seller_id, e.seq) >= ($1, $2) AND (e.seller_id, e.seq) < ($1, $3) AND {_TIME} AND {{types}}
ORDER BY e.seller_id {{order}}, e.seq {{order}} LIMIT $4"""
_OF_ALL: Final = f"""{_SELECT}
WHERE $1::uuid IS NULL AND e.position >= $2 AND e.position < $3 AND {_TIME} AND {{types}}
ORDER BY e.position {{order}} LIMIT $4"""
_ONLY_CHARGES: Final = "e.type = 'charge' AND $7 = 'charge' AND $8::uuid IS NULL"

OF_SELLER: Final = _OF_SELLER.replace("{types}", _ANY_TYPE)
OF_SELLER_CHARGES: Final = _OF_SELLER.replace("{types}", _ONLY_CHARGES)
OF_SELLER_BY_TYPE: Final = f"""{_SELECT}
WHERE (e.seller_id, e.type, e.seq) >= ($1, $7, $2) AND (e.seller_id, e.type, e.seq) < ($1, $7, $3)
  AND e.type <> 'charge' AND {_TIME} AND $8::uuid IS NULL
ORDER BY e.seller_id {{order}}, e.type {{order}}, e.seq {{order}} LIMIT $4"""
OF_CHARGE: Final = f"""{_SELECT}
WHERE (e.seller_id, e.subject_id, e.seq) >= ($1, $8, $2) AND (e.seller_id, e.subject_id, e.seq) < ($1, $8, $3)
  AND e.subject_id IS NOT NULL AND {_TIME} AND ($7::text IS NULL OR e.type = $7)
ORDER BY e.seller_id {{order}}, e.subject_id {{order}}, e.seq {{order}} LIMIT $4"""
OF_ALL: Final = _OF_ALL.replace("{types}", _ANY_TYPE)
OF_ALL_CHARGES: Final = _OF_ALL.replace("{types}", _ONLY_CHARGES)
OF_ALL_BY_TYPE: Final = f"""{_SELECT}
WHERE (e.type, e.position) >= ($7, $2) AND (e.type, e.position) < ($7, $3)
  AND e.type <> 'charge' AND {_TIME} AND $1::uuid IS NULL AND $8::uuid IS NULL
ORDER BY e.type {{order}}, e.position {{order}} LIMIT $4"""
BY_SEQ: Final = f"{_SELECT} WHERE e.seller_id = $1 AND e.seq = $2"
LAST_SEQ: Final = "SELECT coalesce(max(e.seq), 0) FROM {cell}.entries e WHERE e.seller_id = $1"
LAST_POSITION: Final = "SELECT coalesce(max(e.position), 0) FROM {cell}.entries e"


class _Range(Struct, frozen=True):
    """Which entries, in terms of the statements' parameters."""

    seller_id: str | None
    first: int
    end: int
    from_us: int
    to_us: int
    type: EntryType | None
    opening: PostedEntry | None
    """Of the one charge that is asked for."""

    def has(self, posted: PostedEntry) -> bool:
        entry = posted.entry
        return (
            self.first <= entry.seq < self.end
            and self.from_us <= entry.at_us < self.to_us
            and self.type in (None, entry.type)
        )


class Transactions(Ranges):
    async def transactions(
        self,
        *,
        seller_id: str | None = None,
        type: EntryType | None = None,
        charge_id: str | None = None,
        from_us: int | None = None,
        to_us: int | None = None,
        before: int | None = None,
        limit: int,
    ) -> list[PostedEntry]:
        """At most `limit`, newest first; of one seller, or of all. A charge's entries need its seller."""
        wanted = await self._range(seller_id, type, charge_id, from_us, to_us)
        if wanted is None:
            return []
        if before is not None:
            wanted = replace(wanted, end=min(before, wanted.end))
        return await self._page(wanted, "DESC", limit)

    async def transaction(self, seller_id: str, entry_id: str) -> PostedEntry | None:
        """One entry of the seller."""
        rows = await self._fetch(BY_SEQ, seller_id, seq_of(entry_id))
        posted = _posted(rows[0], seller_id) if rows else None
        return posted if posted is not None and posted.entry.id == entry_id else None

    async def export(
        self,
        *,
        seller_id: str | None = None,
        type: EntryType | None = None,
        charge_id: str | None = None,
        from_us: int | None = None,
        to_us: int | None = None,
    ) -> AsyncIterator[list[PostedEntry]]:
        """All that was there when it began, oldest first, in chunks: no transaction stays open between two."""
        wanted = await self._range(seller_id, type, charge_id, from_us, to_us)
        if wanted is None:
            return
        last = await (self._fetch(LAST_SEQ, seller_id) if seller_id else self._fetch(LAST_POSITION))
        wanted = replace(wanted, end=min(wanted.end, last[0][0] + 1))
        while chunk := await self._page(wanted, "ASC", CHUNK):
            yield chunk
            wanted = replace(wanted, first=chunk[-1].key + 1)

    async def after(self, position: int, *, seller_id: str | None = None, limit: int) -> list[PostedEntry]:
        """What was written after a position, oldest first; of one seller, or of all."""
        first = position + 1
        if seller_id is not None:
            first = await self._first_seq_from_position(seller_id, first)
        return await self._page(_Range(seller_id, first, BIGGEST, -BIGGEST, BIGGEST, None, None), "ASC", limit)

    async def _range(
        self,
        seller_id: str | None,
        type: EntryType | None,
        charge_id: str | None,
        from_us: int | None,
        to_us: int | None,
    ) -> _Range | None:
        """None when nothing can be in it."""
        opening = None
        if charge_id is not None:
            assert seller_id is not None
            opening = await self.transaction(seller_id, charge_id)
            if opening is None or opening.entry.type not in CHARGE_OPENERS:
                return None
        if seller_id is None:
            first, end = await self._positions(from_us, to_us)
        else:
            first, end = await self._seqs(seller_id, from_us, to_us)
        from_us = -BIGGEST if from_us is None else from_us
        to_us = BIGGEST if to_us is None else to_us
        return _Range(seller_id, first, end, from_us, to_us, type, opening)

    async def _page(self, wanted: _Range, order: str, limit: int) -> list[PostedEntry]:
        opening = wanted.opening
        rows = await self._fetch(
            _statement(wanted).replace("{order}", order),
            wanted.seller_id,
            wanted.first,
            wanted.end,
            limit,
            wanted.from_us,
            wanted.to_us,
            wanted.type,
            None if opening is None else opening.entry.id,
        )
        page = [_posted(row, wanted.seller_id) for row in rows]
        if opening is not None and wanted.has(opening):
            # It comes before all that followed it.
            page = [opening, *page] if order == "ASC" else [*page, opening]
        return page[:limit]


def _statement(wanted: _Range) -> str:
    if wanted.opening is not None:
        return OF_CHARGE
    of_seller = wanted.seller_id is not None
    if wanted.type is None:
        return OF_SELLER if of_seller else OF_ALL
    if wanted.type is EntryType.CHARGE:
        return OF_SELLER_CHARGES if of_seller else OF_ALL_CHARGES
    return OF_SELLER_BY_TYPE if of_seller else OF_ALL_BY_TYPE


def _posted(row: Any, seller_id: str | None) -> PostedEntry:
    entry = entry_of(row, row["previous_hash"])
    return PostedEntry(entry, row[POSITION], row["currency"], row[POSITION] if seller_id is None else entry.seq)
