"""The journal in Postgres: one schema per cell, one dedicated connection for the flush, a small pool for the rest.

The flush is one statement (`journal.flush_statement`) in a transaction of its own; one that is too large for it is
several in one transaction.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, Final

import asyncpg
import msgspec

from journal.connections import CONNECTION_FAULTS, borrowed
from journal.entry import Entry
from journal.flush_statement import FLUSH, FLUSH_SETTINGS, PROJECTIONS, TRANSACTION_TIMEOUT
from journal.ids import seq_of
from journal.projections import (
    AccountRow,
    ChargeRow,
    CreditRequestRow,
    OpenedCharge,
    OpenedRequest,
    Row,
    unwritten_charge,
)
from journal.rows import (
    CHARGE_COLUMNS,
    ENTRY_COLUMNS,
    POSITION,
    PREVIOUS_HASH,
    REQUEST_COLUMNS,
    charge_of,
    entry_of,
    request_of,
)
from journal.service_role import SERVICE_ROLE
from journal.store import (
    LEASE_TTL_MAX_S,
    Batch,
    EpochLost,
    FlushRefused,
    JournalUnavailable,
    KeyOfSide,
    KnownKey,
    Lease,
    OutcomeUnknown,
    Recorded,
    Renewal,
    Snapshot,
)

FLUSH_TIMEOUT_S: Final = 10.0
"""After this long without an answer the watchdog ends the connection. Nothing is ever cancelled."""
TRANSACTION_GRACE_S: Final = 2.0
"""So much later the server ends the transaction, should the watchdog be stopped along with its process."""

LEASE_CONNECTIONS: Final = 2
"""Of the pool, kept for the lease and for what became of a flush: neither must wait behind thousands of accounts that
are loaded after a start, or the lease runs out meanwhile."""

STATEMENT_ENTRIES_MAX: Final = 1_000
"""Entries that one statement carries: some 20 ms of the database's time."""

# As for the flush (see FLUSH_SETTINGS). The pool takes it back.
HEAR_WARNINGS: Final = "SET client_min_messages = warning"
# A lease is granted by the database's clock alone.
ACQUIRE: Final = """
UPDATE {cell}.lease SET epoch = epoch + 1, owner = $1, expires_at = clock_timestamp() + make_interval(secs => $2)
WHERE expires_at < clock_timestamp() OR owner = $1 OR $3
RETURNING epoch, is_frozen"""
# No lease is that long: the clock has been set back since it was granted. If its owner lives, it renews it; if not,
# nobody would take over until the clock has come as far again.
SHORTEN: Final = """
UPDATE {cell}.lease SET expires_at = clock_timestamp() + make_interval(secs => $1)
WHERE expires_at > clock_timestamp() + make_interval(secs => $1)"""
RENEW: Final = """
UPDATE {cell}.lease SET expires_at = clock_timestamp() + make_interval(secs => $3)
WHERE owner = $1 AND epoch = $2
RETURNING is_frozen"""
# To a definite value: whoever else takes the lease raises the epoch too, so it proves that nobody has, also when it is
# sent again because its first answer was lost.
RAISE_EPOCH: Final = """
UPDATE {cell}.lease SET epoch = $2::bigint + 1, expires_at = clock_timestamp() + make_interval(secs => $3)
WHERE owner = $1 AND epoch IN ($2::bigint, $2::bigint + 1)
RETURNING epoch, is_frozen"""
# Without an owner: a renewal of ours that is still on its way finds nothing to prolong.
RELEASE: Final = "UPDATE {cell}.lease SET expires_at = '-infinity', owner = NULL WHERE owner = $1"
# As of one moment with the epoch: while that is ours nobody else has written.
LAST_POSITION: Final = """
SELECT (SELECT coalesce(max(position), 0) FROM {cell}.entries) FROM {cell}.lease WHERE epoch = $1"""

LAST_ENTRY: Final = f"""
SELECT {ENTRY_COLUMNS}, {PREVIOUS_HASH}, a.currency, a.is_suspended, a.credit_limit
FROM {{cell}}.entries e JOIN {{cell}}.accounts a USING (seller_id)
WHERE e.seller_id = $1 ORDER BY e.seq DESC LIMIT 1"""
ENTRY_BY_SEQ: Final = (
    f"SELECT {ENTRY_COLUMNS}, {PREVIOUS_HASH} FROM {{cell}}.entries e WHERE e.seller_id = $1 AND e.seq = $2"
)
# One probe for each of what is pending: the LIMIT keeps the planner from joining it with all entries of the seller,
# which looks cheaper where most sellers have few. The first plans are made for one seller each, later ones for all.
PENDING_CHARGES: Final = f"""
SELECT {CHARGE_COLUMNS}, {ENTRY_COLUMNS}, {PREVIOUS_HASH}
FROM {{cell}}.charges c CROSS JOIN LATERAL (
    SELECT * FROM {{cell}}.entries e WHERE e.seller_id = c.seller_id AND e.seq = c.seq LIMIT 1) e
WHERE c.seller_id = $1 AND c.status = 'pending'"""
PENDING_REQUESTS: Final = f"""
SELECT {REQUEST_COLUMNS}, {ENTRY_COLUMNS}, {PREVIOUS_HASH}
FROM {{cell}}.credit_requests r CROSS JOIN LATERAL (
    SELECT * FROM {{cell}}.entries e WHERE e.seller_id = r.seller_id AND e.seq = r.seq LIMIT 1) e
WHERE r.seller_id = $1 AND r.status = 'pending'"""
CHARGE_BY_SEQ: Final = f"SELECT {CHARGE_COLUMNS} FROM {{cell}}.charges c WHERE c.seller_id = $1 AND c.seq = $2"
REQUEST_BY_SEQ: Final = (
    f"SELECT {REQUEST_COLUMNS} FROM {{cell}}.credit_requests r WHERE r.seller_id = $1 AND r.seq = $2"
)
ENTRIES_BY_SEQ: Final = f"""
SELECT {ENTRY_COLUMNS}, {PREVIOUS_HASH} FROM {{cell}}.entries e WHERE e.seller_id = $1 AND e.seq = ANY($2::bigint[])"""
# One probe of the index per key: the LIMIT keeps the planner from joining thousands of them with the whole journal.
SEQS_OF_KEYS: Final = """
SELECT k.by_admin, k.key, e.seq FROM unnest($2::boolean[], $3::text[]) AS k (by_admin, key) CROSS JOIN LATERAL (
    SELECT e.seq FROM {cell}.entries e
    WHERE e.seller_id = $1 AND e.idempotency_key = k.key AND e.by_admin = k.by_admin LIMIT 1) e"""
EXPIRED: Final = """
SELECT DISTINCT seller_id::text FROM (
    SELECT seller_id FROM {cell}.charges WHERE status = 'pending' AND expires_at_us <= $1 AND seller_id <> ALL($3)
    ORDER BY expires_at_us LIMIT $2) due"""

_CHARGE_WIDTH: Final = 8
_REQUEST_WIDTH: Final = 12


class PostgresStore:
    """Implements `journal.store.Store` on the schema `cell`. `pool` is shared, and is the caller's to close."""

    def __init__(
        self, url: str, pool: asyncpg.Pool, *, cell: str = "cell_00", flush_timeout_s: float = FLUSH_TIMEOUT_S
    ) -> None:
        self._url = url
        self._pool = pool
        self._cell = cell
        self._flush_timeout_s = flush_timeout_s
        self._loads = asyncio.Semaphore(max(1, pool.get_max_size() - LEASE_CONNECTIONS))
        self._owner = ""
        self._connection: asyncpg.Connection | None = None
        self._flush_entries: Any = None
        self._flush_all: Any = None
        self._was_warned = False
        self.on_lost: Callable[[], None] = lambda: None

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    # --- lease ---

    async def acquire(self, owner: str, ttl_s: float, *, is_former_owner_dead: bool) -> Lease | None:
        assert ttl_s <= LEASE_TTL_MAX_S
        self._owner = owner
        lease = await self._lead(ACQUIRE, owner, ttl_s, is_former_owner_dead)
        if lease is not None:
            return lease
        async with self._borrowed() as connection:
            await connection.execute(self._sql(SHORTEN), LEASE_TTL_MAX_S)
        return None

    async def renew(self, epoch: int, ttl_s: float) -> Renewal | None:
        async with self._borrowed() as connection:
            is_frozen = await connection.fetchval(self._sql(RENEW), self._owner, epoch, ttl_s)
        return None if is_frozen is None else Renewal(is_frozen)

    async def release(self) -> None:
        async with self._borrowed() as connection:
            await connection.execute(self._sql(RELEASE), self._owner)

    async def raise_epoch(self, epoch: int, ttl_s: float) -> Lease | None:
        """The UPDATE queues behind an unresolved flush, which holds the row; a flush that comes later finds
        another epoch."""
        return await self._lead(RAISE_EPOCH, self._owner, epoch, ttl_s)

    async def _lead(self, statement: str, *arguments: object) -> Lease | None:
        """The lease, if the statement takes or raises it, and a connection for the flush.

        No transaction keeps the lease's row locked between two messages: a process that is stopped there would keep
        everybody else from leading. So the last position is read afterwards, and only while the epoch is still ours.
        A COMMIT with a warning does not count: the new epoch says what became of an unresolved flush only if it is
        durable itself."""
        warnings: list[Any] = []

        def hear(connection: Any, message: Any) -> None:
            if message.severity_en == "WARNING":
                warnings.append(message)

        async with self._borrowed() as connection:
            connection.add_log_listener(hear)
            try:
                async with asyncio.timeout(self._flush_timeout_s):
                    await connection.execute(HEAR_WARNINGS)
                    row = await connection.fetchrow(self._sql(statement), *arguments)
                    if row is None:
                        return None
                    last_position = await connection.fetchval(self._sql(LAST_POSITION), row["epoch"])
            finally:
                with suppress(asyncpg.InterfaceError):  # It was closed, and listens to nobody any more.
                    connection.remove_log_listener(hear)
        if last_position is None:
            return None
        if warnings:
            raise JournalUnavailable(f"the COMMIT came with a warning: {warnings[0].message}")
        await self._connect()
        return Lease(row["epoch"], last_position, row["is_frozen"])

    async def _connect(self) -> None:
        await self.close()
        try:
            connection = await asyncpg.connect(
                self._url,
                server_settings={"role": SERVICE_ROLE, **FLUSH_SETTINGS},
                timeout=self._flush_timeout_s,
            )
            try:
                # Unlike a flush this may be cancelled, and has to be: it waits for as long as a table is locked, or for
                # ever if the network is gone, while renewals keep every standby from taking over.
                async with asyncio.timeout(self._flush_timeout_s):
                    await self._prepare(connection)
            except BaseException:
                # Closed, not terminated: the server is told to cancel what it still waits for, or each attempt would
                # leave a backend behind.
                with suppress(asyncpg.PostgresError, *CONNECTION_FAULTS):
                    await connection.close(timeout=self._flush_timeout_s)
                raise
        except CONNECTION_FAULTS as fault:
            raise JournalUnavailable(f"{type(fault).__name__}: {fault}") from fault
        self._connection = connection

    async def _prepare(self, connection: Any) -> None:
        connection.add_log_listener(self._on_notice)
        connection.add_termination_listener(self._lost)
        self._flush_entries = await connection.prepare(self._sql(FLUSH.replace("{projections}", "")))
        self._flush_all = await connection.prepare(self._sql(FLUSH.replace("{projections}", PROJECTIONS)))
        # After them: asyncpg prepares without a Sync, so the server is left within a transaction, whose time would run
        # out while nobody sells. The next statement that is executed ends it.
        timeout_ms = int(1_000 * (self._flush_timeout_s + TRANSACTION_GRACE_S))
        await connection.fetch(TRANSACTION_TIMEOUT, str(timeout_ms))

    @property
    def is_connected(self) -> bool:
        return self._connection is not None and not self._connection.is_closed()

    def _lost(self, connection: Any) -> None:
        if connection is self._connection:
            self.on_lost()

    def _on_notice(self, connection: Any, message: Any) -> None:
        """A COMMIT that answers with a warning (a wait for a replica was cut short) is not known to be durable."""
        if message.severity_en == "WARNING":
            self._was_warned = True

    # --- flush ---

    async def flush(self, epoch: int, batch: Batch) -> list[KnownKey]:
        connection = self._connection
        if connection is None or connection.is_closed():
            raise JournalUnavailable("there is no connection to the database")
        self._was_warned = False
        watchdog = asyncio.get_running_loop().call_later(self._flush_timeout_s, connection.terminate)
        try:
            if len(batch.entries) <= STATEMENT_ENTRIES_MAX:
                known = await self._write(epoch, batch)
            else:
                known = await self._write_in_parts(connection, epoch, batch)
        except asyncpg.PostgresError as fault:
            # An ERROR rolled the statement back; anything graver may have hit after its COMMIT.
            if getattr(fault, "severity_en", "FATAL") != "ERROR" or connection.is_closed():
                raise OutcomeUnknown(str(fault)) from fault
            raise FlushRefused(f"{type(fault).__name__}: {fault}") from fault
        except CONNECTION_FAULTS as fault:
            raise OutcomeUnknown(str(fault)) from fault
        finally:
            watchdog.cancel()
        if self._was_warned:
            raise OutcomeUnknown("the COMMIT came with a warning")
        return known

    async def _write(self, epoch: int, batch: Batch) -> list[KnownKey]:
        """The flush statement. Raises EpochLost."""
        arguments = [_encode(batch.entries)]
        statement = self._flush_entries
        if batch.rows:
            statement = self._flush_all
            arguments += [_encode([row for row in batch.rows if isinstance(row, kind)]) for kind in PROJECTED]
        fenced, indexes, seqs = await statement.fetchrow(epoch, batch.first_position, *arguments)
        if fenced is None:
            raise EpochLost
        return [KnownKey(n - 1, seq) for n, seq in zip(indexes, seqs, strict=True)] if indexes else []

    async def _write_in_parts(self, connection: Any, epoch: int, batch: Batch) -> list[KnownKey]:
        """For a batch too large for one statement: several statements in one transaction."""
        known: list[KnownKey] = []
        transaction = connection.transaction()
        await transaction.start()
        try:
            for start in range(0, max(len(batch.entries), len(batch.rows)), STATEMENT_ENTRIES_MAX):
                end = start + STATEMENT_ENTRIES_MAX
                part = Batch(batch.first_position + start, batch.entries[start:end], batch.rows[start:end])
                known += [KnownKey(start + each.index, each.seq) for each in await self._write(epoch, part)]
        except BaseException:
            if not connection.is_closed():
                await transaction.rollback()
            raise
        await (transaction.rollback() if known else transaction.commit())
        return known

    # --- load ---

    async def load(self, seller_id: str) -> Snapshot | None:
        # One snapshot: another owner may be writing meanwhile, and this one may not know of it yet.
        async with (
            self._loading() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            row = await connection.fetchrow(self._sql(LAST_ENTRY), seller_id)
            if row is None:
                return None
            holds = await connection.fetch(self._sql(PENDING_CHARGES), seller_id)
            requests = await connection.fetch(self._sql(PENDING_REQUESTS), seller_id)
        return Snapshot(
            account=AccountRow(seller_id, row["currency"], row["is_suspended"], row["credit_limit"]),
            last=entry_of(row, row["previous_hash"]),
            holds=[
                OpenedCharge(charge_of(each), entry_of(each[_CHARGE_WIDTH:], each["previous_hash"])) for each in holds
            ],
            requests=[
                OpenedRequest(request_of(each), entry_of(each[_REQUEST_WIDTH:], each["previous_hash"]))
                for each in requests
            ],
        )

    async def load_charge(self, seller_id: str, charge_id: str) -> OpenedCharge | None:
        async with self._loading() as connection:
            opening = await self._entry(connection, seller_id, charge_id)
            if opening is None:
                return None
            row = await connection.fetchrow(self._sql(CHARGE_BY_SEQ), seller_id, opening.seq)
        charge = unwritten_charge(opening) if row is None else charge_of(row)
        return None if charge is None else OpenedCharge(charge, opening)

    async def load_request(self, seller_id: str, request_id: str) -> OpenedRequest | None:
        async with self._loading() as connection:
            opening = await self._entry(connection, seller_id, request_id)
            if opening is None:
                return None
            row = await connection.fetchrow(self._sql(REQUEST_BY_SEQ), seller_id, opening.seq)
        return None if row is None else OpenedRequest(request_of(row), opening)

    async def recorded(self, seller_id: str, seqs: Sequence[int]) -> dict[int, Recorded]:
        async with self._loading() as connection:
            rows = await connection.fetch(self._sql(ENTRIES_BY_SEQ), seller_id, seqs)
            entries = [(entry_of(row, row["previous_hash"]), row[POSITION]) for row in rows]
            subjects = {entry.subject_id for entry, _ in entries if entry.subject_id is not None}
            openings = {}
            if subjects:
                rows = await connection.fetch(self._sql(ENTRIES_BY_SEQ), seller_id, [*map(seq_of, subjects)])
                openings = {opening.id: opening for opening in (entry_of(row, row["previous_hash"]) for row in rows)}
        return {
            entry.seq: Recorded(entry, position, openings.get(entry.subject_id or "")) for entry, position in entries
        }

    async def seqs_of_keys(self, seller_id: str, keys: Sequence[KeyOfSide]) -> dict[KeyOfSide, int]:
        sides, texts = [by_admin for by_admin, _ in keys], [text for _, text in keys]
        async with self._loading() as connection:
            rows = await connection.fetch(self._sql(SEQS_OF_KEYS), seller_id, sides, texts)
        return {(by_admin, text): seq for by_admin, text, seq in rows}

    async def sellers_with_expired_holds(self, now_us: int, limit: int, but_not: Sequence[str] = ()) -> list[str]:
        async with self._loading() as connection:
            return [row[0] for row in await connection.fetch(self._sql(EXPIRED), now_us, limit, but_not)]

    async def _entry(self, connection: Any, seller_id: str, entry_id: str) -> Entry | None:
        row = await connection.fetchrow(self._sql(ENTRY_BY_SEQ), seller_id, seq_of(entry_id))
        entry = None if row is None else entry_of(row, row["previous_hash"])
        return entry if entry is not None and entry.id == entry_id else None

    @asynccontextmanager
    async def _loading(self) -> AsyncIterator[Any]:
        try:
            async with asyncio.timeout(self._flush_timeout_s):
                await self._loads.acquire()
        except TimeoutError as fault:
            raise JournalUnavailable("too many wait for a connection to the database") from fault
        try:
            async with self._borrowed() as connection:
                yield connection
        finally:
            self._loads.release()

    def _borrowed(self) -> AbstractAsyncContextManager[Any]:
        return borrowed(self._pool, self._flush_timeout_s)

    def _sql(self, statement: str) -> str:
        return statement.replace("{cell}", self._cell)


PROJECTED: Final = (AccountRow, ChargeRow, CreditRequestRow)
"""The kinds of rows, in the order of the parameters of `PROJECTIONS`."""


def _encode(rows: Sequence[Entry | Row]) -> str:
    """An array of objects with the fields as names; bytes become base64."""
    return msgspec.json.encode(rows).decode()
