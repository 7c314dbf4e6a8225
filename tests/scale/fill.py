"""Fills a data directory with a shop: entries by the real rules, and everything that the service derives from them.

As an operator loads a lot: no indexes meanwhile, COPY, a process for each processor. Each process has a market of its
own and takes turns with the others: the n-th chunk of entries is made by process n modulo their number.
"""

import asyncio
import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any, Final

import asyncpg
import msgspec
from msgspec import Struct

from journal.embedded import APP_ROLE, EmbeddedPostgres
from journal.migrate import migrate
from service.identity.passwords import Passwords
from tests.processes.running import PASSWORD
from tests.scale.indexes import drop_indexes, make_again
from tests.scale.market import Market, Plan, Seller, admins_of, seller_of
from tests.scale.tables import (
    ACCOUNT_COLUMNS,
    CELL_TABLES,
    CHARGE_COLUMNS,
    ENTRY_COLUMNS,
    REQUEST_COLUMNS,
    SELLER_COLUMNS,
    SHOP_TABLES,
    USER_COLUMNS,
    account_line,
    admin_line,
    charge_line,
    entries_text,
    request_line,
    seller_line,
    user_line,
)

CHUNK_MAX: Final = 20_000
LINES: Final = 20_000
ENTRIES_PER_SELLER_MIN: Final = 4
"""To open, to get credit, and to sell something."""
POLL_S: Final = 0.2
# Of the load alone: the next start of the server has the shop's own settings again.
LOAD_SETTINGS: Final = {"max_wal_size": "16GB", "maintenance_work_mem": "1GB", "checkpoint_timeout": "1h"}


class Filled(Struct, frozen=True):
    """What a data directory holds, written next to it when all is done."""

    plan: Plan
    seconds: float
    entries_per_s: float
    """Of the load; indexes are not in it."""
    index_seconds: float

    @property
    def big_seller(self) -> str:
        return seller_of(self.plan, 0).id


class CannotFill(Exception):
    """The text says why."""


OnProgress = Callable[[str, int, int], None]
"""Told what is done now, how much of it has been, and how much there is."""


def filled(folder: Path) -> Filled | None:
    """What was filled before, to the end. Raises CannotFill for what was not."""
    note = folder / "filled.json"
    if note.exists():
        return msgspec.json.decode(note.read_bytes(), type=Filled)
    if (folder / "data").exists():
        raise CannotFill(f"{folder} holds a shop that was not filled to the end: remove it, or give another --data-dir")
    return None


async def fill(folder: Path, plan: Plan, on_progress: OnProgress, *, workers: int | None = None) -> Filled:
    """Raises CannotFill."""
    if plan.entries < ENTRIES_PER_SELLER_MIN * plan.sellers + plan.big:
        raise CannotFill(
            f"{plan.sellers:,} sellers, one of them with {plan.big:,} entries, take more entries than that"
        )
    workers = workers or os.cpu_count() or 1
    folder.mkdir(parents=True, exist_ok=True)
    server = EmbeddedPostgres(folder / "data", settings=LOAD_SETTINGS)
    await server.start()
    try:
        await migrate(server.owner_url, app_user=APP_ROLE)
        owner = await asyncpg.connect(server.owner_url)
        begin = time.monotonic()
        dropped = await drop_indexes(owner, CELL_TABLES + SHOP_TABLES)
        password_hash = await _hashed(PASSWORD)
        await _copy_lines(owner, "shop.users", USER_COLUMNS, admins_of(plan), admin_line(password_hash))
        await _load(
            server.owner_url, plan, workers, password_hash, lambda done: on_progress("entries", done, plan.entries)
        )
        loaded = time.monotonic()
        made = iter(range(1, len(dropped.statements) + 1))
        await make_again(owner, dropped, lambda: on_progress("indexes", next(made), len(dropped.statements)))
        await owner.execute("VACUUM ANALYZE")
        await owner.execute("CHECKPOINT")
        await owner.close()
        end = time.monotonic()
    finally:
        await server.stop()
    result = Filled(plan, end - begin, plan.entries / (loaded - begin), end - loaded)
    (folder / "filled.json").write_bytes(msgspec.json.encode(result))
    return result


async def _hashed(password: str) -> str:
    passwords = Passwords()
    try:
        return await passwords.hash(password)
    finally:
        passwords.close()


async def _load(url: str, plan: Plan, workers: int, password_hash: str, on_progress: Callable[[int], None]) -> None:
    context = multiprocessing.get_context("spawn")
    done = context.Value("q", 0)
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_share, initargs=(done,)) as pool:
        parts = [pool.submit(_fill_part, url, plan, number, workers, password_hash) for number in range(workers)]
        while not all(part.done() for part in parts):
            on_progress(done.value)
            await asyncio.sleep(POLL_S)
        on_progress(done.value)
        for part in parts:
            part.result()


# --- in a process of its own ----------------------------------------------------------------------------------

_done: "Synchronized[int]"


def _share(done: "Synchronized[int]") -> None:
    global _done
    _done = done


def _fill_part(url: str, plan: Plan, number: int, of: int, password_hash: str) -> None:
    asyncio.run(_write_part(url, plan, number, of, password_hash))


async def _write_part(url: str, plan: Plan, number: int, of: int, password_hash: str) -> None:
    connection = await asyncpg.connect(url, server_settings={"synchronous_commit": "off"})
    market = Market(plan, number, of)
    for first, size in _chunks(plan, of)[number::of]:
        entries = market.chunk(size, _time_of(plan, first), _time_of(plan, first + size))
        await _copy(connection, "cell_00.entries", ENTRY_COLUMNS, entries_text(entries, first + 1))
        with _done.get_lock():
            _done.value += size
    accounts, charges, requests = market.rows()
    await _copy_lines(connection, "cell_00.accounts", ACCOUNT_COLUMNS, accounts, account_line)
    await _copy_lines(connection, "cell_00.charges", CHARGE_COLUMNS, charges, charge_line)
    await _copy_lines(connection, "cell_00.credit_requests", REQUEST_COLUMNS, requests, request_line)
    sellers: Sequence[Seller] = [seller_of(plan, each) for each in range(number, plan.sellers, of)]
    await _copy_lines(connection, "shop.users", USER_COLUMNS, sellers, user_line(password_hash))
    await _copy_lines(connection, "shop.sellers", SELLER_COLUMNS, sellers, seller_line)
    await connection.close()


def _chunks(plan: Plan, of: int) -> list[tuple[int, int]]:
    """Each with how many entries come before it, and its size; at least a few for everyone."""
    size = min(CHUNK_MAX, -(-plan.entries // (10 * of)))
    return [(first, min(size, plan.entries - first)) for first in range(0, plan.entries, size)]


def _time_of(plan: Plan, entries: int) -> int:
    return plan.from_us + (plan.until_us - plan.from_us) * entries // plan.entries


async def _copy_lines(
    connection: Any, table: str, columns: str, rows: Sequence[Any], line: Callable[[Any], str]
) -> None:
    for start in range(0, len(rows), LINES):
        await _copy(connection, table, columns, "".join(map(line, rows[start : start + LINES])).encode())


async def _copy(connection: Any, table: str, columns: str, text: bytes) -> None:
    schema, name = table.split(".")

    async def source() -> Any:
        yield text

    await connection.copy_to_table(name, schema_name=schema, columns=columns.split(", "), source=source())
