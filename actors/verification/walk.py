"""Walks through a range of sellers: reads their journals in chunks, replays them, and compares the projections.

Each chunk, and what is compared with it, is read at one moment. A row of a projection is compared when an entry
of the chunk has changed it: it says what that entry made of it, or its `last_seq` points to a later entry of the
same charge, which will be met in a later chunk. When a seller's last entry has been met, there must be exactly as
many rows as its entries made. So nothing is kept from one chunk to the next but the state of one account, and
the journal may grow meanwhile.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from actors.verification.findings import Finding, in_one_line
from actors.verification.replay import Before, Replay
from journal.entry import Entry, EntryType
from journal.ids import seq_of
from journal.projections import AccountRow, ChargeRow, CreditRequestRow, Row
from journal.reading.audit import (
    ACCOUNT_ROWS,
    BY_SEQ,
    CHARGE_ROWS,
    CHUNK,
    LAST_BEFORE,
    REQUEST_ROWS,
    SURPLUS_CHARGE,
    SURPLUS_REQUEST,
    Audit,
)
from journal.rows import POSITION, charge_of, entry_of, request_of

CHUNK_ENTRIES: Final = 5_000
REASON_MAX: Final = 500
"""Characters: what is in the database may have been made by anybody."""

_SELLER, _SEQ, _TYPE, _SUBJECT, _HASH = 0, 1, 3, 11, 18
_Place: TypeAlias = tuple[str, int]
"""A seller's id and a seq."""


class Range(Struct, frozen=True):
    """Of entries in the order of (seller_id, seq): after a place, up to and with a seller."""

    after_seller_id: str
    after_seq: int
    until_seller_id: str


class Walk:
    def __init__(
        self,
        audit: Audit,
        cell: str,
        range_: Range,
        on_chunk: Callable[[int, int], None],
        *,
        chunk_entries: int = CHUNK_ENTRIES,
    ) -> None:
        """`on_chunk` is told how many sellers have ended, and how many entries were checked, since the last time."""
        self._audit = audit
        self._cell = cell
        self._range = range_
        self._on_chunk = on_chunk
        self._chunk_entries = chunk_entries
        self._replay: Replay | None = None
        self._last_hash: bytes | None = None

    async def run(self) -> Finding | None:
        """The first thing that is not what it should be."""
        after = (self._range.after_seller_id, self._range.after_seq)
        while True:
            async with self._audit.moment():
                rows = await self._audit.fetch(CHUNK, *after, self._range.until_seller_id, self._chunk_entries)
                replays, finding = self._replayed(rows, await self._before_refunds(rows))
                is_last = finding is None and len(rows) < self._chunk_entries
                ended = replays if is_last else replays[:-1]
                # The sellers ahead of the one at fault are compared all the same: what is wrong there comes first.
                compared = replays if finding is None else ended
                finding = await self._compared(compared, ended) or finding or await self._twice(rows)
            self._on_chunk(len(ended), len(rows))
            if finding is not None:
                return replace(finding, reason=in_one_line(finding.reason[:REASON_MAX]))
            if is_last:
                return None
            after = (rows[-1][_SELLER], rows[-1][_SEQ])

    async def _twice(self, rows: Sequence[Any]) -> Finding | None:
        """The next chunk begins behind this one's last place, so a second entry of that number would be in neither."""
        if len(rows) < self._chunk_entries:
            return None
        seller_id, seq = _place(rows[-1])
        count = len(await self._audit.fetch(BY_SEQ, [seller_id], [seq]))
        return None if count == 1 else Finding(seller_id, seq, f"there are {count} entries of this number")

    def _replayed(
        self, rows: Sequence[Any], before_refunds: Mapping[_Place, Before]
    ) -> tuple[list[Replay], Finding | None]:
        """The sellers of this chunk: first the one that came over from the last chunk, last the one at fault."""
        replay = self._replay
        replays = [] if replay is None else [replay]
        for row in rows:
            seller_id = row[_SELLER]
            if replay is None or seller_id != replay.account.seller_id:
                replay = self._replay = Replay(seller_id)
                replays.append(replay)
                self._last_hash = None
            try:
                entry = entry_of(row, self._last_hash)
            except ValueError:
                return replays, Finding(seller_id, row[_SEQ], f"there is no type of entry {row[_TYPE]!r}")
            before = before_refunds.get((seller_id, row[_SEQ])) if entry.type is EntryType.REFUND else None
            finding = replay.check(entry, row[POSITION], before)
            if finding is not None:
                return replays, finding
            self._last_hash = row[_HASH]
        return replays, None

    async def _before_refunds(self, rows: Sequence[Any]) -> dict[_Place, Before]:
        """For every refund, the entries that tell what the charge was before it."""
        refunds = [row for row in rows if row[_TYPE] == EntryType.REFUND and row[_SUBJECT] is not None]
        if not refunds:
            return {}
        sellers = [row[_SELLER] for row in refunds]
        subjects = [row[_SUBJECT] for row in refunds]
        opened = [seq_of(subject) for subject in subjects]
        seqs = [row[_SEQ] for row in refunds]
        openings = {_place(row): row for row in await self._audit.fetch(BY_SEQ, sellers, opened)}
        last = {
            (row[_SELLER], row["before"]): row for row in await self._audit.fetch(LAST_BEFORE, sellers, subjects, seqs)
        }
        return {
            (seller_id, seq): (_readable(openings.get((seller_id, opening_seq))), _readable(last.get((seller_id, seq))))
            for seller_id, opening_seq, seq in zip(sellers, opened, seqs, strict=True)
        }

    async def _compared(self, replays: Sequence[Replay], ended: Sequence[Replay]) -> Finding | None:
        """The projections with what the entries make of them: rows that changed, and of those who ended everything."""
        touched = [row for replay in replays for row in replay.touched.values()]
        charges = [row for row in touched if isinstance(row, ChargeRow)]
        requests = [row for row in touched if isinstance(row, CreditRequestRow)]
        stored: dict[type[Row], dict[_Place, Any]] = {
            ChargeRow: await self._stored(CHARGE_ROWS, charges),
            CreditRequestRow: await self._stored(REQUEST_ROWS, requests),
        }
        sellers = [replay.account.seller_id for replay in ended]
        account_rows = await self._audit.fetch(ACCOUNT_ROWS, sellers) if sellers else []
        accounts = {row[0]: row for row in account_rows}
        times_found = Counter(row[0] for row in account_rows)
        for replay in replays:
            account = replay.account
            for row in replay.touched.values():
                difference = _difference(row, stored[type(row)].get((row.seller_id, row.seq)), account.seq)
                if difference is not None:
                    return Finding(row.seller_id, row.seq, difference)
            replay.touched.clear()
            if times_found[account.seller_id] > 1:
                return Finding(account.seller_id, account.seq, "its account, or its seller, has more than one row")
            if account.seller_id in accounts:
                finding = replay.end() or await self._end(replay, accounts[account.seller_id])
                if finding is not None:
                    return finding
        return None

    async def _stored(self, statement: str, rows: Sequence[ChargeRow | CreditRequestRow]) -> dict[_Place, Any]:
        if not rows:
            return {}
        sellers, seqs = [row.seller_id for row in rows], [row.seq for row in rows]
        return {_place(row): row for row in await self._audit.fetch(statement, sellers, seqs)}

    async def _end(self, replay: Replay, stored: Any) -> Finding | None:
        """After the seller's last entry. `stored` is its row of `ACCOUNT_ROWS`."""
        account = replay.account
        seller_id = account.seller_id
        expected = AccountRow(seller_id, account.currency, account.is_suspended, account.credit_limit)
        if stored["currency"] is None:
            return Finding(seller_id, account.seq, "its account has no row")
        if AccountRow(*stored[:4]) != expected:
            return Finding(seller_id, account.seq, f"the row of its account is not {_told(expected)}")
        if (stored["shop_currency"], stored["shop_cell"]) != (account.currency, self._cell):
            return Finding(seller_id, 1, "the shop has no seller of this id, currency and cell")
        for table, count, expected_count, surplus in (
            ("charge", stored["charge_rows"], replay.charge_rows, SURPLUS_CHARGE),
            ("credit request", stored["request_rows"], replay.request_rows, SURPLUS_REQUEST),
        ):
            if count != expected_count:
                seq = await self._audit.fetch(surplus, seller_id)
                reason = f"there is a row of a {table} that no entry made"
                return Finding(seller_id, seq[0][0] if seq else account.seq, reason)
        return None


def _difference(expected: ChargeRow | CreditRequestRow, stored: Any, last_seq: int) -> str | None:
    what = "charge" if isinstance(expected, ChargeRow) else "credit request"
    if stored is None:
        return f"the {what} has no row"
    try:
        row = charge_of(stored) if isinstance(expected, ChargeRow) else request_of(stored)
    except (ValueError, msgspec.MsgspecError):
        return f"the row of the {what} cannot be read"
    # The row must have the id of this charge: an entry that continues another one will be compared with that one's row,
    # never with this.
    if row == expected or (row.id == expected.id and row.last_seq > last_seq and stored["is_continued"]):
        return None
    return f"the row of the {what} is not {_told(expected)}"


def _told(row: AccountRow | ChargeRow | CreditRequestRow) -> str:
    return msgspec.json.encode(row).decode()


def _place(row: Any) -> _Place:
    return row[_SELLER], row[_SEQ]


def _readable(row: Any) -> Entry | None:
    """An entry that was checked in its place; None where there is none, or none that can be read."""
    try:
        return None if row is None else entry_of(row, None)
    except ValueError:
        return None
