"""What PostgreSQL takes at the very best: COPY of the rows that batches write, into the same table with the same
indexes, a transaction for each batch. Nothing is asked, checked or answered; the rows are made beforehand, by the
rules that make them in the service.
"""

import itertools
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any, Final

import asyncpg

from actors.account import Account, Rules, apply, decide
from actors.commands import Adjust, Caller, Charge, Command, Open
from journal.entry import Entry
from loadtest.bench.database import Databases

COLUMNS: Final = (
    *("seller_id", "seq", "at_us", "type", "amount", "held_change", "available_after", "held_after", "credit_limit"),
    *("made_by", "by_admin", "subject_id", "idempotency_key", "request_hash", "phone_number", "reference", "reason"),
    *("details", "hash"),
)
SELLERS: Final = 1_000
"""As many as the batches come from."""
FIRST_POSITION: Final = 10**12
"""Far above those of the service's own entries, which come into the same table."""
_DATABASE: Final = "bench_copy"


class Copying:
    """Owns one table for all runs. (To drop a database makes PostgreSQL write a checkpoint, and whatever is measured
    next would pay for it.)"""

    def __init__(self, databases: Databases, rows: int, folder: Path) -> None:
        """`rows`: of each run; the last batch may be shorter. `folder`: for a copy of the service's entries."""
        self._databases = databases
        self._count = rows
        self._folder = folder
        self._url = ""
        self._charges = Charges()
        self._filled_to = 0
        """The position of the last of the service's entries that are in the table."""

    async def prepare(self) -> None:
        self._url = await self._databases.make_migrated(_DATABASE)

    async def rows_per_s(self, batch: int) -> float:
        """Into a table as full as the service's own: the larger the indexes, the more a row costs."""
        rows = self._charges.rows(self._count, batch)
        connection = await asyncpg.connect(self._url)
        try:
            await self._fill_up(connection)
            begin = time.perf_counter()
            for start in range(0, len(rows), batch):
                await connection.copy_records_to_table(
                    "entries",
                    schema_name="cell_00",
                    columns=("position", *COLUMNS),
                    records=rows[start : start + batch],
                )
            return len(rows) / (time.perf_counter() - begin)
        finally:
            await connection.close()

    async def _fill_up(self, connection: Any) -> None:
        """Adds what the service has written since the last time."""
        service = await asyncpg.connect(self._databases.service_url)
        try:
            last = await service.fetchval("SELECT max(position) FROM cell_00.entries")
            with tempfile.TemporaryFile(dir=self._folder) as file:
                await service.copy_from_query(
                    "SELECT * FROM cell_00.entries WHERE position > $1 AND position <= $2 ORDER BY position",
                    self._filled_to,
                    last,
                    output=file,
                    format="binary",
                )
                file.seek(0)
                await connection.copy_to_table("entries", schema_name="cell_00", source=file, format="binary")
        finally:
            await service.close()
        self._filled_to = last


class Charges:
    """The charges of `load/batches.lua`, batch after batch, each of the next seller."""

    def __init__(self) -> None:
        self._now_us = 1_750_000_000_000_000
        self._accounts = []
        self._batches = itertools.count()
        self._positions = itertools.count(FIRST_POSITION)
        for seller in range(SELLERS):
            account = Account(str(uuid.UUID(int=2 * seller + 2)))
            _happen(account, Open("USD"), self._now_us)
            _happen(account, Adjust(Caller(str(uuid.UUID(int=1)), True), 10**15, "credit", "to sell"), self._now_us)
            self._accounts.append(account)

    def rows(self, count: int, batch: int) -> list[tuple[Any, ...]]:
        """The next ones, as asyncpg takes them fastest; `position` first."""
        rows: list[tuple[Any, ...]] = []
        while len(rows) < count:
            number = next(self._batches)
            account = self._accounts[number % SELLERS]
            for place in range(1, min(batch, count - len(rows)) + 1):
                self._now_us += 10
                position = next(self._positions)
                caller = Caller(account.seller_id, False, f"{place}-bench-1-{number}", position.to_bytes(16))
                charge = Charge(caller, f"+98912{place * 7919 % 10**7:07d}", 100 * (place % 9 + 1) + place % 100)
                rows.append((position, *_values(_happen(account, charge, self._now_us))))
        return rows


def _happen(account: Account, command: Command, now_us: int) -> Entry:
    decided = decide(account, command, now_us, Rules())
    assert isinstance(decided, tuple)
    (entry,) = decided
    apply(account, entry)
    return entry


def _values(entry: Entry) -> tuple[Any, ...]:
    values = {name: getattr(entry, name) for name in COLUMNS}
    values["type"] = entry.type.value
    for name in ("seller_id", "made_by"):
        values[name] = uuid.UUID(values[name])
    return tuple(values.values())
