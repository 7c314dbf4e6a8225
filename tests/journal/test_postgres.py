"""The store in Postgres where it meets what only a real server does: lost connections, locks, warnings, plans."""

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any, Final, TypeVar

import asyncpg
import msgspec
import pytest

from journal.embedded import EmbeddedPostgres
from journal.embedded.layout import APP_ROLE
from journal.flush_statement import FLUSH, FLUSH_SETTINGS
from journal.migrate import migrate
from journal.postgres import PENDING_CHARGES, PENDING_REQUESTS, SEQS_OF_KEYS, PostgresStore
from journal.service_role import SERVICE_ROLE
from journal.store import LEASE_TTL_MAX_S, EpochLost, JournalUnavailable, OutcomeUnknown
from tests.conftest import Database
from tests.journal.test_store import OTHER, SELLER, Writer, lead

T = TypeVar("T")
TTL_S: Final = 60.0
BLOCKED_WITHIN_S: Final = 20.0


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(database.owner_url)
    yield connection
    await connection.close()


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Any]:
    pool = await asyncpg.create_pool(database.app_url, min_size=1, max_size=4, server_settings={"role": SERVICE_ROLE})
    yield pool
    pool.terminate()


async def blocked_flush(observer: Any) -> int:
    """The backend whose flush waits for the lease row."""
    return await blocked(observer, "WITH fence")


async def blocked(observer: Any, statement: str) -> int:
    """The backend that waits for a lock with such a statement; a TimeoutError where none does, as without a fence."""
    async with asyncio.timeout(BLOCKED_WITHIN_S):
        while True:
            waiting = await observer.fetchval(
                "SELECT pid FROM pg_stat_activity WHERE strpos(query, $1) > 0 AND wait_event_type = 'Lock'"
                " AND datname = current_database() AND pid <> pg_backend_pid()",
                statement,
            )
            if waiting is not None:
                return int(waiting)
            await asyncio.sleep(0)


async def test_a_connection_lost_in_mid_flush_leaves_the_outcome_unknown(
    database: Database, pool: Any, owner: Any
) -> None:
    store = PostgresStore(database.app_url, pool)
    lease = await lead(store)
    other = await asyncpg.connect(database.owner_url)
    async with owner.transaction():
        await owner.execute("SELECT FROM cell_00.lease FOR UPDATE")
        flush = asyncio.ensure_future(store.flush(lease.epoch, Writer().batch()))
        await other.execute("SELECT pg_terminate_backend($1)", await blocked_flush(other))
        with pytest.raises(OutcomeUnknown):
            await flush
    assert await store.load(SELLER) is None
    with pytest.raises(JournalUnavailable):
        await store.flush(lease.epoch, Writer().batch())
    raised = await store.raise_epoch(lease.epoch, 60.0)
    assert raised is not None
    assert await store.flush(raised.epoch, Writer().batch()) == []
    await other.close()
    await store.close()


@pytest.mark.parametrize("is_flush_first", [True, False])
async def test_raising_the_epoch_settles_a_flush_that_hangs(
    database: Database, pool: Any, owner: Any, is_flush_first: bool
) -> None:
    """The watchdog ends the connection, not the backend: that one may still commit. After the epoch was raised the
    journal's answer is final, whichever of the two got the row first."""
    store = PostgresStore(database.app_url, pool, flush_timeout_s=0.5)
    lease = await lead(store)
    batch = Writer().batch()
    observer = await asyncpg.connect(database.owner_url)
    transaction = owner.transaction()
    await transaction.start()
    await owner.execute("SELECT FROM cell_00.lease FOR UPDATE")
    flush = asyncio.ensure_future(store.flush(lease.epoch, batch))
    hanging = await blocked_flush(observer)
    with pytest.raises(OutcomeUnknown):
        await flush
    assert await observer.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", hanging) == 1
    if not is_flush_first:
        await observer.execute("SELECT pg_terminate_backend($1, 5000)", hanging)
    raising = asyncio.ensure_future(store.raise_epoch(lease.epoch, 60.0))
    # In the queue for the row, which is granted in order: without that, whoever comes in the moment of the COMMIT wins.
    await blocked(observer, "UPDATE cell_00.lease SET epoch")
    await transaction.commit()
    raised = await raising
    assert raised is not None
    assert (await store.load(SELLER) is not None) == is_flush_first
    assert raised.last_position == (len(batch.entries) if is_flush_first else 0)
    await observer.close()
    await store.close()


async def test_a_lease_of_a_clock_that_was_set_back_does_not_outlive_its_owner(
    database: Database, pool: Any, owner: Any
) -> None:
    """Who waits makes it end when the longest of all leases would; an owner that lives renews it as before."""
    first, second = PostgresStore(database.app_url, pool), PostgresStore(database.app_url, pool)
    lease = await lead(first)
    left_s = "SELECT extract(epoch FROM expires_at - clock_timestamp())::float FROM cell_00.lease"
    for is_renewed in (True, False):
        await owner.execute("UPDATE cell_00.lease SET expires_at = clock_timestamp() + interval '2 days'")
        assert await second.acquire("the second", TTL_S, is_former_owner_dead=False) is None
        assert TTL_S < await owner.fetchval(left_s) <= LEASE_TTL_MAX_S
        if is_renewed:
            assert await first.renew(lease.epoch, TTL_S) is not None
            assert await second.acquire("the second", TTL_S, is_former_owner_dead=False) is None
            assert await owner.fetchval(left_s) <= TTL_S
    for store in (first, second):
        await store.close()


async def test_a_zombie_that_waited_for_the_lease_row_writes_nothing(database: Database, pool: Any, owner: Any) -> None:
    """The flush took its snapshot under the old epoch, and must see the new one once it gets the row."""
    store = PostgresStore(database.app_url, pool)
    lease = await lead(store)
    observer = await asyncpg.connect(database.owner_url)
    async with owner.transaction():
        await owner.execute("UPDATE cell_00.lease SET epoch = epoch + 1, owner = 'successor'")
        flush = asyncio.ensure_future(store.flush(lease.epoch, Writer().batch()))
        await blocked_flush(observer)
    with pytest.raises(EpochLost):
        await flush
    assert await store.load(SELLER) is None
    await observer.close()
    await store.close()


@pytest.mark.parametrize("is_told", [True, False])
async def test_the_flush_reads_by_index_even_when_planned_on_an_empty_journal(
    database: Database, owner: Any, is_told: bool
) -> None:
    """To a planner that knows the table to be empty, reading all of it looks cheapest, and it keeps that plan. The
    connection's settings are what prevents it: without them (`is_told` false) the trap is there."""
    await owner.execute("VACUUM ANALYZE cell_00.entries")
    connection = await asyncpg.connect(database.owner_url, server_settings=FLUSH_SETTINGS if is_told else None)
    statement = re.sub(r"\$\d+(?=::)", "'[]'", FLUSH.replace("{projections}", "").replace("{cell}", "cell_00"))
    plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {re.sub(r'[$][12]', '1', statement)}"))
    assert ("Seq Scan on entries" not in plan) == is_told
    assert ("entries_idempotency_key" in plan) == is_told
    await connection.close()


async def test_the_keys_of_a_large_batch_are_found_one_by_one(database: Database, owner: Any) -> None:
    """To a planner that sees thousands of keys at once, reading every entry of the seller and joining looks cheaper."""
    await owner.execute(
        "INSERT INTO cell_00.entries (seller_id, seq, position, at_us, amount, held_change, available_after,"
        " held_after, credit_limit, by_admin, type, idempotency_key, request_hash, hash)"
        " SELECT $1, n, n, n, 0, 0, 0, 0, 0, false, 'opened', 'key-' || n, $2, $3 FROM generate_series(1, 20000) n",
        SELLER,
        bytes(16),
        bytes(32),
    )
    await owner.execute("ANALYZE cell_00.entries")
    statement = SEQS_OF_KEYS.replace("{cell}", "cell_00")
    keys = [f"key-{n}" for n in range(10_000)]
    plan = "\n".join(row[0] for row in await owner.fetch(f"EXPLAIN {statement}", SELLER, [False] * len(keys), keys))
    assert "entries_idempotency_key" in plan, plan
    assert "Scan on entries" not in plan, plan


async def test_what_is_pending_is_loaded_at_a_cost_independent_of_history(owner: Any) -> None:
    """One plan serves all sellers. To a planner whose sellers have hardly more entries than what is pending of them,
    reading all entries of a seller and joining looks cheaper; this one's has a thousand times as many."""
    await owner.execute(
        "INSERT INTO cell_00.entries (seller_id, seq, position, at_us, amount, held_change, available_after,"
        " held_after, credit_limit, by_admin, type, hash)"
        " SELECT lpad(seller::text, 32, '0')::uuid, seq, row_number() OVER (), 1, 0, 0, 0, 0, 0, false, 'declined', $1"
        " FROM generate_series(0, 500) seller, generate_series(1, CASE seller WHEN 0 THEN 20000 ELSE 40 END) seq",
        bytes(32),
    )
    await owner.execute(
        "INSERT INTO cell_00.charges SELECT seller_id, seq, seller_id, 'pending', 1, 0, 1, seq FROM cell_00.entries"
        " WHERE seq BETWEEN 6 AND 40 AND seller_id <> $1 OR seq > 19980",
        uuid.UUID(int=0),
    )
    await owner.execute(
        "INSERT INTO cell_00.credit_requests"
        " SELECT seller_id, seq, seller_id, 'pending', 1, NULL, 1, '[]', NULL, NULL, NULL, seq FROM cell_00.charges"
    )
    await owner.execute("ANALYZE cell_00.entries, cell_00.charges, cell_00.credit_requests")
    await owner.execute("SET plan_cache_mode = force_generic_plan")
    for name, statement in (("charges", PENDING_CHARGES), ("requests", PENDING_REQUESTS)):
        await owner.execute(f"PREPARE {name} (uuid) AS {statement.replace('{cell}', 'cell_00')}")
        text = await owner.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE {name} ('{uuid.UUID(int=0)}')")
        plan = msgspec.json.decode(text)[0]["Plan"]
        assert plan["Actual Rows"] == 20
        assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 20 * 10, text


async def test_while_nobody_sells_no_transaction_is_open(database: Database, pool: Any, owner: Any) -> None:
    """The server would end it with its connection when its time is over, and keep every dead row until then."""
    store = PostgresStore(database.app_url, pool)
    await lead(store)
    opened = await owner.fetch(
        "SELECT query FROM pg_stat_activity"
        " WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()"
    )
    assert opened == []
    await store.close()


@pytest.mark.parametrize(("limit", "value"), [("lock_timeout", "20ms"), ("transaction_timeout", "1s")])
async def test_a_time_limit_of_an_operator_is_the_database_being_away(
    database: Database, owner: Any, limit: str, value: str
) -> None:
    """Not a bug that ends the service: behind a locked table, renewals of the lease and reads are tried again."""
    await owner.execute(f"ALTER DATABASE {database.name} SET {limit} = '{value}'")
    async with asyncpg.create_pool(database.app_url, min_size=1, server_settings={"role": SERVICE_ROLE}) as pool:
        store = PostgresStore(database.app_url, pool)
        lease = await lead(store)
        async with owner.transaction():
            await owner.execute("LOCK TABLE cell_00.lease, cell_00.entries")
            with pytest.raises(JournalUnavailable):
                await store.renew(lease.epoch, TTL_S)
            with pytest.raises(JournalUnavailable):
                await store.load(SELLER)
        assert await store.renew(lease.epoch, TTL_S) is not None
        await store.close()


async def test_a_time_limit_of_an_operator_does_not_end_a_flush(database: Database, pool: Any, owner: Any) -> None:
    """It has its own. A flush that waits for its lock would be refused, and be sent again for each seller in turn."""
    await owner.execute(f"ALTER DATABASE {database.name} SET lock_timeout = '20ms'")
    await owner.execute(f"ALTER DATABASE {database.name} SET statement_timeout = '1s'")
    store = PostgresStore(database.app_url, pool)
    lease = await lead(store)
    observer = await asyncpg.connect(database.owner_url, server_settings={"statement_timeout": "0"})
    async with owner.transaction():
        await owner.execute("SELECT FROM cell_00.lease FOR UPDATE")
        flush = asyncio.ensure_future(store.flush(lease.epoch, Writer().batch()))
        waiting = await blocked_flush(observer)
        is_over = "SELECT clock_timestamp() > query_start + interval '1.2 s' FROM pg_stat_activity WHERE pid = $1"
        while not await observer.fetchval(is_over, waiting):
            await asyncio.sleep(0.05)
        assert not flush.done()
    assert await flush == []
    await observer.close()
    await store.close()


async def test_the_lease_is_renewed_while_all_that_can_be_loaded_at_once_is(
    database: Database, pool: Any, owner: Any
) -> None:
    """After a start thousands of sellers are loaded, and the lease would run out behind them."""
    store = PostgresStore(database.app_url, pool)
    lease = await lead(store)
    async with asyncio.timeout(20):
        async with owner.transaction():
            await owner.execute("LOCK TABLE cell_00.entries")
            loads = [asyncio.ensure_future(store.load(seller_id)) for seller_id in (SELLER, OTHER) * 10]
            await asyncio.sleep(0)  # They have begun, and whoever comes now comes behind them.
            assert await store.renew(lease.epoch, TTL_S) is not None
        assert await asyncio.gather(*loads) == [None] * 20
    await store.close()


@pytest.mark.parametrize(("table", "waiting_for_it"), [("entries", "max(position)"), ("charges", "WITH fence")])
async def test_leading_does_not_wait_for_a_table_for_ever(
    database: Database, pool: Any, owner: Any, table: str, waiting_for_it: str
) -> None:
    """A table may be locked when the connection is made. The attempt ends in time, and leaves no backend behind in the
    queue for the lock; the next attempt finds the table free."""
    store = PostgresStore(database.app_url, pool, flush_timeout_s=1.0)
    observer = await asyncpg.connect(database.owner_url)
    async with asyncio.timeout(20), owner.transaction():
        await owner.execute(f"LOCK TABLE cell_00.{table}")
        taking = asyncio.ensure_future(store.acquire("one", TTL_S, is_former_owner_dead=False))
        await blocked(observer, waiting_for_it)
        with pytest.raises(JournalUnavailable):
            await taking
        waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        while await observer.fetch(waiting):
            await asyncio.sleep(0)
    lease = await lead(store)
    assert await store.flush(lease.epoch, Writer().batch()) == []
    await observer.close()
    await store.close()


async def test_who_begins_to_lead_keeps_nobody_from_the_lease(database: Database, pool: Any, owner: Any) -> None:
    """It may be stopped between two messages for as long as it likes. What it reads of the journal afterwards may be
    another's, and it leads no more."""
    store = PostgresStore(database.app_url, pool)
    observer = await asyncpg.connect(database.owner_url, server_settings={"lock_timeout": "1s"})
    async with owner.transaction():
        await owner.execute("LOCK TABLE cell_00.entries")
        taking = asyncio.ensure_future(store.acquire("one", TTL_S, is_former_owner_dead=False))
        await blocked(observer, "max(position)")
        await observer.execute("UPDATE cell_00.lease SET epoch = epoch + 1, owner = 'successor'")
    assert await taking is None
    await observer.close()
    await store.close()


async def test_a_cancellation_stays_one_though_its_connection_cannot_be_given_back(
    database: Database, pool: Any, owner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the database does not answer any more: else whoever is cancelled would go on."""
    store = PostgresStore(database.app_url, pool)

    async def unanswered(*_: object, **__: object) -> None:
        raise TimeoutError

    async with owner.transaction():
        await owner.execute("LOCK TABLE cell_00.charges")
        observer = await asyncpg.connect(database.owner_url)
        asking = asyncio.create_task(store.sellers_with_expired_holds(0, 1))
        await blocked(observer, "expires_at_us <= $1")
        monkeypatch.setattr(asyncpg.Pool, "release", unanswered)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await observer.close()


async def test_the_service_role_cannot_change_the_journal(database: Database, pool: Any, owner: Any) -> None:
    store = PostgresStore(database.app_url, pool)
    lease = await lead(store)
    await store.flush(lease.epoch, Writer().batch())
    for statement in (
        "UPDATE cell_00.entries SET amount = 1",
        "DELETE FROM cell_00.entries",
        "TRUNCATE cell_00.entries",
        "ALTER TABLE cell_00.entries DISABLE TRIGGER ALL",
        "DROP TRIGGER entries_are_immutable ON cell_00.entries",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute(statement)
        # The owner is stopped by the trigger, until it removes the trigger.
        if statement.startswith(("UPDATE", "DELETE", "TRUNCATE")):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="can only be appended to"):
                await owner.execute(statement)
    await store.close()


async def test_a_commit_that_warns_is_not_an_acknowledgement(tmp_path: Path) -> None:
    """A wait for a synchronous replica that is cut short ends in success with a warning: durable here, not there.
    It is heard though an operator wants no warnings."""
    server = EmbeddedPostgres(tmp_path / "data", settings={"shared_buffers": "32MB"})
    await server.start()
    try:
        await migrate(server.owner_url, app_user=APP_ROLE)
        owner = await asyncpg.connect(server.owner_url)
        await owner.execute("SET synchronous_commit = local")
        await owner.execute("ALTER DATABASE charge_shop SET client_min_messages = error")
        pool = await asyncpg.create_pool(server.app_url, min_size=1, max_size=2, server_settings={"role": SERVICE_ROLE})
        store = PostgresStore(server.app_url, pool)
        lease = await lead(store)

        async def is_replicated_to(names: str) -> None:
            await owner.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
            await owner.execute("SELECT pg_reload_conf()")
            while await owner.fetchval("SHOW synchronous_standby_names") != names:
                await asyncio.sleep(0)
            # The checkpointer tells the others whether to wait; it reads the settings before it writes a checkpoint.
            await owner.execute("CHECKPOINT")

        async def cut_short(wait: Awaitable[T]) -> T:
            task = asyncio.ensure_future(wait)
            cancel = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
            while not task.done() and await owner.fetchval(cancel) is None:
                await asyncio.sleep(0)
            return await task

        await is_replicated_to("nobody")
        with pytest.raises(OutcomeUnknown):
            await cut_short(store.flush(lease.epoch, Writer(OTHER).batch()))
        assert await store.load(OTHER) is not None
        # Nor does an epoch say what became of it that is no more durable itself.
        with pytest.raises(JournalUnavailable):
            await cut_short(store.raise_epoch(lease.epoch, TTL_S))
        await is_replicated_to("")
        assert await store.raise_epoch(lease.epoch, TTL_S) is not None
        await is_replicated_to("nobody")
        with pytest.raises(JournalUnavailable):
            await cut_short(store.acquire("another", TTL_S, is_former_owner_dead=True))
        await is_replicated_to("")
        await store.close()
        pool.terminate()
        await owner.close()
    finally:
        await server.stop()
