"""What a failing database means to whoever reads or writes: not now, not applied, or not known."""

import asyncio

import asyncpg
import pytest

from journal.store import JournalUnavailable, NotApplied, OutcomeUnknown
from service.identity.database import Database
from tests.conftest import Database as OwnDatabase
from tests.service.identity.conftest import Clock, Identity, instance

DIE = "SELECT pg_terminate_backend(pg_backend_pid())"
DISABLE = "UPDATE shop.users SET status = 'disabled'"


async def write(database: Database, *statements: str) -> None:
    async with database.writing() as connection:
        for statement in statements:
            await connection.execute(statement)


async def read(database: Database, statement: str) -> None:
    async with database.reading() as connection:
        await connection.execute(statement)


async def is_active(owner: asyncpg.Connection) -> bool:
    return bool(await owner.fetchval("SELECT bool_and(status = 'active') FROM shop.users"))


async def test_a_connection_lost_while_reading_is_not_now(identity: Identity) -> None:
    with pytest.raises(JournalUnavailable):
        await read(identity.database, f"SET ROLE NONE; {DIE}")
    await read(identity.database, "SELECT 1")


async def test_a_connection_lost_before_the_commit_wrote_nothing(identity: Identity, owner: asyncpg.Connection) -> None:
    await identity.admin()
    with pytest.raises(JournalUnavailable):
        await write(identity.database, DISABLE, f"SET ROLE NONE; {DIE}")
    assert await is_active(owner)


async def test_a_connection_lost_at_the_commit_is_not_known(identity: Identity, owner: asyncpg.Connection) -> None:
    """A deferred trigger ends the connection in the middle of COMMIT."""
    await owner.execute(
        f"""CREATE FUNCTION shop.die() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
            $$ BEGIN PERFORM ({DIE}); RETURN NULL; END $$;
            CREATE CONSTRAINT TRIGGER die AFTER INSERT ON shop.users DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION shop.die()"""
    )
    try:
        with pytest.raises(OutcomeUnknown):
            await identity.users.create_admin("boss", "correct horse")
    finally:
        await owner.execute("DROP FUNCTION shop.die CASCADE")


async def test_a_deadlock_is_not_applied(database: OwnDatabase, clock: Clock, owner: asyncpg.Connection) -> None:
    await owner.execute(f"ALTER DATABASE {database.name} SET deadlock_timeout = '10ms'")
    async with instance(database, clock) as identity:
        one, two = await identity.admin("one"), await identity.admin("two")
        has_one, has_two = asyncio.Event(), asyncio.Event()

        async def disable(first: str, second: str, has_first: asyncio.Event, other_has: asyncio.Event) -> None:
            async with identity.database.writing() as connection:
                await connection.execute(f"{DISABLE} WHERE id = $1", first)
                has_first.set()
                await other_has.wait()
                await connection.execute(f"{DISABLE} WHERE id = $1", second)

        outcomes = await asyncio.gather(
            disable(one.id, two.id, has_one, has_two),
            disable(two.id, one.id, has_two, has_one),
            return_exceptions=True,
        )
    assert [type(outcome) for outcome in outcomes if outcome is not None] == [NotApplied]


async def test_a_pool_that_is_used_up_is_not_now(identity: Identity) -> None:
    database = Database(identity.database._pool, acquire_timeout_s=0.01)
    held = [await identity.database._pool.acquire() for _ in range(8)]
    for opening in (database.reading, database.writing):
        with pytest.raises(JournalUnavailable):
            async with opening():
                pass
    for connection in held:
        await identity.database._pool.release(connection)


async def test_a_statement_that_fails_undoes_those_before_it(identity: Identity, owner: asyncpg.Connection) -> None:
    await identity.admin()
    with pytest.raises(asyncpg.DivisionByZeroError):
        await write(identity.database, DISABLE, "SELECT 1/0")
    assert await is_active(owner)
