"""What PostgreSQL takes at the very best: COPY of the rows that batches write, into the same table with the same
indexes, a transaction for each batch. Nothing is asked, checked or answered; the rows are made beforehand, by the
rules that make them in the service.
"""

import time
import uuid
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
_TEMPLATE: Final = "bench_copy_template"
_TARGET: Final = "bench_copy"


class Copying:
    def __init__(self, databases: Databases, rows: int) -> None:
        """`rows`: of each run; the last batch may be shorter."""
        self._databases = databases
        self._count = rows
        self._rows: dict[int, list[tuple[Any, ...]]] = {}
        """By the size of the batches."""

    async def prepare(self) -> None:
        await self._databases.make_migrated(_TEMPLATE)

    async def rows_per_s(self, batch: int) -> float:
        """Into a fresh table, as the service's own was when its first rows came."""
        if batch not in self._rows:
            self._rows[batch] = charge_rows(self._count, batch)
        rows = self._rows[batch]
        url = await self._databases.make(_TARGET, template=_TEMPLATE)
        connection = await asyncpg.connect(url)
        try:
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


def charge_rows(count: int, batch: int) -> list[tuple[Any, ...]]:
    """The charges of `load/batches.lua`, batch after batch, each of the next seller, as asyncpg takes them fastest;
    `position` first."""
    rows: list[tuple[Any, ...]] = []
    accounts = []
    now_us = 1_750_000_000_000_000
    for seller in range(SELLERS):
        account = Account(str(uuid.UUID(int=2 * seller + 2)))
        _happen(account, Open("USD"), now_us)
        _happen(account, Adjust(Caller(str(uuid.UUID(int=1)), True), 10**12, "credit", "to sell"), now_us)
        accounts.append(account)
    while len(rows) < count:
        number = len(rows) // batch
        account = accounts[number % SELLERS]
        for place in range(1, min(batch, count - len(rows)) + 1):
            now_us += 10
            key = f"{place}-bench-1-{number}"
            caller = Caller(account.seller_id, False, key, len(rows).to_bytes(16))
            amount = 100 * (place % 9 + 1) + place % 100
            charge = Charge(caller, f"+98912{place * 7919 % 10**7:07d}", amount)
            rows.append((len(rows) + 1, *_values(_happen(account, charge, now_us))))
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
