"""A journal that was tampered with is found out: as whoever owns the database, change any column of any entry, take
entries out, put some in, exchange them, rewrite what comes after, lie in a projection. `verify` names the seller and
the first bad seq; of an untouched journal it says that nothing is wrong."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from itertools import count, pairwise
from typing import Any

import asyncpg
import msgspec
import pytest
from msgspec.structs import astuple, replace

from actors.verification import Finding, Progress, verify_journal
from actors.verification.verifier import BEHIND_ALL
from actors.verification.walk import Range, Walk
from actors.verification.workers import COMMAND, Place, walk_in_workers
from journal.chain import seal
from journal.embedded import EmbeddedPostgres
from journal.entry import Entry, EntryType
from journal.postgres import PostgresStore
from journal.projections import AccountRow, ChargeRow, CreditRequestRow
from journal.reader import Head
from journal.reading.audit import auditing
from journal.reading.subjects import ID_MAX, ID_MIN
from journal.restores import confirm_restores, record_restore
from journal.store import Batch, JournalUnavailable, JournalUnreadable
from tests.conftest import Database
from tests.journal.histories import Shop

STRANGER = "0192f3c4-5678-7abc-8def-0123456789ab"
NO_TRIGGER = "ALTER TABLE cell_00.entries DISABLE TRIGGER USER"
NO_CONSTRAINTS = """
DO $$ DECLARE name text; BEGIN
    FOR name IN SELECT conname FROM pg_constraint WHERE conrelid = 'cell_00.entries'::regclass AND contype = 'c' LOOP
        EXECUTE format('ALTER TABLE cell_00.entries DROP CONSTRAINT %I', name);
    END LOOP;
    FOR name IN SELECT attname FROM pg_attribute WHERE attrelid = 'cell_00.entries'::regclass AND attnotnull
        AND attnum > 0 AND attname NOT IN ('seller_id', 'seq') LOOP
        EXECUTE format('ALTER TABLE cell_00.entries ALTER COLUMN %I DROP NOT NULL', name);
    END LOOP;
END $$"""

_numbers = count(1)


@pytest.fixture(scope="module")
def shop() -> Shop:
    return Shop(seed=11, sellers=5).play(1200)


@pytest.fixture(scope="module")
def written(postgres: EmbeddedPostgres, migrated_template: str, shop: Shop) -> Iterator[str]:
    """The name of a database that holds the shop, to be copied."""

    async def make() -> None:
        await execute(postgres, f'CREATE DATABASE verified TEMPLATE "{migrated_template}"')
        async with asyncpg.create_pool(postgres.url("owner", "verified"), min_size=1, max_size=1) as pool:
            await shop.write(postgres.url("app", "verified"), pool)

    asyncio.run(make())
    yield "verified"
    asyncio.run(execute(postgres, "DROP DATABASE verified WITH (FORCE)"))


@pytest.fixture
async def database(postgres: EmbeddedPostgres, written: str) -> AsyncIterator[Database]:
    """A copy of the shop's database, to tamper with."""
    name = f"tampered_{next(_numbers)}"
    await execute(postgres, f"CREATE DATABASE {name} TEMPLATE {written}")
    yield Database(name, postgres.url("owner", name), postgres.url("app", name))
    await execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[Any]:
    """Somebody who may do everything, and has made sure that nothing stops him."""
    connection = await asyncpg.connect(database.owner_url)
    await connection.execute(NO_TRIGGER)
    await connection.execute(NO_CONSTRAINTS)
    yield connection
    await connection.close()


async def execute(postgres: EmbeddedPostgres, statement: str) -> None:
    connection = await asyncpg.connect(postgres.url("owner", "postgres"))
    await connection.execute(statement)
    await connection.close()


async def first_bad(database: Database, **options: Any) -> Finding | None:
    return (await verify_journal(database.app_url, **options)).first_bad


def exported(shop: Shop) -> list[Head]:
    return [Head(account.seller_id, account.seq, account.last_hash) for account in shop.accounts]


def some(shop: Shop, type_: EntryType, seller_id: str | None = None) -> Entry:
    """One of its type with others of its seller before and after it."""
    found = [e for e in shop.entries if e.type is type_ and seller_id in (None, e.seller_id)]
    return found[len(found) // 2]


def followed(shop: Shop, entry: Entry) -> Entry:
    """The entry, in the right place of the chain: after the last of its seller."""
    last = shop.of(entry.seller_id)[-1]
    return seal(
        replace(
            entry,
            seq=last.seq + 1,
            at_us=last.at_us,
            available_after=last.available_after + entry.amount,
            held_after=last.held_after + entry.held_change,
            credit_limit=last.credit_limit,
            previous_hash=last.hash,
        )
    )


async def insert(owner: Any, entry: Entry, position: int) -> None:
    values = list(astuple(entry))
    del values[Entry.__struct_fields__.index("previous_hash")]
    await owner.copy_records_to_table(
        "entries",
        schema_name="cell_00",
        columns=[*(name for name in Entry.__struct_fields__ if name != "previous_hash"), "position"],
        records=[(*values, position)],
    )


async def rewrite(owner: Any, entry: Entry) -> None:
    """Puts the entry in the place of the one that is there."""
    names = [name for name in Entry.__struct_fields__ if name not in ("seller_id", "seq", "previous_hash")]
    columns = ", ".join(f"{name} = ${n}" for n, name in enumerate(names, 3))
    values = [getattr(entry, name) for name in names]
    await owner.execute(
        f"UPDATE cell_00.entries SET {columns} WHERE seller_id = $1 AND seq = $2", entry.seller_id, entry.seq, *values
    )


# --- nothing wrong ----------------------------------------------------------------------------------------


async def test_what_the_rules_wrote_is_what_it_should_be(shop: Shop, database: Database) -> None:
    told: list[Progress] = []
    result = await verify_journal(database.app_url, heads=exported(shop), on_progress=told.append)
    assert result == Progress(5, 5, len(shop.entries), None)
    assert told[0] == Progress(0, 5, 0, None)


async def test_one_seller_alone_can_be_verified(shop: Shop, database: Database) -> None:
    seller_id = shop.sellers[2]
    result = await verify_journal(database.app_url, seller_id=seller_id, heads=exported(shop))
    assert result == Progress(1, 1, len(shop.of(seller_id)), None)


async def test_an_empty_journal_is_what_it_should_be(postgres: EmbeddedPostgres, migrated_template: str) -> None:
    await execute(postgres, f'CREATE DATABASE nothing_yet TEMPLATE "{migrated_template}"')
    assert await verify_journal(postgres.url("app", "nothing_yet")) == Progress(0, 0, 0, None)
    assert await verify_journal(postgres.url("app", "nothing_yet"), seller_id=STRANGER) == Progress(0, 0, 0, None)
    await execute(postgres, "DROP DATABASE nothing_yet WITH (FORCE)")


@pytest.mark.parametrize("chunk_entries", [1, 2, 7, 100])
async def test_where_a_chunk_ends_does_not_matter(shop: Shop, database: Database, chunk_entries: int) -> None:
    async with auditing(database.app_url, "cell_00") as audit:
        told: list[tuple[int, int]] = []
        walk = Walk(
            audit, "cell_00", Range(ID_MIN, 0, ID_MAX), lambda *each: told.append(each), chunk_entries=chunk_entries
        )
        assert await walk.run() is None
    assert tuple(map(sum, zip(*told, strict=True))) == (5, len(shop.entries))


@pytest.mark.parametrize("workers", [1, 3])
async def test_worker_processes_find_the_same(shop: Shop, database: Database, owner: Any, workers: int) -> None:
    """The first bad entry is that of the first seller, whoever was faster."""
    whole = await verify_journal(database.app_url, workers=workers)
    assert whole == Progress(5, 5, len(shop.entries), None)
    for seller_id in sorted(shop.sellers)[1:4]:
        await owner.execute(
            "UPDATE cell_00.entries SET amount = amount + 1 WHERE seller_id = $1 AND seq = 3", seller_id
        )
    alone = await first_bad(database)
    assert alone is not None
    assert (alone.seller_id, alone.seq) == (sorted(shop.sellers)[1], 3)
    assert await first_bad(database, workers=workers) == alone


async def test_a_journal_may_grow_while_it_is_verified(shop: Shop, database: Database) -> None:
    """New entries come in between any two chunks, continue what earlier chunks began, and none looks wrong."""
    live = Shop(seed=11, sellers=5).play(1200)
    assert live.entries == shop.entries
    async with asyncpg.create_pool(database.app_url, min_size=1, max_size=1) as pool:
        store = PostgresStore(database.app_url, pool)
        lease = await store.acquire("the test", 60.0, is_former_owner_dead=True)
        assert lease is not None
        async with auditing(database.app_url, "cell_00") as audit:

            async def grow() -> None:
                """One more step of trade in one batch, rows and all, as the committer does it."""
                start = len(live.entries)
                before = dict(live.rows)
                while len(live.entries) == start:
                    live.play(3)
                rows = [row for key, row in live.rows.items() if before.get(key) != row]
                assert await store.flush(lease.epoch, Batch(start + 1, live.entries[start:], rows)) == []

            class Growing(Walk):
                async def _compared(self, replays: Any, ended: Any) -> Finding | None:
                    await grow()
                    return await super()._compared(replays, ended)

            growing = Growing(audit, "cell_00", Range(ID_MIN, 0, ID_MAX), lambda *each: None, chunk_entries=25)
            assert await growing.run() is None
        await store.close()
    assert len(live.entries) > len(shop.entries) + 30
    result = await verify_journal(database.app_url)
    assert result == Progress(5, 5, len(live.entries), None)


# --- entries ----------------------------------------------------------------------------------------------

CHANGES = {
    "seq": "seq + 5000",
    "at_us": "at_us - 1",
    "type": "'credit'",
    "amount": "amount + 1",
    "held_change": "held_change + 1",
    "available_after": "available_after + 1",
    "held_after": "held_after + 1",
    "credit_limit": "credit_limit + 1",
    "made_by": f"'{STRANGER}'",
    "by_admin": "NOT by_admin",
    "subject_id": f"'{STRANGER}'",
    "idempotency_key": "'another key'",
    "request_hash": "decode(md5('other'), 'hex')",
    "phone_number": "'+15550109999'",
    "reference": "'another reference'",
    "reason": "'another reason'",
    "details": """'{"metadata":{"till":"8"}}'""",
    "hash": "sha256('other')",
}


def test_every_column_is_tampered_with() -> None:
    assert {*CHANGES, "seller_id", "position"} == {*Entry.__struct_fields__, "position"} - {"previous_hash"}


async def test_a_changed_column_is_found(shop: Shop, database: Database, owner: Any) -> None:
    keyed = [e for e in shop.entries if e.type is EntryType.CHARGE and e.idempotency_key and e.reference and e.details]
    charge = keyed[len(keyed) // 2]
    for column, set_to in CHANGES.items():
        await expect_found(database, owner, charge, column, set_to)
        if column != "seq" and getattr(charge, column) is not None:
            await expect_found(database, owner, charge, column, "NULL")
    assert await first_bad(database) is None


@pytest.mark.parametrize("column", ["amount", "details", "subject_id", "credit_limit", "type"])
async def test_a_changed_entry_of_any_type_is_found(shop: Shop, database: Database, owner: Any, column: str) -> None:
    set_to = {"details": "'{}'", "type": "'no such type'"}.get(column, CHANGES[column])
    for type_ in EntryType:
        await expect_found(database, owner, some(shop, type_), column, set_to)


async def expect_found(database: Database, owner: Any, entry: Entry, column: str, set_to: str) -> None:
    """Changes a column, sees that it is found, and undoes it."""
    change = f"UPDATE cell_00.entries SET {column} = {set_to} WHERE seller_id = $1 AND seq = $2"
    assert await owner.execute(change, entry.seller_id, entry.seq) == "UPDATE 1"
    finding = await first_bad(database, seller_id=entry.seller_id)
    assert finding is not None, f"{column} = {set_to} in {entry}"
    assert (finding.seller_id, finding.seq) == (entry.seller_id, entry.seq), f"{column} = {set_to}: {finding}"
    if column == "seq":
        await owner.execute("UPDATE cell_00.entries SET seq = $1 WHERE seq > 5000", entry.seq)
    await rewrite(owner, entry)


async def test_an_entry_moved_to_another_seller_is_found(shop: Shop, database: Database, owner: Any) -> None:
    giver, taker = sorted(shop.sellers)[:2]
    await owner.execute(
        "UPDATE cell_00.entries SET seller_id = $2, seq = 5000 WHERE seller_id = $1 AND seq = 4", giver, taker
    )
    finding = await first_bad(database)
    assert finding is not None
    assert (finding.seller_id, finding.seq) == (giver, 4)
    last = len(shop.of(taker))
    finding = await first_bad(database, seller_id=taker)
    assert finding is not None
    assert (finding.seller_id, finding.seq) == (taker, last + 1)


@pytest.mark.parametrize(
    "moved",
    [
        """phone_number = phone_number || '","reference":"' || reference, reference = NULL""",
        """details = '{"reference":"' || reference || '",' || substr(details, 2), reference = NULL""",
        """details = left(details, -1) || ',"idempotency_key":"' || idempotency_key || '","request_hash":"'
            || encode(request_hash, 'hex') || '"}', idempotency_key = NULL, request_hash = NULL""",
    ],
)
async def test_what_is_moved_between_columns_under_the_same_hash_is_found(
    shop: Shop, database: Database, owner: Any, moved: str
) -> None:
    charge = next(
        e
        for e in shop.entries
        if e.type is EntryType.HOLD and e.reference and e.details and '"' not in (e.idempotency_key or '"')
    )
    await owner.execute(
        f"UPDATE cell_00.entries SET {moved} WHERE seller_id = $1 AND seq = $2", charge.seller_id, charge.seq
    )
    finding = await first_bad(database)
    assert finding is not None
    assert (finding.seller_id, finding.seq) == (charge.seller_id, charge.seq)
    assert "hash" not in finding.reason


async def test_a_deleted_entry_is_found(shop: Shop, database: Database, owner: Any) -> None:
    seller_id = shop.sellers[3]
    await owner.execute("DELETE FROM cell_00.entries WHERE seller_id = $1 AND seq = 17", seller_id)
    finding = await first_bad(database)
    assert finding is not None
    assert (finding.seller_id, finding.seq) == (seller_id, 17)
    assert "missing" in finding.reason


async def test_entries_cut_off_the_end_are_found_by_exported_heads(shop: Shop, database: Database, owner: Any) -> None:
    """Of a seller whose last entries left no trace in any projection."""
    seller_id, end = await cut_charges_off_the_end(shop, owner)
    assert await first_bad(database, seller_id=seller_id) is None
    finding = await first_bad(database, heads=exported(shop))
    assert finding is not None
    assert (finding.seller_id, finding.seq) == (seller_id, end)
    assert await first_bad(database, seller_id=seller_id, heads=exported(shop)) == finding


async def test_entries_cut_off_the_end_are_found_by_their_positions(shop: Shop, database: Database, owner: Any) -> None:
    """Without heads it is known that something is gone, and what was written next, but not whose it was."""
    seller_id, end = await cut_charges_off_the_end(shop, owner)
    cut = shop.entries.index(shop.of(seller_id)[end - 1])
    following = next(e for e in shop.entries[cut:] if e.seller_id != seller_id or e.seq < end)
    finding = await first_bad(database)
    assert finding is not None
    assert (finding.seller_id, finding.seq) == (following.seller_id, following.seq)
    assert "position" in finding.reason


async def cut_charges_off_the_end(shop: Shop, owner: Any) -> tuple[str, int]:
    """Whose, and the first seq that is gone."""
    traceless = (EntryType.CHARGE, EntryType.DECLINED, EntryType.ADJUSTMENT)
    ends = [(seller_id, shop.of(seller_id)[-1]) for seller_id in shop.sellers]
    seller_id, last = next(
        (seller_id, last) for seller_id, last in ends if last.type in traceless and last is not shop.entries[-1]
    )
    await owner.execute("DELETE FROM cell_00.entries WHERE seller_id = $1 AND seq = $2", seller_id, last.seq)
    return seller_id, last.seq


async def test_a_journal_that_is_gone_is_found(shop: Shop, database: Database, owner: Any) -> None:
    seller_id = shop.sellers[1]
    await owner.execute("DELETE FROM cell_00.entries WHERE seller_id = $1", seller_id)
    finding = await first_bad(database)
    assert finding is not None
    assert (finding.seller_id, finding.seq) == (seller_id, 1)
    assert await first_bad(database, seller_id=seller_id) == finding
    for table in ("accounts", "charges", "credit_requests"):
        await owner.execute(f"DELETE FROM cell_00.{table} WHERE seller_id = $1", seller_id)
    finding = await first_bad(database, heads=exported(shop))
    assert finding is not None
    assert (finding.seller_id, finding.seq) == (seller_id, 1)
    finding = await first_bad(database)
    assert finding is not None
    assert "position" in finding.reason


async def test_a_rewritten_chain_is_found_by_exported_heads(shop: Shop, database: Database, owner: Any) -> None:
    """Whoever recomputes every hash leaves a journal that is right in itself."""
    seller_id = shop.sellers[0]
    of_seller = shop.of(seller_id)
    changed = some(shop, EntryType.ADJUSTMENT, seller_id)
    previous: Entry | None = None
    for entry in of_seller[changed.seq - 1 :]:
        entry = replace(entry, reason="never happened") if entry is changed else entry
        if previous is not None:
            entry = replace(entry, previous_hash=previous.hash)
        previous = seal(replace(entry))
        await rewrite(owner, previous)
    assert await first_bad(database) is None
    finding = await first_bad(database, heads=exported(shop))
    assert finding == Finding(seller_id, of_seller[-1].seq, "it has another hash than when heads were exported")


async def test_forged_entries_are_found(shop: Shop, database: Database, owner: Any) -> None:
    """Credit out of nothing, in the right place of the chain, of the right form, by an admin's hand."""
    approved = some(shop, EntryType.CREDIT)
    forged = followed(shop, replace(approved, idempotency_key=None, request_hash=None))
    await insert(owner, forged, len(shop.entries) + 1)
    finding = await first_bad(database)
    assert finding == Finding(forged.seller_id, forged.seq, "it decides a credit request that is not pending")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\\nverified: the journal is what it should be", "a\\nverified: the"),
        ("a\\u0000", "a\\x00"),
        ("\\u202e", "\\u202e"),
    ],
)
async def test_a_reason_is_one_line_whatever_it_quotes(
    shop: Shop, database: Database, owner: Any, name: str, shown: str
) -> None:
    """Nobody writes a line of the output, nor what the table of verifications cannot hold."""
    hold = some(shop, EntryType.HOLD)
    forged = seal(replace(hold, details=f'{{"{name}":"x"}}'))
    await rewrite(owner, forged)
    finding = await first_bad(database, seller_id=hold.seller_id)
    assert finding is not None
    assert (finding.seller_id, finding.seq) == (hold.seller_id, hold.seq)
    assert finding.reason.isprintable()
    assert f"`{shown}" in finding.reason


@pytest.mark.parametrize("chunk_entries", [1, 100])
async def test_two_entries_of_one_number_are_found(
    shop: Shop, database: Database, owner: Any, chunk_entries: int
) -> None:
    """Whoever drops the key that forbids it puts a second entry where a chunk ends."""
    seller_id = min(shop.sellers)
    await owner.execute(
        "ALTER TABLE cell_00.entries DROP CONSTRAINT entries_pkey; DROP INDEX cell_00.entries_idempotency_key"
    )
    await owner.execute(
        """CREATE TEMP TABLE second AS SELECT * FROM cell_00.entries WHERE seller_id = $1 AND seq = 100""", seller_id
    )
    await owner.execute("UPDATE second SET position = $1", len(shop.entries) + 1)
    await owner.execute("INSERT INTO cell_00.entries SELECT * FROM second")
    async with auditing(database.app_url, "cell_00") as audit:
        walk = Walk(audit, "cell_00", Range(ID_MIN, 0, ID_MAX), lambda *each: None, chunk_entries=chunk_entries)
        assert await walk.run() == Finding(seller_id, 100, "there are 2 entries of this number")


async def test_a_key_that_was_used_twice_is_found(shop: Shop, database: Database, owner: Any) -> None:
    """Whoever drops the index that forbids it adds an answer to a key that has one."""
    await owner.execute("DROP INDEX cell_00.entries_idempotency_key")
    seller_id = next(account.seller_id for account in shop.accounts if not account.is_suspended)
    used = next(e for e in shop.of(seller_id) if e.type is EntryType.DECLINED and e.idempotency_key)
    again = followed(shop, replace(used, details='{"amount":"9000000000000"}'))
    await insert(owner, again, len(shop.entries) + 1)
    finding = await first_bad(database)
    assert finding == Finding(seller_id, again.seq, "its idempotency key is that of another entry too")


async def test_an_entry_before_the_first_is_found(shop: Shop, database: Database, owner: Any) -> None:
    seller_id = shop.sellers[2]
    await owner.execute(
        """CREATE TEMP TABLE early AS SELECT * FROM cell_00.entries WHERE seller_id = $1 AND seq = 1""", seller_id
    )
    await owner.execute("UPDATE early SET seq = 0, position = $1", len(shop.entries) + 1)
    await owner.execute("INSERT INTO cell_00.entries SELECT * FROM early")
    for options in ({}, {"seller_id": seller_id}):
        finding = await first_bad(database, **options)
        assert finding == Finding(seller_id, 1, "is missing: the next entry that is there is 0")


async def test_exchanged_entries_are_found(shop: Shop, database: Database, owner: Any) -> None:
    seller_id = shop.sellers[2]
    await owner.execute(
        "UPDATE cell_00.entries SET seq = CASE seq WHEN 8 THEN -9 ELSE -8 END WHERE seller_id = $1 AND seq IN (8, 9)",
        seller_id,
    )
    await owner.execute("UPDATE cell_00.entries SET seq = -seq WHERE seller_id = $1 AND seq < 0", seller_id)
    finding = await first_bad(database)
    assert finding is not None
    assert (finding.seller_id, finding.seq) == (seller_id, 8)


async def test_exchanged_positions_within_a_seller_are_found(shop: Shop, database: Database, owner: Any) -> None:
    seller_id = shop.sellers[2]
    one, other = (shop.position_of(entry) for entry in shop.of(seller_id)[7:9])
    for taken, given in ((one, 90_000), (other, one), (90_000, other)):
        await owner.execute("UPDATE cell_00.entries SET position = $2 WHERE position = $1", taken, given)
    finding = await first_bad(database)
    assert finding is not None
    assert (finding.seller_id, finding.seq) == (seller_id, 9)


async def test_one_position_of_two_entries_is_found(shop: Shop, database: Database, owner: Any) -> None:
    """Whoever drops the index that forbids it leaves as many entries as the last position says."""
    await owner.execute("DROP INDEX cell_00.entries_position")
    last_seqs = {seller_id: len(shop.of(seller_id)) for seller_id in shop.sellers}
    moved, following = next(
        (entry, after)
        for entry, after in pairwise(shop.entries)
        if entry.seq == last_seqs[entry.seller_id] and after.seller_id != entry.seller_id
    )
    position = shop.position_of(moved)
    await owner.execute("UPDATE cell_00.entries SET position = $1 + 1 WHERE position = $1", position)
    finding = await first_bad(database)
    assert finding == Finding(
        *min((entry.seller_id, entry.seq) for entry in (moved, following)),
        f"the entry at position {position}, just before it, is missing",
    )


async def test_a_position_of_two_entries_that_leaves_no_gap_is_found(
    shop: Shop, database: Database, owner: Any
) -> None:
    await owner.execute("DROP INDEX cell_00.entries_position")
    pair = next(pair for pair in pairwise(shop.entries) if pair[0].seller_id != pair[1].seller_id)
    position = shop.position_of(pair[0])
    await owner.execute("UPDATE cell_00.entries SET position = position - 1 WHERE position > $1", position)
    finding = await first_bad(database)
    assert finding == Finding(
        *min((entry.seller_id, entry.seq) for entry in pair),
        f"its position {position} is that of another entry too",
    )


async def test_a_position_that_nobody_has_is_found(shop: Shop, database: Database, owner: Any) -> None:
    await owner.execute("UPDATE cell_00.entries SET position = $1 + 1 WHERE position = $1", len(shop.entries))
    finding = await first_bad(database)
    last = shop.entries[-1]
    assert finding is not None
    assert (finding.seller_id, finding.seq) == (last.seller_id, last.seq)


# --- projections and the shop -----------------------------------------------------------------------------

ACCOUNT_CHANGES = {"currency": "'EUR'", "is_suspended": "NOT is_suspended", "credit_limit": "credit_limit + 1"}
CHARGE_CHANGES = {
    "id": f"'{STRANGER}'",
    "status": "CASE status WHEN 'pending' THEN 'voided' ELSE 'pending' END",
    "amount": "amount + 1",
    "refunded": "refunded + 1",
    "expires_at_us": "expires_at_us + 1",
    "last_seq": "last_seq + 1",
}
REQUEST_CHANGES = {
    "id": f"'{STRANGER}'",
    "status": "CASE status WHEN 'pending' THEN 'approved' ELSE 'pending' END",
    "amount": "amount + 1",
    "note": "'another note'",
    "requested_at_us": "requested_at_us + 1",
    "approvals": "'nonsense'",
    "decision_note": "'another note'",
    "decided_by": f"'{STRANGER}'",
    "decided_at_us": "1",
    "last_seq": "last_seq + 1",
}


TABLES: dict[Any, str] = {AccountRow: "accounts", ChargeRow: "charges", CreditRequestRow: "credit_requests"}


async def test_a_changed_row_is_found(shop: Shop, database: Database, owner: Any) -> None:
    rows = list(shop.rows.values())
    held = [row for row in rows if isinstance(row, ChargeRow) and row.expires_at_us is not None]
    asked = [row for row in rows if isinstance(row, CreditRequestRow)]
    account = next(row for row in rows if isinstance(row, AccountRow))
    changes: list[tuple[Any, dict[str, str]]] = [
        (account, ACCOUNT_CHANGES),
        (held[0], CHARGE_CHANGES),
        (next(row for row in held if row.status == "pending"), CHARGE_CHANGES),
        (held[-1], CHARGE_CHANGES | {"status": "'no such status'"}),
        (asked[len(asked) // 2], REQUEST_CHANGES),
    ]
    for row, by_column in changes:
        table = TABLES[type(row)]
        place = f"seller_id = '{row.seller_id}'" + ("" if row is account else f" AND seq = {row.seq}")
        seq = len(shop.of(row.seller_id)) if row is account else row.seq
        await owner.execute(f"CREATE TEMP TABLE kept AS SELECT * FROM cell_00.{table} WHERE {place}")
        for column, set_to in by_column.items():
            await owner.execute(f"UPDATE cell_00.{table} SET {column} = {set_to} WHERE {place}")
            finding = await first_bad(database, seller_id=row.seller_id)
            assert finding is not None, f"{column} = {set_to} in {row}"
            assert (finding.seller_id, finding.seq) == (row.seller_id, seq), f"{column} = {set_to}: {finding}"
            await owner.execute(
                f"DELETE FROM cell_00.{table} WHERE {place}; INSERT INTO cell_00.{table} SELECT * FROM kept"
            )
        await owner.execute("DROP TABLE kept")
    assert await first_bad(database) is None


@pytest.mark.parametrize("kind", [ChargeRow, CreditRequestRow])
async def test_a_row_that_points_to_what_continued_another_is_found(
    shop: Shop, database: Database, owner: Any, kind: type
) -> None:
    """A row may be ahead of the chunk that is compared with it, but by an entry of its own subject alone."""
    rows: list[Any] = [row for row in shop.rows.values() if isinstance(row, kind)]
    row, other = next(
        (row, other)
        for row in rows
        for other in reversed(rows)
        if other.seller_id == row.seller_id
        and other.last_seq > row.last_seq + 1
        and other.last_seq > other.seq > row.seq
    )
    await owner.execute(
        f"""UPDATE cell_00.{TABLES[kind]} SET id = $3, last_seq = $4, amount = amount + 1
            WHERE seller_id = $1 AND seq = $2""",
        row.seller_id,
        row.seq,
        other.id,
        other.last_seq,
    )
    async with auditing(database.app_url, "cell_00") as audit:
        walk = Walk(audit, "cell_00", Range(ID_MIN, 0, ID_MAX), lambda *each: None, chunk_entries=1)
        finding = await walk.run()
    assert finding is not None
    assert (finding.seller_id, finding.seq) == (row.seller_id, row.seq)


@pytest.mark.parametrize("table", ["cell_00.accounts", "shop.sellers"])
async def test_two_rows_of_one_seller_are_found(shop: Shop, database: Database, owner: Any, table: str) -> None:
    """Whoever drops the key that forbids it makes the service load another account, sooner or later."""
    key = "seller_id" if table == "cell_00.accounts" else "id"
    await owner.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table.split('.')[1]}_pkey")
    await owner.execute("DROP INDEX shop.sellers_tag")
    seller_id = shop.sellers[1]
    await owner.execute(f"INSERT INTO {table} SELECT * FROM {table} WHERE {key} = $1", seller_id)
    finding = await first_bad(database)
    assert finding == Finding(seller_id, len(shop.of(seller_id)), "its account, or its seller, has more than one row")


@pytest.mark.parametrize("kind", [AccountRow, ChargeRow, CreditRequestRow])
async def test_a_row_that_is_gone_is_found(shop: Shop, database: Database, owner: Any, kind: type) -> None:
    table = TABLES[kind]
    row: Any = [row for row in shop.rows.values() if isinstance(row, kind)][2]
    condition = "" if kind is AccountRow else f" AND seq = {row.seq}"
    await owner.execute(f"DELETE FROM cell_00.{table} WHERE seller_id = $1{condition}", row.seller_id)
    finding = await first_bad(database)
    assert finding is not None
    assert finding.seller_id == row.seller_id
    if kind is not AccountRow:
        assert finding.seq == row.seq


async def test_a_row_too_many_is_found(shop: Shop, database: Database, owner: Any) -> None:
    """Of a charge that needs none, of one that was declined, and of an entry that is none at all."""
    plain = next(
        e for e in shop.entries if e.type is EntryType.CHARGE and (ChargeRow, e.seller_id, e.seq) not in shop.rows
    )
    declined = some(shop, EntryType.DECLINED)
    copied = """INSERT INTO cell_00.charges (seller_id, seq, id, status, amount, refunded, expires_at_us, last_seq)
        VALUES ($1, $2, $3, 'completed', $4, 0, NULL, $2)"""
    for entry in (plain, declined):
        await owner.execute(copied, entry.seller_id, entry.seq, entry.id, -entry.amount)
        finding = await first_bad(database)
        assert finding is not None
        assert (finding.seller_id, finding.seq) == (entry.seller_id, entry.seq)
        await owner.execute("DELETE FROM cell_00.charges WHERE seller_id = $1 AND seq = $2", entry.seller_id, entry.seq)
    await owner.execute(
        """INSERT INTO cell_00.credit_requests
           SELECT seller_id, 7000, id, status, amount, note, requested_at_us, approvals, decision_note, decided_by,
               decided_at_us, last_seq FROM cell_00.credit_requests WHERE seller_id = $1 LIMIT 1""",
        plain.seller_id,
    )
    finding = await first_bad(database)
    assert finding is not None
    assert (finding.seller_id, finding.seq) == (plain.seller_id, 7000)


@pytest.mark.parametrize("table", ["accounts", "charges", "credit_requests"])
async def test_rows_of_a_seller_without_a_journal_are_found(
    shop: Shop, database: Database, owner: Any, table: str
) -> None:
    await owner.execute(
        f"""CREATE TEMP TABLE stray AS SELECT * FROM cell_00.{table} LIMIT 1;
            UPDATE stray SET seller_id = '{STRANGER}';
            INSERT INTO cell_00.{table} SELECT * FROM stray"""
    )
    for options in ({}, {"seller_id": STRANGER}):
        finding = await first_bad(database, **options)
        assert finding is not None
        assert finding.seller_id == STRANGER


@pytest.mark.parametrize("change", ["DELETE FROM shop.sellers", "UPDATE shop.sellers SET currency = 'EUR'"])
async def test_a_seller_that_the_shop_does_not_know_so_is_found(
    shop: Shop, database: Database, owner: Any, change: str
) -> None:
    await owner.execute(f"{change} WHERE id = $1", shop.sellers[4])
    finding = await first_bad(database)
    assert finding is not None
    assert (finding.seller_id, finding.seq) == (shop.sellers[4], 1)


# --- restores ---------------------------------------------------------------------------------------------


async def test_a_restored_journal_is_what_it_should_be(shop: Shop, database: Database) -> None:
    for _ in range(2):
        await record_restore(database.owner_url, by="the test")
    assert await first_bad(database) is None
    await confirm_restores(database.owner_url, by="the test")
    assert await first_bad(database) is None


async def test_what_was_written_before_a_restore_was_confirmed_is_found(
    shop: Shop, database: Database, owner: Any
) -> None:
    """Somebody thawed the journal by hand, or took the confirmation away."""
    for _ in range(2):
        await record_restore(database.owner_url, by="the test")
    await owner.execute("ALTER TABLE cell_00.restores DISABLE TRIGGER USER")
    await owner.execute("UPDATE cell_00.restores SET last_position = 700 WHERE number = 1")
    written = shop.entries[700]
    reason = "it was written while the journal waited for the confirmation of restore 1"
    assert await first_bad(database) == Finding(written.seller_id, written.seq, reason)
    await confirm_restores(database.owner_url, by="the test")
    assert await first_bad(database) is None


async def test_a_restore_that_is_gone_is_found(shop: Shop, database: Database, owner: Any) -> None:
    for _ in range(3):
        await record_restore(database.owner_url, by="the test")
    await owner.execute("ALTER TABLE cell_00.restores DISABLE TRIGGER USER")
    await owner.execute("DELETE FROM cell_00.restores WHERE number = 2")
    last = shop.entries[-1]
    reason = "restore 2 is missing, which came before restore 3 of the journal up to it"
    assert await first_bad(database) == Finding(last.seller_id, last.seq, reason)


async def test_entries_that_a_restore_still_had_are_missed(shop: Shop, database: Database, owner: Any) -> None:
    """Cut off the end of everything, they have left no gap."""
    await record_restore(database.owner_url, by="the test")
    end = len(shop.entries)
    await owner.execute("ALTER TABLE cell_00.restores DISABLE TRIGGER USER")
    await owner.execute("UPDATE cell_00.restores SET last_position = last_position + 5")
    last = shop.entries[-1]
    reason = f"is the last, at position {end}; restore 1 had entries up to {end + 5}"
    assert await first_bad(database) == Finding(last.seller_id, last.seq, reason)


# --- faults -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 1])
async def test_a_database_that_goes_away_is_no_finding(database: Database, owner: Any, workers: int) -> None:
    """With workers it is they who meet it: they read behind a lock until their connections are cut."""
    if workers == 0:
        with pytest.raises(JournalUnavailable):
            await verify_journal("postgresql:///nowhere?host=/nowhere")
        return
    async with owner.transaction():
        await owner.execute("LOCK TABLE cell_00.entries IN ACCESS EXCLUSIVE MODE")
        verification = asyncio.ensure_future(walk_in_one_worker(database))
        blocked = "SELECT pid FROM pg_locks WHERE NOT granted AND relation = 'cell_00.entries'::regclass"
        while (pid := await owner.fetchval(blocked)) is None:
            await asyncio.sleep(0)
        await owner.execute("SELECT pg_terminate_backend($1)", pid)
        with pytest.raises(JournalUnavailable):
            await verification


async def test_a_worker_whose_parent_is_gone_ends_without_a_word(database: Database) -> None:
    """On what was its parent's terminal, or in its log."""
    theirs, ours = os.pipe()
    worker = await asyncio.create_subprocess_exec(
        *COMMAND, stdin=asyncio.subprocess.PIPE, stdout=ours, stderr=asyncio.subprocess.PIPE
    )
    os.close(ours)
    os.close(theirs)
    asked = (Place(database.app_url, "cell_00"), Range(ID_MIN, 0, ID_MAX))
    _, said = await worker.communicate(b"".join(msgspec.json.encode(each) + b"\n" for each in asked))
    assert (said, worker.returncode) == (b"", 0)


async def test_ctrl_c_is_not_for_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their parent ends them; interrupted as it starts, a worker would tell of it. A terminal sends it to a whole group
    of processes."""
    answer = 'import os; print(\'{"sellers": 0, "is_end": true, "entries": %d}\' % os.getpgrp())'
    monkeypatch.setattr("actors.verification.workers.COMMAND", (sys.executable, "-c", answer))
    groups: list[int] = []
    await walk_in_workers("", "", [Range(ID_MIN, 0, ID_MAX)], 1, lambda _, group: groups.append(group))
    assert len(groups) == 1
    assert groups != [os.getpgrp()]


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE cell_00.charges",
        "ALTER TABLE cell_00.entries DROP COLUMN position",
        "REVOKE SELECT ON cell_00.entries FROM charge_shop_service",
    ],
)
async def test_a_journal_that_cannot_be_read_is_no_finding(
    database: Database, owner: Any, change: str, workers: int
) -> None:
    await owner.execute(change)
    with pytest.raises(JournalUnreadable, match=r"^[^\n]*(charges|position|permission denied)[^\n]*$"):
        await (verify_journal(database.app_url, workers=0) if workers == 0 else walk_in_one_worker(database))


@pytest.mark.parametrize("index", ["entries_pkey", "entries_subject", "entries_idempotency_key", "entries_position"])
async def test_an_entry_that_an_index_has_lost_is_not_passed_over(
    shop: Shop, database: Database, owner: Any, index: str
) -> None:
    """Whoever reads by the index does not meet it, the service and this verification included; sums do."""
    keyed = next(e for e in shop.entries if e.subject_id and e.idempotency_key)
    set_ready = "UPDATE pg_index SET indisready = $1 WHERE indexrelid = $2::text::regclass"
    for is_ready in (False, True):
        await owner.execute(set_ready, is_ready, f"cell_00.{index}")
        if not is_ready:
            other = await asyncpg.connect(database.owner_url)  # What indexes there are is kept by each connection.
            await insert(other, replace(followed(shop, keyed), idempotency_key="another"), len(shop.entries) + 1)
            await other.close()
    with pytest.raises(JournalUnreadable, match=f"the index cell_00.{index} leads to [0-9]+ of [0-9]+ entries"):
        async with auditing(database.app_url, "cell_00") as audit:
            await audit.require_whole_indexes()


async def test_rows_that_a_policy_hides_are_not_passed_over(shop: Shop, database: Database, owner: Any) -> None:
    last = shop.of(shop.sellers[0])[-1]
    await owner.execute(
        f"""ALTER TABLE cell_00.entries ENABLE ROW LEVEL SECURITY;
            CREATE POLICY all_but_one ON cell_00.entries USING (hash <> '\\x{last.hash.hex()}')"""
    )
    with pytest.raises(JournalUnreadable, match="row-level security"):
        await verify_journal(database.app_url)


async def walk_in_one_worker(database: Database) -> Finding | None:
    slices = [Range(ID_MIN, 0, ID_MAX), Range(ID_MAX, BEHIND_ALL, ID_MAX)]
    return await walk_in_workers(database.app_url, "cell_00", slices, 1, lambda *each: None)
