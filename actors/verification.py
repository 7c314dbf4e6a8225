"""Verification: every entry of the journal, replayed by the rules that made it, in one snapshot of the database.

For each seller: entries numbered 1, 2, 3 ... without a gap; every hash recomputed over the content and the
predecessor's hash; the arithmetic of both balances, the floor, the time that never goes back; each entry one that
the rules allow after those before it, shown by the same `apply` as live traffic; the projections rebuilt and
compared, rows too many included; and, over the cell, positions 1, 2, 3 ... without a gap. With the lines that
`charge-shop heads` wrote earlier, also: none of what was there has gone, or is another.

Needs only the right to read. Memory holds one seller's open and refunded charges at a time.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final, Generic, TypeVar

import asyncpg
from msgspec import Struct
from msgspec.structs import replace

from actors.account import Account, OpenCharge, OpenRequest, apply, load_unwritten
from journal.chain import entry_hash
from journal.entry import CHARGE_FOLLOWERS, Entry, EntryType
from journal.ids import seq_of
from journal.money import parse
from journal.projections import AccountRow, ChargeRow, CreditRequestRow, Row
from journal.reader import Head
from journal.rows import CHARGE_COLUMNS, ENTRY_COLUMNS, REQUEST_COLUMNS, charge_of, entry_of, request_of
from journal.service_role import SERVICE_ROLE

PROGRESS_INTERVAL_S: Final = 0.5
_ROWS_AT_A_TIME: Final = 2_000

_OF_SELLER: Final = "($1::uuid IS NULL OR {alias}.seller_id = $1)"
ENTRIES: Final = f"""
SELECT {ENTRY_COLUMNS} FROM {{cell}}.entries e WHERE {_OF_SELLER.format(alias="e")} ORDER BY e.seller_id, e.seq"""
ENTRY: Final = f"SELECT {ENTRY_COLUMNS} FROM {{cell}}.entries e WHERE e.seller_id = $1 AND e.seq = $2"
ACCOUNTS: Final = f"""
SELECT a.seller_id::text, a.currency, a.is_suspended, a.credit_limit
FROM {{cell}}.accounts a WHERE {_OF_SELLER.format(alias="a")} ORDER BY a.seller_id"""
CHARGES: Final = f"""
SELECT {CHARGE_COLUMNS} FROM {{cell}}.charges c WHERE {_OF_SELLER.format(alias="c")} ORDER BY c.seller_id, c.seq"""
REQUESTS: Final = f"""
SELECT {REQUEST_COLUMNS} FROM {{cell}}.credit_requests r
WHERE {_OF_SELLER.format(alias="r")} ORDER BY r.seller_id, r.seq"""
SELLERS: Final = f"SELECT count(*) FROM {{cell}}.accounts a WHERE {_OF_SELLER.format(alias='a')}"
POSITIONS: Final = "SELECT count(*), coalesce(min(position), 1), coalesce(max(position), 0) FROM {cell}.entries"
FIRST_GAP: Final = """
SELECT seller_id::text, seq, position FROM (
    SELECT seller_id, seq, position, lead(position) OVER (ORDER BY position) AS next FROM {cell}.entries) e
WHERE next <> position + 1 ORDER BY position LIMIT 1"""


class Finding(Struct, frozen=True):
    """The first entry that is not what it should be, or the number of the one that is missing."""

    seller_id: str
    seq: int
    reason: str


class Progress(Struct, frozen=True):
    sellers_done: int
    sellers_total: int
    entries_checked: int
    first_bad: Finding | None = None


class _Bad(Exception):
    """Ends the walk; carries the finding."""

    def __init__(self, seller_id: str, seq: int, reason: str) -> None:
        super().__init__(reason)
        self.finding = Finding(seller_id, seq, reason)


async def verify_journal(
    url: str,
    *,
    cell: str = "cell_00",
    seller_id: str | None = None,
    heads: Iterable[Head] | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """The last progress, with the first bad entry if there is one. `seller_id`: only that seller's journal."""
    async with _snapshot(url) as connection:
        return await _Verification(connection, cell, seller_id, heads, on_progress).run()


@asynccontextmanager
async def _snapshot(url: str) -> AsyncIterator[Any]:
    """What the database holds at one moment, however long it takes to read it."""
    connection = await asyncpg.connect(url, server_settings={"role": SERVICE_ROLE, "jit": "off"})
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            yield connection
    finally:
        connection.terminate()


class _Verification:
    def __init__(
        self,
        connection: Any,
        cell: str,
        seller_id: str | None,
        heads: Iterable[Head] | None,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._connection = connection
        self._cell = cell
        self._seller_id = seller_id
        self._heads = {head.seller_id: head for head in heads or () if seller_id in (None, head.seller_id)}
        self._on_progress = on_progress
        self._progress = Progress(0, 0, 0)
        self._accounts = _Rows(self._stream(ACCOUNTS), lambda row: AccountRow(*row))
        self._charges = _Rows(self._stream(CHARGES), charge_of)
        self._requests = _Rows(self._stream(REQUESTS), request_of)

    async def run(self) -> Progress:
        total = await self._connection.fetchval(self._sql(SELLERS), self._seller_id)
        self._progress = replace(self._progress, sellers_total=total)
        self._on_progress(self._progress)
        try:
            await self._walk()
            for head in self._heads.values():  # Those that were met are gone from it.
                raise _Bad(head.seller_id, 1, "the seller's journal, of which a head was exported, is gone")
            if self._seller_id is None:
                await self._check_positions()
        except _Bad as bad:
            self._progress = replace(self._progress, first_bad=bad.finding)
        return self._progress

    async def _walk(self) -> None:
        replay: _Replay | None = None
        loop = asyncio.get_running_loop()
        told_at = loop.time()
        checked = 0
        async for row in self._stream(ENTRIES):
            if replay is None or row[0] != replay.account.seller_id:
                await self._end(replay)
                replay = _Replay(row[0], self._heads.pop(row[0], None))
            try:
                entry = entry_of(row, replay.account.last_hash)
            except ValueError:
                raise _Bad(row[0], row[1], f"there is no entry type {row[3]!r}") from None
            if entry.subject_id is not None and replay.lacks(entry):
                replay.opening(await self._opening(entry))
            replay.check(entry)
            checked += 1
            if checked % 1024 == 0 and loop.time() - told_at >= PROGRESS_INTERVAL_S:
                told_at = loop.time()
                self._progress = replace(self._progress, entries_checked=checked)
                self._on_progress(self._progress)
        self._progress = replace(self._progress, entries_checked=checked)
        await self._end(replay)
        for rest in (await self._accounts.next(), await self._charges.next(), await self._requests.next()):
            if rest is not None:
                raise _Bad(rest.seller_id, 1, "there are rows of a seller without a journal")

    async def _end(self, replay: "_Replay | None") -> None:
        """The seller's last entry has been checked: what is left is to compare what follows from them all."""
        if replay is None:
            return
        seller_id = replay.account.seller_id
        replay.check_head()
        accounts = await self._accounts.of(seller_id)
        if not accounts:
            raise _Bad(seller_id, replay.account.seq, "the table of accounts lacks the seller")
        rows: list[Row] = [*accounts, *await self._charges.of(seller_id), *await self._requests.of(seller_id)]
        for row in rows:
            replay.compare(row)
        replay.check_all_compared()
        self._progress = replace(self._progress, sellers_done=self._progress.sellers_done + 1)

    async def _opening(self, entry: Entry) -> Entry | None:
        """Of a charge that was completed at once: no row tells of it until it is refunded."""
        assert entry.subject_id is not None
        row = await self._connection.fetchrow(self._sql(ENTRY), entry.seller_id, seq_of(entry.subject_id))
        opening = None if row is None else entry_of(row, None)
        return opening if opening is not None and opening.id == entry.subject_id else None

    async def _check_positions(self) -> None:
        count, first, last = await self._connection.fetchrow(self._sql(POSITIONS))
        if count == last and (first == 1 or count == 0):
            return
        gap = await self._connection.fetchrow(self._sql(FIRST_GAP))
        if first != 1 or gap is None:
            raise _Bad("unknown", 1, "the cell's first position is missing")
        raise _Bad(gap[0], gap[1], f"after it the cell's position {gap[2] + 1} is missing: an entry was taken out")

    async def _stream(self, statement: str) -> AsyncIterator[Any]:
        async for row in self._connection.cursor(self._sql(statement), self._seller_id, prefetch=_ROWS_AT_A_TIME):
            yield row

    def _sql(self, statement: str) -> str:
        return statement.replace("{cell}", self._cell)


class _Replay:
    """One seller's entries, one after the other."""

    def __init__(self, seller_id: str, head: Head | None) -> None:
        self.account = Account(seller_id)
        self._head = head

    def lacks(self, entry: Entry) -> bool:
        return entry.type in CHARGE_FOLLOWERS and entry.subject_id not in self.account.charges

    def opening(self, opening: Entry | None) -> None:
        if opening is not None and opening.seq <= self.account.seq:
            load_unwritten(self.account, opening)

    def check(self, entry: Entry) -> None:
        account = self.account
        reason = self._fault_of(entry)
        if reason is None:
            try:
                apply(account, entry)
            except (AssertionError, KeyError, ValueError, TypeError) as error:
                why = f": {error}" if str(error) else ""
                reason = f"the rules do not allow this {entry.type} here{why}"
        if reason is not None:
            raise _Bad(account.seller_id, entry.seq, reason)
        if self._head is not None and self._head.seq == entry.seq and self._head.hash != entry.hash:
            raise _Bad(account.seller_id, entry.seq, "the hash is not the one that was exported")

    def _fault_of(self, entry: Entry) -> str | None:
        account = self.account
        if entry.seq != account.seq + 1:
            # The missing one is the first that is bad; what stands after it may be in order.
            raise _Bad(account.seller_id, account.seq + 1, f"the entry is missing; the next is {entry.seq}")
        try:
            if entry_hash(entry) != entry.hash:
                return "the hash does not match the content and the entry before"
        except (AssertionError, ValueError):
            return "the content cannot be hashed"
        if entry.at_us < account.at_us:
            return "the time goes back"
        if entry.available_after != account.available + entry.amount:
            return "available_after is not the sum of the amounts"
        if entry.held_after != account.held + entry.held_change:
            return "held_after is not the sum of the changes"
        if entry.by_admin != (entry.made_by is not None and entry.made_by != entry.seller_id):
            return "by_admin does not agree with made_by"
        if (entry.seq == 1) != (entry.type is EntryType.OPENED):
            return "a journal begins with the entry `opened`, and has only one"
        if entry.type is not EntryType.LIMIT_CHANGED and entry.credit_limit != account.credit_limit:
            return "credit_limit is not the limit that was set last"
        if entry.type is EntryType.LIMIT_CHANGED and not _says_its_limit(entry, account.currency):
            return "credit_limit is not what the details say"
        return None

    def check_head(self) -> None:
        account = self.account
        if self._head is not None and self._head.seq > account.seq:
            raise _Bad(
                account.seller_id,
                account.seq + 1,
                f"the entry is missing; entries up to {self._head.seq} were exported",
            )

    def compare(self, row: Row) -> None:
        """A row of the database with the one that follows from the entries, which is then ticked off."""
        account = self.account
        expected: Row | None
        match row:
            case AccountRow():
                expected = AccountRow(account.seller_id, account.currency, account.is_suspended, account.credit_limit)
                seq = account.seq
            case ChargeRow():
                charge: OpenCharge | None = account.charges.pop(row.id, None)
                expected, seq = (None, row.seq) if charge is None else (charge.row, charge.row.last_seq)
            case CreditRequestRow():
                request: OpenRequest | None = account.requests.pop(row.id, None)
                expected, seq = (None, row.seq) if request is None else (request.row, request.row.last_seq)
        if row != expected:
            raise _Bad(account.seller_id, seq, f"the table of {_TABLES[type(row)]} does not agree with the entries")

    def check_all_compared(self) -> None:
        account = self.account
        left: list[ChargeRow | CreditRequestRow] = [
            *(charge.row for charge in account.charges.values()),
            *(request.row for request in account.requests.values()),
        ]
        for row in left:
            table = _TABLES[type(row)]
            raise _Bad(account.seller_id, row.last_seq, f"the table of {table} lacks a row that follows from it")


_TABLES: Final[dict[type, str]] = {AccountRow: "accounts", ChargeRow: "charges", CreditRequestRow: "credit requests"}


def _says_its_limit(entry: Entry, currency: str) -> bool:
    limit = (entry.details or "").removeprefix('{"credit_limit":"').removesuffix('"}')
    return parse(limit, currency) == entry.credit_limit


R = TypeVar("R", bound=Row)


class _Rows(Generic[R]):
    """A table's rows in the order of their sellers, taken seller by seller."""

    def __init__(self, stream: AsyncIterator[Any], of_row: Callable[[Any], R]) -> None:
        self._stream = stream
        self._of_row = of_row
        self._ahead: R | None = None

    async def next(self) -> R | None:
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            return ahead
        async for row in self._stream:
            try:
                return self._of_row(row)
            except ValueError as error:
                raise _Bad(
                    row[0], row[1] if isinstance(row[1], int) else 1, f"a derived row is unreadable: {error}"
                ) from None
        return None

    async def of(self, seller_id: str) -> list[R]:
        rows: list[R] = []
        while (row := await self.next()) is not None:
            if row.seller_id > seller_id:
                self._ahead = row
                break
            if row.seller_id < seller_id:
                raise _Bad(row.seller_id, 1, "there are rows of a seller without a journal")
            rows.append(row)
        return rows
