"""However many requests one seller has sent, another's is let in with the next turn, and refusals take no more time
than they are given."""

import asyncio

import pytest

from actors.directory import Overloaded, RateLimited
from service.turnstile import ENTRIES_PER_TURN, REFUSALS_PER_TURN, Turnstile

Wait = asyncio.Future[None] | None


def crowd(turnstile: Turnstile, count: int, seller: str = "loud") -> list[Wait]:
    return [turnstile.enter(seller) for _ in range(count)]


def inside(waits: list[Wait]) -> int:
    return sum(wait is None or wait.done() for wait in waits)


async def a_turn() -> None:
    await asyncio.sleep(0)


async def test_so_many_begin_in_a_turn_and_the_others_in_order_in_the_next() -> None:
    turnstile = Turnstile(lane_max=10_000, waiting_max=10_000)
    waits = crowd(turnstile, 3 * ENTRIES_PER_TURN)
    for turn in (1, 2, 3):
        assert [wait is None or wait.done() for wait in waits] == [
            place < turn * ENTRIES_PER_TURN for place in range(len(waits))
        ]
        await a_turn()
    assert turnstile.waiting == 0


async def test_a_quiet_seller_is_next() -> None:
    """Though thousands came before."""
    turnstile = Turnstile(lane_max=10_000, waiting_max=10_000)
    crowd(turnstile, 5_000)
    quiet = turnstile.enter("quiet")
    assert quiet is not None
    assert not quiet.done()
    await a_turn()
    assert quiet.done()


async def test_nobody_waits_while_there_is_room() -> None:
    turnstile = Turnstile(lane_max=1, waiting_max=1)
    for _ in range(10):
        assert set(crowd(turnstile, ENTRIES_PER_TURN)) == {None}
        await a_turn()


async def test_a_full_lane_refuses_its_own_seller_at_a_pace_and_nobody_else() -> None:
    turnstile = Turnstile(lane_max=ENTRIES_PER_TURN, waiting_max=10_000)
    crowd(turnstile, 2 * ENTRIES_PER_TURN)
    refused = crowd(turnstile, 3 * REFUSALS_PER_TURN)
    other = turnstile.enter("other")
    for turn in (1, 2, 3):
        await a_turn()
        assert inside(refused) == turn * REFUSALS_PER_TURN
    for wait in refused:
        assert wait is not None
        with pytest.raises(RateLimited):
            wait.result()
    assert other is not None
    assert other.exception() is None


async def test_a_full_house_refuses_everybody() -> None:
    turnstile = Turnstile(lane_max=10, waiting_max=20)
    crowd(turnstile, ENTRIES_PER_TURN)
    for seller in ("one", "two"):
        crowd(turnstile, 10, seller)
    wait = turnstile.enter("three")
    assert wait is not None
    with pytest.raises(Overloaded):
        await wait


async def test_who_has_gone_takes_nobodys_place() -> None:
    turnstile = Turnstile(lane_max=10_000, waiting_max=10_000)
    crowd(turnstile, ENTRIES_PER_TURN)
    gone = crowd(turnstile, ENTRIES_PER_TURN)
    waits = crowd(turnstile, ENTRIES_PER_TURN)
    for wait in gone:
        assert wait is not None
        wait.cancel()
    await a_turn()
    assert inside(waits) == ENTRIES_PER_TURN


async def test_it_comes_to_rest() -> None:
    """An idle shop is not woken up for this."""
    turnstile = Turnstile(lane_max=1, waiting_max=1)
    crowd(turnstile, ENTRIES_PER_TURN + 1)
    for _ in range(4):
        await a_turn()
    assert not turnstile._is_turning
    assert turnstile.enter("loud") is None
