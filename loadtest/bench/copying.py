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
SELLERS: Final = 10
_TEMPLATE: Final = "bench_copy_template"
_TARGET: Final = "bench_copy"


class Copying:
    def __init__(self, databases: Databases, rows: int) -> None:
        """`rows`: of each run; the last batch may be shorter."""
        self._databases = databases
        self._rows = charge_rows(rows)

    async def prepare(self) -> None:
        await self._databases.make_migrated(_TEMPLATE)

    async def rows_per_s(self, batch: int) -> float:
        """Into a fresh table, as the service's own was when its first rows came."""
        url = await self._databases.make(_TARGET, template=_TEMPLATE)
        connection = await asyncpg.connect(url)
        try:
            begin = time.perf_counter()
            for start in range(0, len(self._rows), batch):
                await connection.copy_records_to_table(
                    "entries",
                    schema_name="cell_00",
                    columns=("position", *COLUMNS),
                    records=self._rows[start : start + batch],
                )
            return len(self._rows) / (time.perf_counter() - begin)
        finally:
            await connection.close()


def charge_rows(count: int) -> list[tuple[Any, ...]]:
    """Charges with keys, seller after seller, as asyncpg takes them fastest; `position` first."""
    rows = []
    for seller in range(SELLERS):
        seller_id, admin_id = str(uuid.UUID(int=2 * seller + 2)), str(uuid.UUID(int=1))
        account = Account(seller_id)
        now_us = 1_750_000_000_000_000
        _happen(account, Open("USD"), now_us)
        _happen(account, Adjust(Caller(admin_id, True), 10**12, "credit", "to sell"), now_us)
        for number in range(count * seller // SELLERS, count * (seller + 1) // SELLERS):
            now_us += 10
            caller = Caller(seller_id, False, f"bench-{number}", number.to_bytes(16))
            charge = Charge(caller, f"+98912{number % 10**7:07d}", 100 + number % 900)
            rows.append((number + 1, *_values(_happen(account, charge, now_us))))
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
