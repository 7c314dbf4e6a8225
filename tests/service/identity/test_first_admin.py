"""On an empty database, and only there, somebody is made who can sign in."""

import asyncio

import asyncpg

from service.identity.first_admin import ensure_first_admin
from service.identity.passwords import password_fault
from tests.conftest import Database
from tests.service.identity.conftest import Clock, Identity, instance


async def ensure(identity: Identity, password: str | None = None) -> str | None:
    return await ensure_first_admin(identity.database, identity.passwords, identity.sources, password=password)


async def test_a_password_is_made_up_and_shown_once(identity: Identity) -> None:
    shown = await ensure(identity)
    assert shown is not None
    assert password_fault(shown) is None
    session = await identity.session("admin", shown)
    assert session.role == "admin"
    assert await ensure(identity) is None
    await identity.session("admin", shown)


async def test_a_given_password_is_used_and_not_shown(identity: Identity) -> None:
    assert await ensure(identity, "given password") is None
    await identity.session("admin", "given password")


async def test_nobody_is_made_where_somebody_is(identity: Identity, owner: asyncpg.Connection) -> None:
    await identity.seller("kiosk")
    assert await ensure(identity) is None
    assert await owner.fetchval("SELECT count(*) FROM shop.users") == 1


async def test_instances_that_start_at_once_make_one(
    identity: Identity, database: Database, clock: Clock, owner: asyncpg.Connection
) -> None:
    async with instance(database, clock) as other:
        shown = await asyncio.gather(*(ensure(which) for which in (identity, other) * 3))
    passwords = [password for password in shown if password is not None]
    assert len(passwords) == 1
    await identity.session("admin", passwords[0])
    assert await owner.fetchval("SELECT count(*) FROM shop.users") == 1
