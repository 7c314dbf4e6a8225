"""Tokens: earned by a password, ended by sign-out, by a new password, by time."""

import asyncio

import asyncpg
import pytest

from service.identity import tokens as tokens_module
from service.identity.bearer import digest_of
from service.identity.tokens import LIFE_US, IssuedToken
from tests.service.identity.conftest import Identity


async def issue(identity: Identity, username: str) -> IssuedToken:
    user = await identity.users.find_by_name(username)
    assert user is not None
    issued = await identity.tokens.issue(user.id, user.password_hash)
    assert issued is not None
    return issued


async def test_only_the_digest_is_stored(identity: Identity, owner: asyncpg.Connection) -> None:
    await identity.admin("boss")
    issued = await issue(identity, "boss")
    row = await owner.fetchrow("SELECT * FROM shop.tokens")
    assert row is not None
    assert row["digest"] == digest_of(issued.token)
    assert (row["expires_at"] - row["created_at"]).total_seconds() * 1_000_000 == LIFE_US
    assert issued.token not in repr(row)


async def test_signing_out_ends_this_token_only(identity: Identity) -> None:
    await identity.admin("boss")
    first, second = [(await issue(identity, "boss")).token for _ in range(2)]
    await identity.tokens.end(digest_of(first))
    await identity.tokens.end(digest_of(first))
    assert await identity.asks(f"Bearer {first}") is None
    assert await identity.asks(f"Bearer {second}")


async def test_a_reset_during_the_sign_in_leaves_no_token_behind(identity: Identity) -> None:
    """The password was right when it was checked, and is another one when the token is issued."""
    admin = await identity.admin("boss")
    await identity.users.reset_password(admin.id, "another password")
    assert await identity.tokens.issue(admin.id, admin.password_hash) is None


async def test_disabling_during_the_sign_in_leaves_no_token_behind(identity: Identity) -> None:
    await identity.admin("other")
    admin = await identity.admin("boss")
    await identity.users.set_admin_status(admin.id, "disabled")
    assert await identity.tokens.issue(admin.id, admin.password_hash) is None


async def test_a_reset_waits_for_a_token_that_is_being_issued_and_ends_it(
    identity: Identity, owner: asyncpg.Connection
) -> None:
    """The other order of the two: the token's transaction is open, its row invisible, when the reset begins."""
    admin = await identity.admin("boss")
    async with identity.database.writing() as connection:
        await connection.execute(tokens_module.ISSUE, b"d" * 32, admin.id, admin.password_hash, *await times(owner))
        reset = asyncio.create_task(identity.users.reset_password(admin.id, "another password"))
        async with asyncio.timeout(20):
            while not await owner.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"):
                await asyncio.sleep(0.005)
    assert await reset is None
    assert await owner.fetchval("SELECT count(*) FROM shop.tokens") == 0


async def times(owner: asyncpg.Connection) -> tuple[object, object]:
    row = await owner.fetchrow("SELECT now() AS now, now() + interval '1 hour' AS later")
    assert row is not None
    return row["now"], row["later"]


async def test_a_user_has_a_bounded_number_of_tokens(identity: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens_module, "PER_USER_MAX", 3)
    await identity.admin("boss")
    await identity.admin("other")
    kept = await identity.token("other")
    tokens = []
    for _ in range(5):
        identity.clock.advance(1)
        tokens.append(await identity.token("boss"))
    assert [bool(await identity.asks(token)) for token in tokens] == [False, False, True, True, True]
    assert await identity.asks(kept)


async def test_expired_tokens_are_deleted_and_others_are_not(
    identity: Identity, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens_module, "_EXPIRED_BATCH", 2)
    await identity.admin("boss")
    for _ in range(5):
        await identity.token("boss")
    identity.clock.us += LIFE_US - 1
    assert await identity.tokens.delete_expired() == 0
    late = await identity.token("boss")
    identity.clock.us += 1
    assert await identity.tokens.delete_expired() == 5
    assert await owner.fetchval("SELECT count(*) FROM shop.tokens") == 1
    assert await identity.asks(late)
