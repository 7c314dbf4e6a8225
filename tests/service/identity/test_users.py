"""Users: one name each, one admin at least, and a password that ends what the old one began."""

import asyncio

import asyncpg
import pytest

from service.identity.refusals import LAST_ADMIN, NO_SUCH_USER, USERNAME_TAKEN
from service.identity.users import User, is_username
from tests.service.identity.conftest import PASSWORD, Identity, after

NOBODY = "00000000-0000-7000-8000-000000000000"


@pytest.mark.parametrize("text", ["a", "kiosk-17", "Anna.B@example.com", "a+b_c", "x" * 100])
def test_usernames(text: str) -> None:
    assert is_username(text)


@pytest.mark.parametrize("text", ["", "x" * 101, "two words", "ünal", "a\n", "a\0", "a/b", "\ud800", "٣"])
def test_not_usernames(text: str) -> None:
    assert not is_username(text)


async def test_the_database_has_the_same_rule(identity: Identity, owner: asyncpg.Connection) -> None:
    for text in ("", "x" * 101, "two words", "ünal", "a\n", "a/b", "٣"):
        with pytest.raises(asyncpg.CheckViolationError):
            await owner.execute(
                "INSERT INTO shop.users VALUES (gen_random_uuid(), $1, 'admin', 'x', 'active', now())", text
            )
    await identity.admin("x" * 100)


async def test_a_name_is_taken_in_every_case(identity: Identity) -> None:
    await identity.admin("Boss")
    assert await identity.users.create_admin("bOSS", PASSWORD) == USERNAME_TAKEN
    found = await identity.users.find_by_name("BOSS")
    assert found is not None
    assert found.username == "Boss"


async def test_of_several_who_want_one_name_at_once_one_gets_it(identity: Identity) -> None:
    outcomes = await asyncio.gather(*(identity.users.create_admin("boss", PASSWORD) for _ in range(5)))
    assert sum(isinstance(outcome, User) for outcome in outcomes) == 1


async def test_admins_are_listed_newest_first_page_by_page(identity: Identity) -> None:
    await identity.seller("kiosk")
    made = []
    for number in range(7):
        identity.clock.advance(number % 2)
        made.append(await identity.admin(f"boss{number}"))
    expected = sorted(made, key=lambda user: (user.created_at_us, user.id), reverse=True)
    walked = await identity.users.list_admins(limit=3)
    while page := await identity.users.list_admins(limit=3, before=after(walked[-1])):
        walked += page
    assert walked == expected


async def test_disabling_ends_the_tokens_of_this_admin_only(identity: Identity) -> None:
    boss, other = await identity.admin("boss"), await identity.admin("other")
    tokens = [await identity.token("boss") for _ in range(2)]
    kept = await identity.token("other")
    disabled = await identity.users.set_admin_status(boss.id, "disabled")
    assert isinstance(disabled, User)
    assert (disabled.id, disabled.status) == (boss.id, "disabled")
    assert [await identity.asks(token) for token in tokens] == [None, None]
    assert await identity.asks(kept)
    enabled = await identity.users.set_admin_status(boss.id, "active")
    assert isinstance(enabled, User)
    assert await identity.asks(tokens[0]) is None, "what ended stays ended"
    assert await identity.users.set_admin_status(other.id, "disabled") != LAST_ADMIN


async def test_the_last_active_admin_stays(identity: Identity) -> None:
    boss, other = await identity.admin("boss"), await identity.admin("other")
    await identity.seller("kiosk")
    await identity.users.set_admin_status(other.id, "disabled")
    assert await identity.users.set_admin_status(boss.id, "disabled") == LAST_ADMIN
    assert await identity.users.set_admin_status(boss.id, "active") == boss
    repeated = await identity.users.set_admin_status(other.id, "disabled")
    assert isinstance(repeated, User)


async def test_admins_who_disable_each_other_at_once_leave_one(identity: Identity) -> None:
    """Whatever the order: they take their locks in one."""
    for _ in range(5):
        admins = [await identity.admin(f"boss{identity.clock.us}-{n}") for n in range(3)]
        identity.clock.advance(1)
        existing = await identity.users.list_admins(limit=100)
        await asyncio.gather(*(identity.users.set_admin_status(user.id, "disabled") for user in existing))
        active = [user for user in await identity.users.list_admins(limit=100) if user.status == "active"]
        assert len(active) == 1
        assert len(admins) == 3


async def test_only_admins_are_enabled_and_disabled_here(identity: Identity) -> None:
    await identity.admin("boss")
    seller = await identity.seller("kiosk")
    assert await identity.users.set_admin_status(seller.id, "disabled") == NO_SUCH_USER
    assert await identity.users.set_admin_status(NOBODY, "active") == NO_SUCH_USER


async def test_a_reset_ends_all_tokens_and_the_old_password(identity: Identity) -> None:
    seller = await identity.seller("kiosk")
    tokens = [await identity.token("kiosk") for _ in range(2)]
    key = (await identity.api_keys.create(seller.id, "till"))[1]
    assert await identity.users.reset_password(seller.id, "another password") is None
    assert [await identity.asks(token) for token in tokens] == [None, None]
    assert await identity.asks(f"Bearer {key}"), "programs go on"
    await identity.session("kiosk", "another password")
    assert await identity.sign_in.sign_in("kiosk", PASSWORD, "192.0.2.9") is not None


async def test_a_reset_of_a_seller_does_not_reach_an_admin(identity: Identity) -> None:
    boss = await identity.admin("boss")
    assert await identity.users.reset_password(boss.id, "another password", role="seller") == NO_SUCH_USER
    assert await identity.users.reset_password(NOBODY, "another password") == NO_SUCH_USER
    await identity.session("boss")


async def test_a_password_is_replaced_only_while_it_is_the_one_that_was_checked(identity: Identity) -> None:
    boss = await identity.admin("boss")
    this, other = await identity.token("boss"), await identity.token("boss")
    principal = await identity.asks(this)
    assert principal is not None
    assert not await identity.users.replace_password(boss.id, "older", "newer", surviving_token=principal.digest)
    assert not await identity.users.refresh_hash(boss.id, "older", "newer")
    assert await identity.users.find(boss.id) == boss
    assert await identity.asks(other)
