"""Signing in and changing a password: right ones in, wrong ones counted, strangers none the wiser."""

import asyncio

import pytest

from actors.directory import Overloaded
from service.identity.passwords import Passwords
from service.identity.refusals import NOT_THE_CURRENT_PASSWORD, WRONG_CREDENTIALS, IdentityCode, IdentityRefusal
from service.identity.sign_in import Session, SignIn
from service.identity.throttle import PAIR_LIMIT
from service.identity.tokens import LIFE_US
from service.identity.users import Users
from tests.service.identity.conftest import HOME, PASSWORD, Identity

ELSEWHERE = "198.51.100.7"


async def test_the_answer_says_who_signed_in_and_until_when(identity: Identity) -> None:
    seller = await identity.seller("kiosk")
    await identity.admin("boss")
    session = await identity.session("KIOSK")
    assert (session.role, session.seller_id) == ("seller", seller.id)
    assert session.expires_at_us == identity.clock.us + LIFE_US
    session = await identity.session("boss")
    assert (session.role, session.seller_id) == ("admin", None)


async def test_unknown_disabled_and_wrong_get_the_same_answer(identity: Identity) -> None:
    boss, _ = await identity.admin("boss"), await identity.admin("other")
    await identity.users.set_admin_status(boss.id, "disabled")
    for username, password in (("boss", PASSWORD), ("other", "wrong"), ("nobody", PASSWORD), ("\0", PASSWORD)):
        assert await identity.sign_in.sign_in(username, password, HOME) is WRONG_CREDENTIALS


async def test_after_ten_wrong_ones_the_right_one_is_not_looked_at(identity: Identity) -> None:
    await identity.seller("kiosk")
    for _ in range(PAIR_LIMIT.burst):
        assert await identity.sign_in.sign_in("kiosk", "wrong", ELSEWHERE) is WRONG_CREDENTIALS
    refusal = await identity.sign_in.sign_in("kiosk", PASSWORD, ELSEWHERE)
    assert isinstance(refusal, IdentityRefusal)
    assert refusal.code is IdentityCode.TOO_MANY_ATTEMPTS
    assert refusal.retry_after_s == PAIR_LIMIT.refill_s
    await identity.session("kiosk", address=HOME)
    identity.clock.advance(refusal.retry_after_s)
    await identity.session("kiosk", address=ELSEWHERE)


async def test_guessing_in_parallel_gains_nothing(identity: Identity) -> None:
    """Of a hundred at once no more are heard than of a hundred in a row, save what runs at once."""
    await identity.seller("kiosk")
    answers = await asyncio.gather(*(identity.sign_in.sign_in("kiosk", f"wrong {n}", ELSEWHERE) for n in range(100)))
    assert PAIR_LIMIT.burst <= sum(answer is WRONG_CREDENTIALS for answer in answers) <= PAIR_LIMIT.burst + 1


async def test_right_ones_in_parallel_all_get_in(identity: Identity) -> None:
    await identity.seller("kiosk")
    sessions = await asyncio.gather(*(identity.session("kiosk") for _ in range(50)))
    assert len({session.token for session in sessions}) == 50


async def test_who_signs_in_again_and_again_keeps_nobody_else_out(identity: Identity) -> None:
    """With the right password, which nobody throttles."""
    await identity.seller("kiosk")
    await identity.admin("boss")
    passwords = Passwords(memory_kib=8, passes=1, threads=1, waiting_max=10)
    sign_in = SignIn(identity.users, identity.tokens, passwords, identity.throttle)
    async with passwords.turn():
        flood = [asyncio.create_task(sign_in.sign_in("kiosk", PASSWORD, ELSEWHERE)) for _ in range(20)]
        while passwords._waiting + sum(attempt.done() for attempt in flood) < len(flood):
            await asyncio.sleep(0)
        flooded = passwords._waiting
        owner = asyncio.create_task(sign_in.sign_in("boss", PASSWORD, ELSEWHERE))
        while passwords._waiting == flooded and not owner.done():
            await asyncio.sleep(0)
    assert isinstance(await owner, Session)
    answers = await asyncio.gather(*flood, return_exceptions=True)
    assert [type(answer) for answer in answers].count(Session) == 5
    assert [type(answer) for answer in answers].count(Overloaded) == 15
    passwords.close()


async def test_hashes_of_older_parameters_are_renewed(identity: Identity) -> None:
    await identity.seller("kiosk")
    before = await identity.users.find_by_name("kiosk")
    stronger = Passwords(memory_kib=16, passes=1, threads=1)
    sign_in = SignIn(identity.users, identity.tokens, stronger, identity.throttle)
    for _ in range(2):
        session = await sign_in.sign_in("kiosk", PASSWORD, HOME)
        assert isinstance(session, Session)
        assert await identity.asks(f"Bearer {session.token}")
    after = await identity.users.find_by_name("kiosk")
    stronger.close()
    assert before is not None
    assert after is not None
    assert stronger.needs_rehash(before.password_hash)
    assert not stronger.needs_rehash(after.password_hash)


async def test_a_change_ends_all_other_tokens(identity: Identity) -> None:
    await identity.seller("kiosk")
    this, other = await identity.token("kiosk"), await identity.token("kiosk")
    principal = await identity.asks(this)
    assert principal is not None
    assert await identity.sign_in.change_password(principal, PASSWORD, "another password", HOME) is None
    assert await identity.asks(this)
    assert await identity.asks(other) is None
    await identity.session("kiosk", "another password")
    assert await identity.sign_in.sign_in("kiosk", PASSWORD, HOME) is WRONG_CREDENTIALS


async def test_a_change_needs_the_current_password_and_is_throttled_too(identity: Identity) -> None:
    """A stolen token is no way to find the password out."""
    await identity.seller("kiosk")
    token = await identity.token("kiosk")
    principal = await identity.asks(token)
    assert principal is not None
    for _ in range(PAIR_LIMIT.burst):
        refusal = await identity.sign_in.change_password(principal, "wrong", "another password", ELSEWHERE)
        assert refusal is NOT_THE_CURRENT_PASSWORD
    refusal = await identity.sign_in.change_password(principal, PASSWORD, "another password", ELSEWHERE)
    assert refusal is not None
    assert refusal.code is IdentityCode.TOO_MANY_ATTEMPTS
    await identity.session("kiosk")


async def test_a_password_changed_while_it_was_checked_opens_nothing(
    identity: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    seller = await identity.seller("kiosk")
    find_by_name = Users.find_by_name

    async def find_then_reset(self: Users, username: str):
        user = await find_by_name(self, username)
        await identity.users.reset_password(seller.id, "another password")
        return user

    monkeypatch.setattr(Users, "find_by_name", find_then_reset)
    assert await identity.sign_in.sign_in("kiosk", PASSWORD, HOME) is WRONG_CREDENTIALS
