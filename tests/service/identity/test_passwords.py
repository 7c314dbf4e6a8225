"""Passwords: argon2id, away from the event loop, never more at once than the machine can bear."""

import asyncio
import threading

import pytest

from actors.directory import Overloaded
from service.identity.passwords import LENGTH_MAX, LENGTH_MIN, Passwords, password_fault


@pytest.fixture
def passwords():
    made = Passwords(memory_kib=8, passes=1, threads=1, waiting_max=2)
    yield made
    made.close()


async def verify(passwords: Passwords, stored: str | None, password: str) -> bool:
    async with passwords.turn() as turn:
        return await turn.verify(stored, password)


async def test_only_the_right_password_is_right(passwords: Passwords) -> None:
    stored = await passwords.hash("correct horse")
    assert stored.startswith("$argon2id$")
    assert await verify(passwords, stored, "correct horse")
    assert not await verify(passwords, stored, "correct horsf")
    assert not await verify(passwords, stored, "")
    assert not await verify(passwords, None, "correct horse")


async def test_hashes_of_one_password_differ(passwords: Passwords) -> None:
    assert await passwords.hash("correct horse") != await passwords.hash("correct horse")


async def test_the_same_characters_are_the_same_password(passwords: Passwords) -> None:
    """Keyboards differ in how they compose an accent."""
    stored = await passwords.hash("mot de passe\u0301")
    assert await verify(passwords, stored, "mot de pass\u00e9")


async def test_a_damaged_hash_is_nobodys(passwords: Passwords) -> None:
    for stored in ("x", "$argon2id$v=19$m=8,t=1,p=1$AAAA", "plain text"):
        assert not await verify(passwords, stored, stored)


async def test_any_text_may_be_asked_about(passwords: Passwords) -> None:
    stored = await passwords.hash("correct horse")
    for password in ("\ud800" * 12, "\0" * 12, "x" * 100_000):
        assert not await verify(passwords, stored, password)


async def test_an_unknown_user_costs_what_a_known_one_does() -> None:
    """The same parameters, so the same memory and passes, are spent on nobody's hash."""
    passwords = Passwords()
    stored = await passwords.hash("correct horse")
    assert passwords._nobody.split("$")[:4] == stored.split("$")[:4]
    assert [len(part) for part in passwords._nobody.split("$")] == [len(part) for part in stored.split("$")]
    assert stored.split("$")[3] == "m=19456,t=2,p=1"
    assert not passwords.needs_rehash(passwords._nobody)
    passwords.close()


async def test_parameters_that_were_raised_are_noticed(passwords: Passwords) -> None:
    stored = await passwords.hash("correct horse")
    assert not passwords.needs_rehash(stored)
    stronger = Passwords(memory_kib=16, passes=1, threads=1)
    assert stronger.needs_rehash(stored)
    assert await verify(stronger, stored, "correct horse")
    stronger.close()


async def test_whoever_would_wait_too_long_is_refused_at_once(passwords: Passwords) -> None:
    async with passwords.turn():
        waiting = [asyncio.create_task(passwords.hash("correct horse")) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await passwords.hash("correct horse")
    assert len(await asyncio.gather(*waiting)) == 2


async def test_nobody_alone_takes_all_places() -> None:
    """Neither an account, which leaves some at its own address too, nor an address with many accounts."""
    passwords = Passwords(memory_kib=8, passes=1, threads=1, waiting_max=8)

    async def take(account: str, address: str) -> None:
        async with passwords.turn(account, address):
            pass

    waiting: list[asyncio.Task[None]] = []

    async def waits(account: str, address: str) -> bool:
        task = asyncio.create_task(take(account, address))
        await asyncio.sleep(0)
        if task.done():
            assert isinstance(task.exception(), Overloaded)
            return False
        waiting.append(task)
        return True

    async with passwords.turn():
        assert [await waits("kiosk", "192.0.2.1") for _ in range(5)] == [True] * 4 + [False]
        assert not await waits("kiosk", "192.0.2.2")
        assert [await waits(f"user {number}", "192.0.2.1") for number in range(3)] == [True] * 2 + [False]
        assert [await waits("boss", "192.0.2.2") for _ in range(3)] == [True] * 2 + [False]
    await asyncio.gather(*waiting)
    assert not passwords._waiting_of
    passwords.close()


async def test_a_caller_that_goes_away_while_waiting_gives_up_its_place(passwords: Passwords) -> None:
    async with passwords.turn():
        waiting = [asyncio.create_task(passwords.hash("correct horse")) for _ in range(2)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.wait({waiting[0]})
        waiting.append(asyncio.create_task(passwords.hash("correct horse")))
    assert len(await asyncio.gather(*waiting[1:])) == 2


async def test_a_turn_lasts_as_long_as_its_thread(passwords: Passwords) -> None:
    """Nothing stops a thread: a caller that goes away must not let the next one start a second."""
    release, has_begun = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    async def work() -> None:
        async with passwords.turn() as turn:
            await turn._in_thread(lambda: (loop.call_soon_threadsafe(has_begun.set), release.wait(20)))

    first = asyncio.create_task(work())
    await has_begun.wait()
    first.cancel()
    second = asyncio.create_task(passwords.hash("correct horse"))
    await asyncio.sleep(0)
    assert passwords._turns.locked()
    assert not first.done()
    release.set()
    await second
    assert first.cancelled()


async def test_the_event_loop_goes_on_meanwhile(passwords: Passwords) -> None:
    slow = Passwords(memory_kib=64 * 1024, passes=3, threads=1)
    hashing = asyncio.create_task(slow.hash("correct horse"))
    turns = 0
    while not hashing.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 10
    slow.close()


@pytest.mark.parametrize(
    ("length", "is_good"),
    [(LENGTH_MIN - 1, False), (LENGTH_MIN, True), (LENGTH_MAX, True), (LENGTH_MAX + 1, False)],
)
def test_a_password_has_ten_to_two_hundred_characters(length: int, is_good: bool) -> None:
    assert (password_fault("x" * length) is None) is is_good
