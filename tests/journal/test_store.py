"""What every store must keep, in memory and in Postgres alike: these tests run on both."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from msgspec.structs import replace

from actors.account import Account, Rules, apply, decide
from actors.commands import (
    Adjust,
    Caller,
    Capture,
    Charge,
    Command,
    DecideCredit,
    Open,
    Refund,
    Refusal,
    RequestCredit,
)
from journal.entry import Entry
from journal.memory import MemoryDatabase, MemoryStore
from journal.postgres import PostgresStore
from journal.projections import ChargeStatus, CreditRequestStatus, OpenedCharge, OpenedRequest, Row
from journal.restores import confirm_restores, record_restore
from journal.service_role import SERVICE_ROLE
from journal.store import Batch, EpochLost, FlushRefused, KnownKey, Lease, Renewal, Store
from tests.conftest import Database

SELLER = "0192f3c4-5678-7abc-8def-0123456789ab"
OTHER = "0192f3c4-5678-7abc-8def-0123456789ac"
ADMIN = "0192f3c4-5678-7abc-8def-00000000000a"
SECOND = 1_000_000


@dataclass
class World:
    """A database, and stores on it as different instances have them."""

    store: Store
    connect: Callable[[], Awaitable[Store]]
    let_the_lease_lapse: Callable[[], Awaitable[None]]
    freeze: Callable[[], Awaitable[object]]
    unfreeze: Callable[[], Awaitable[object]]


@pytest.fixture(params=["memory", "postgres"])
async def world(request: pytest.FixtureRequest, database: Database) -> AsyncIterator[World]:
    if request.param == "memory":
        tables = MemoryDatabase()

        async def another() -> Store:
            return MemoryStore(tables, lambda: 0.0)

        async def lapse() -> None:
            tables.expires_at_s = -1.0

        async def freeze() -> None:
            tables.freeze()

        async def unfreeze() -> None:
            tables.unfreeze()

        yield World(await another(), another, lapse, freeze, unfreeze)
        return

    pool = await asyncpg.create_pool(database.app_url, min_size=1, max_size=4, server_settings={"role": SERVICE_ROLE})
    stores: list[PostgresStore] = []

    async def connect() -> Store:
        stores.append(PostgresStore(database.app_url, pool))
        return stores[-1]

    async def let_lapse() -> None:
        await pool.execute("UPDATE cell_00.lease SET expires_at = clock_timestamp() - interval '1 ms'")

    yield World(
        await connect(),
        connect,
        let_lapse,
        lambda: record_restore(database.owner_url, by="operator"),
        lambda: confirm_restores(database.owner_url, by="operator"),
    )
    for store in stores:
        await store.close()
    await pool.close()


async def lead(store: Store, owner: str = "one") -> Lease:
    lease = await store.acquire(owner, 60.0, is_former_owner_dead=False)
    assert lease is not None
    return lease


class Writer:
    """Decides commands and gathers what they write, as the actor and the committer do."""

    def __init__(self, seller_id: str = SELLER) -> None:
        self.account = Account(seller_id)
        self.entries: list[Entry] = []
        self.rows: dict[Any, Row] = {}
        self.do(Open("USD"))

    def do(self, command: Command) -> Entry:
        decision = decide(self.account, command, SECOND, Rules())
        assert not isinstance(decision, Refusal)
        for entry in decision:
            row = apply(self.account, entry)
            self.entries.append(entry)
            if row is not None:
                self.rows[type(row), getattr(row, "seq", 0)] = row
        return decision[-1]

    def credit(self, amount: int, key: str | None = None) -> Entry:
        caller = Caller(ADMIN, True, key, b"h" * 16 if key else None)
        return self.do(Adjust(caller, amount, "credit", "ünïcode \u2028 'quoted\" \\ \x01"))

    def charge(self, amount: int, key: str | None = None, **more: Any) -> Entry:
        caller = Caller(self.account.seller_id, False, key, b"h" * 16 if key else None)
        return self.do(Charge(caller, "+15550100001", amount, **more))

    def batch(self, first_position: int = 1) -> Batch:
        entries, self.entries = self.entries, []
        rows, self.rows = self.rows, {}
        return Batch(first_position, entries, list(rows.values()))


async def test_what_was_flushed_is_loaded_as_it_was(world: World) -> None:
    lease = await lead(world.store)
    writer = Writer()
    writer.credit(1_000)
    writer.charge(10, "key", reference="order 1", metadata='{"a":"b"}')
    hold = writer.charge(20, expires_in_s=60)
    asked = writer.do(RequestCredit(Caller(SELLER, False), 500, "please"))
    batch = writer.batch()
    assert await world.store.flush(lease.epoch, batch) == []

    snapshot = await world.store.load(SELLER)
    assert snapshot is not None
    assert snapshot.last == batch.entries[-1]
    assert (snapshot.account.currency, snapshot.account.is_suspended) == ("USD", False)
    assert snapshot.holds == [writer.account.charges[hold.id]]
    assert snapshot.requests == [writer.account.requests[asked.id]]
    for position, entry in enumerate(batch.entries, 1):
        recorded = (await world.store.recorded(SELLER, [entry.seq, 99]))[entry.seq]
        assert (recorded.entry, recorded.position) == (entry, position)


async def test_a_row_is_kept_up_to_its_last_entry(world: World) -> None:
    lease = await lead(world.store)
    writer = Writer()
    writer.credit(1_000)
    hold = writer.charge(20, expires_in_s=60)
    asked = writer.do(RequestCredit(Caller(SELLER, False), 500))
    first = writer.batch()
    await world.store.flush(lease.epoch, first)
    writer.do(Capture(Caller(SELLER, False), hold.id, 15))
    writer.do(Refund(Caller(ADMIN, True), hold.id, 5, "half"))
    writer.do(DecideCredit(Caller(ADMIN, True), asked.id, "approve", "fine"))
    await world.store.flush(lease.epoch, writer.batch(len(first.entries) + 1))

    charge = await world.store.load_charge(SELLER, hold.id)
    assert charge == OpenedCharge(writer.account.charges[hold.id].row, hold)
    assert charge.row.status is ChargeStatus.PARTIALLY_REFUNDED
    request = await world.store.load_request(SELLER, asked.id)
    assert request == OpenedRequest(writer.account.requests[asked.id].row, asked)
    assert request.row.status is CreditRequestStatus.APPROVED
    snapshot = await world.store.load(SELLER)
    assert snapshot is not None
    assert (snapshot.holds, snapshot.requests) == ([], [])


async def test_a_charge_without_a_row_is_found_as_what_it_is(world: World) -> None:
    lease = await lead(world.store)
    writer = Writer()
    writer.credit(10)
    sold = writer.charge(10)
    declined = writer.charge(10)
    credit = writer.credit(1)
    await world.store.flush(lease.epoch, writer.batch())
    for entry, status in ((sold, ChargeStatus.COMPLETED), (declined, ChargeStatus.FAILED)):
        charge = await world.store.load_charge(SELLER, entry.id)
        assert charge is not None
        assert (charge.row.status, charge.opening) == (status, entry)
    assert await world.store.load_charge(SELLER, credit.id) is None
    assert await world.store.load_charge(OTHER, sold.id) is None
    assert await world.store.load_request(SELLER, sold.id) is None


async def test_a_known_key_writes_nothing_of_the_batch(world: World) -> None:
    lease = await lead(world.store)
    writer, other = Writer(), Writer(OTHER)
    writer.credit(100)
    first = writer.charge(1, "key")
    batch = writer.batch()
    await world.store.flush(lease.epoch, batch)

    writer.charge(1)
    writer.charge(1, "key", expires_in_s=60)
    both = Batch(4, [*other.batch().entries, *writer.entries], list(writer.rows.values()))
    assert await world.store.flush(lease.epoch, both) == [KnownKey(2, first.seq)]
    assert await world.store.load(OTHER) is None
    snapshot = await world.store.load(SELLER)
    assert snapshot is not None
    assert (snapshot.last.seq, snapshot.holds) == (3, [])


async def test_a_key_belongs_to_one_side_of_one_seller(world: World) -> None:
    lease = await lead(world.store)
    writer, other = Writer(), Writer(OTHER)
    credit = writer.credit(100, "key")
    sold = writer.charge(1, "key")
    batch = writer.batch()
    assert await world.store.flush(lease.epoch, batch) == []
    other.credit(100, "key")
    assert await world.store.flush(lease.epoch, other.batch(len(batch.entries) + 1)) == []
    keys = [(True, "key"), (True, "free"), (False, "key")]
    assert await world.store.seqs_of_keys(SELLER, keys) == {(True, "key"): credit.seq, (False, "key"): sold.seq}
    assert await world.store.seqs_of_keys(SELLER, keys[:2]) == {(True, "key"): credit.seq}
    assert await world.store.seqs_of_keys(OTHER, [(False, "key")]) == {}


async def test_a_former_epoch_writes_nothing(world: World) -> None:
    former = await lead(world.store)
    await world.let_the_lease_lapse()
    successor = await world.connect()
    current = await lead(successor, "two")
    assert current.epoch > former.epoch
    writer = Writer()
    batch = writer.batch()
    with pytest.raises(EpochLost):
        await world.store.flush(former.epoch, batch)
    assert await successor.load(SELLER) is None
    assert await successor.flush(current.epoch, batch) == []


async def test_a_lease_is_taken_only_when_it_lapsed_or_its_owner_is_dead(world: World) -> None:
    first = await lead(world.store)
    successor = await world.connect()
    assert await successor.acquire("two", 60.0, is_former_owner_dead=False) is None
    assert await world.store.renew(first.epoch, 60.0) == Renewal(is_frozen=False)
    second = await successor.acquire("two", 60.0, is_former_owner_dead=True)
    assert second is not None
    assert not await world.store.renew(first.epoch, 60.0)
    assert await world.store.raise_epoch(first.epoch, 60.0) is None


async def test_a_lease_that_was_taken_again_is_not_renewed_with_the_epoch_of_before(world: World) -> None:
    """By a statement of its owner that came late, after somebody else may have had it and written."""
    first = await lead(world.store)
    again = await world.store.acquire("one", 60.0, is_former_owner_dead=False)
    assert again is not None
    assert await world.store.renew(first.epoch, 60.0) is None
    assert await world.store.renew(again.epoch, 60.0) == Renewal(is_frozen=False)


async def test_a_lease_given_back_is_free_at_once(world: World) -> None:
    await lead(world.store)
    await world.store.release()
    successor = await world.connect()
    assert await successor.acquire("two", 60.0, is_former_owner_dead=False) is not None


async def test_raising_the_epoch_shuts_out_what_was_sent_before(world: World) -> None:
    lease = await lead(world.store)
    raised = await world.store.raise_epoch(lease.epoch, 60.0)
    assert raised is not None
    assert raised.epoch > lease.epoch
    writer = Writer()
    batch = writer.batch()
    with pytest.raises(EpochLost):
        await world.store.flush(lease.epoch, batch)
    assert await world.store.flush(raised.epoch, batch) == []
    again = await world.store.raise_epoch(raised.epoch, 60.0)
    assert again is not None
    assert again.last_position == len(batch.entries)


async def test_raising_an_epoch_again_answers_the_same(world: World) -> None:
    """The first answer may have been lost, and the first statement may arrive after the second."""
    lease = await lead(world.store)
    raised = await world.store.raise_epoch(lease.epoch, 60.0)
    assert await world.store.raise_epoch(lease.epoch, 60.0) == raised


async def test_an_epoch_is_not_raised_once_somebody_else_may_have_written(world: World) -> None:
    """Though the lease is ours again, by a statement of ours that came late."""
    lease = await lead(world.store)
    await world.let_the_lease_lapse()
    await lead(await world.connect(), "two")
    await world.let_the_lease_lapse()
    again = await world.store.acquire("one", 60.0, is_former_owner_dead=False)
    assert again is not None
    assert await world.store.raise_epoch(lease.epoch, 60.0) is None
    assert await world.store.raise_epoch(again.epoch, 60.0) is not None


async def test_a_restored_journal_is_taken_from_its_owner_and_takes_no_entries_until_it_is_confirmed(
    world: World,
) -> None:
    former = await lead(world.store)
    writer = Writer()
    batch = writer.batch()
    await world.freeze()
    assert await world.store.renew(former.epoch, 60.0) is None
    assert await world.store.raise_epoch(former.epoch, 60.0) is None
    with pytest.raises(EpochLost):
        await world.store.flush(former.epoch, batch)

    successor = await world.connect()
    # The former owner may not have heard of it, and answers reads until its lease runs out.
    assert await successor.acquire("two", 60.0, is_former_owner_dead=False) is None
    await world.let_the_lease_lapse()
    frozen = await lead(successor, "two")
    assert frozen.is_frozen
    assert frozen.epoch > former.epoch
    with pytest.raises(EpochLost):
        await successor.flush(frozen.epoch, batch)
    assert await successor.renew(frozen.epoch, 60.0) == Renewal(is_frozen=True)
    raised = await successor.raise_epoch(frozen.epoch, 60.0)
    assert raised is not None
    assert raised.is_frozen

    await world.unfreeze()
    assert await successor.renew(raised.epoch, 60.0) == Renewal(is_frozen=False)
    assert await successor.flush(raised.epoch, batch) == []


async def test_who_never_got_the_lease_cannot_give_back_that_of_a_restored_journal(world: World) -> None:
    """It belongs to nobody then, but its former owner answers reads until it runs out."""
    lease = await lead(world.store)
    await world.freeze()
    stranger, refused = await world.connect(), await world.connect()
    assert await refused.acquire("two", 60.0, is_former_owner_dead=False) is None
    for store in (stranger, refused):
        assert await store.renew(lease.epoch, 60.0) is None
        await store.release()
    assert await refused.acquire("two", 60.0, is_former_owner_dead=False) is None


async def test_what_breaks_a_constraint_is_refused_as_a_whole(world: World) -> None:
    lease = await lead(world.store)
    writer = Writer()
    writer.credit(10)
    entries = writer.batch().entries
    with pytest.raises(FlushRefused):
        await world.store.flush(lease.epoch, Batch(1, [entries[0], entries[0]], []))
    overdrawn = replace(entries[1], available_after=-1)
    with pytest.raises(FlushRefused):
        await world.store.flush(lease.epoch, Batch(1, [entries[0], overdrawn], []))
    assert await world.store.load(SELLER) is None
    assert await world.store.flush(lease.epoch, Batch(1, entries, [])) == []


async def test_sellers_with_expired_holds_are_found_by_time(world: World) -> None:
    lease = await lead(world.store)
    writer = Writer()
    writer.credit(100)
    writer.charge(1, expires_in_s=10)
    await world.store.flush(lease.epoch, writer.batch())
    assert await world.store.sellers_with_expired_holds(11 * SECOND - 1, 10) == []
    assert await world.store.sellers_with_expired_holds(11 * SECOND, 10) == [SELLER]

    writer.charge(1, expires_in_s=11)
    other = Writer(OTHER)
    other.credit(100)
    other.charge(1, expires_in_s=12)
    await world.store.flush(lease.epoch, writer.batch(4))
    await world.store.flush(lease.epoch, other.batch(5))
    assert await world.store.sellers_with_expired_holds(13 * SECOND, 2) == [SELLER]
    assert sorted(await world.store.sellers_with_expired_holds(13 * SECOND, 3)) == [SELLER, OTHER]
    assert await world.store.sellers_with_expired_holds(13 * SECOND, 1, [SELLER]) == [OTHER]
    assert await world.store.sellers_with_expired_holds(13 * SECOND, 1, [SELLER, OTHER]) == []


async def test_more_than_a_statement_carries_is_written_as_a_whole_or_not_at_all(world: World) -> None:
    lease = await lead(world.store)
    writer, other = Writer(), Writer(OTHER)
    writer.credit(10_000)
    for n in range(2_500):
        writer.charge(1, f"key {n}", expires_in_s=60 if n % 3 == 0 else None)
    batch = writer.batch()
    assert await world.store.flush(lease.epoch, batch) == []
    snapshot = await world.store.load(SELLER)
    assert snapshot is not None
    assert snapshot.last == batch.entries[-1]
    assert len(snapshot.holds) == 834

    other.credit(10_000)
    for n in range(2_500):
        other.charge(1, f"other {n}")
    for n in (1, 2_000):
        writer.charge(1, f"key {n}")
    both = [*other.entries[:1_200], *writer.entries, *other.entries[1_200:]]
    known = await world.store.flush(lease.epoch, Batch(len(batch.entries) + 1, both, list(other.rows.values())))
    assert known == [KnownKey(1_200, 4), KnownKey(1_201, 2_003)]
    assert await world.store.load(OTHER) is None
    entries = other.batch().entries
    assert await world.store.flush(lease.epoch, Batch(len(batch.entries) + 1, entries, [])) == []
    last = (await world.store.recorded(OTHER, [entries[-1].seq]))[entries[-1].seq]
    assert (last.entry, last.position) == (entries[-1], len(batch.entries) + len(entries))
