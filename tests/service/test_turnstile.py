"""However many requests one seller has sent, another's is let in with the next turn, and refusals take no more time
than they are given."""

import asyncio
from itertools import pairwise

import pytest

from actors.directory import Overloaded, RateLimited
from service.turnstile import ENTRIES_PER_REFUSAL, ENTRIES_PER_TURN, ON_THEIR_WAY_MAX, Refused, Turnstile

Wait = asyncio.Future[Refused | None] | None
REFUSALS_PER_TURN = ENTRIES_PER_TURN // ENTRIES_PER_REFUSAL


class Way:
    """How much is on its way into the journal."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __call__(self) -> int:
        return self.length


def turnstile_of(lane_max: int, waiting_max: int, on_their_way: Way | None = None) -> Turnstile:
    return Turnstile(lane_max=lane_max, waiting_max=waiting_max, on_their_way=on_their_way or Way(0))


def crowd(turnstile: Turnstile, count: int, seller: str = "loud") -> list[Wait]:
    return [turnstile.enter(seller) for _ in range(count)]


def answered(waits: list[Wait]) -> int:
    return sum(wait is None or wait.done() for wait in waits)


async def a_turn() -> None:
    await asyncio.sleep(0)


async def test_so_many_begin_in_a_turn_and_the_others_in_order_in_the_next() -> None:
    turnstile = turnstile_of(10_000, 10_000)
    waits = crowd(turnstile, 3 * ENTRIES_PER_TURN)
    for turn in (1, 2, 3):
        assert [wait is None or wait.done() for wait in waits] == [
            place < turn * ENTRIES_PER_TURN for place in range(len(waits))
        ]
        await a_turn()
    assert turnstile.waiting == 0


async def test_a_quiet_seller_is_next() -> None:
    """Though thousands came before."""
    turnstile = turnstile_of(10_000, 10_000)
    crowd(turnstile, 5_000)
    quiet = turnstile.enter("quiet")
    assert quiet is not None
    assert not quiet.done()
    await a_turn()
    assert quiet.done()


async def test_nobody_waits_while_there_is_room() -> None:
    turnstile = turnstile_of(1, 1)
    for _ in range(10):
        assert set(crowd(turnstile, ENTRIES_PER_TURN)) == {None}
        await a_turn()


async def test_a_full_lane_refuses_its_own_seller_at_a_pace_and_nobody_else() -> None:
    turnstile = turnstile_of(ENTRIES_PER_TURN, 10_000)
    crowd(turnstile, 2 * ENTRIES_PER_TURN)
    refused = crowd(turnstile, REFUSALS_PER_TURN + 2)
    other = turnstile.enter("other")
    for refused_by_now in (REFUSALS_PER_TURN, REFUSALS_PER_TURN + 1, REFUSALS_PER_TURN + 2):
        await a_turn()
        assert answered(refused) == refused_by_now
    assert [wait is not None and wait.result() for wait in refused] == [RateLimited] * len(refused)
    assert other is not None
    assert other.result() is None


async def test_a_full_house_refuses_everybody() -> None:
    turnstile = turnstile_of(10, 20)
    crowd(turnstile, ENTRIES_PER_TURN)
    for seller in ("one", "two"):
        crowd(turnstile, 10, seller)
    wait = turnstile.enter("three")
    assert wait is not None
    assert await wait is Overloaded


async def test_who_has_gone_takes_nobodys_place() -> None:
    turnstile = turnstile_of(10_000, 10_000)
    crowd(turnstile, ENTRIES_PER_TURN)
    gone = crowd(turnstile, ENTRIES_PER_TURN)
    waits = crowd(turnstile, ENTRIES_PER_TURN)
    for wait in gone:
        assert wait is not None
        wait.cancel()
    await a_turn()
    assert answered(waits) == ENTRIES_PER_TURN


async def test_nobody_is_let_in_while_the_way_into_the_journal_is_full() -> None:
    """There all queue in one lane, where a flood is ahead of whoever comes."""
    way = Way(ON_THEIR_WAY_MAX)
    turnstile = turnstile_of(10_000, 10_000, way)
    crowd(turnstile, ENTRIES_PER_TURN)
    loud, quiet = crowd(turnstile, 100), turnstile.enter("quiet")
    for _ in range(5):
        await a_turn()
    assert answered(loud) == 0
    way.length = ON_THEIR_WAY_MAX - 2
    assert quiet is not None
    async with asyncio.timeout(10):
        assert await quiet is None
    assert answered(loud) == 1


async def test_when_the_way_is_clear_whoever_waits_for_it_begins_with_the_next_turn() -> None:
    """Not when a timer runs out: the journal would have nothing to write meanwhile."""
    way = Way(ON_THEIR_WAY_MAX)
    turnstile = turnstile_of(10, 10, way)
    crowd(turnstile, ENTRIES_PER_TURN)
    waiting = turnstile.enter("quiet")
    assert waiting is not None
    await a_turn()
    way.length = 0
    for _ in range(2):
        turnstile.fewer_on_their_way()
    await a_turn()
    assert waiting.done()


async def test_whoever_goes_on_with_many_entries_takes_the_turn_and_is_next_after_the_others() -> None:
    """A part of a batch is as much work as hundreds of charges."""
    turnstile = turnstile_of(10_000, 10_000)
    parts = [asyncio.ensure_future(turnstile.turn("batches", 5 * ENTRIES_PER_TURN)) for _ in range(4)]
    await a_turn()  # They come, and the first one takes all of the turn.
    quiet = turnstile.enter("quiet")
    assert quiet is not None
    began: list[str] = []
    for number, part in enumerate(parts):
        part.add_done_callback(lambda _, number=number: began.append(f"part {number}"))  # type: ignore[misc]
    quiet.add_done_callback(lambda _: began.append("quiet"))
    async with asyncio.timeout(10):
        await asyncio.gather(*parts, quiet)
        await a_turn()
    assert began.index("quiet") <= 2, began
    assert quiet.result() is None


async def test_whoever_goes_on_is_not_refused() -> None:
    """Though the lane of its seller is full, of charges that came meanwhile."""
    turnstile = turnstile_of(2, 2)
    crowd(turnstile, ENTRIES_PER_TURN + 2)
    refused = turnstile.enter("batches")
    async with asyncio.timeout(10):
        await turnstile.turn("loud", 250)
        assert refused is not None
        assert await refused is Overloaded


async def test_refusals_have_a_bound_and_then_come_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that go without waiting for an answer are as many as they like."""
    monkeypatch.setattr("service.turnstile.REFUSALS_MAX", 5)
    turnstile = turnstile_of(1, 10_000)
    crowd(turnstile, ENTRIES_PER_TURN + 1)
    assert answered(crowd(turnstile, 5)) == 0
    with pytest.raises(RateLimited):
        turnstile.enter("loud")
    assert turnstile.being_refused == 5


async def test_no_refusal_waits_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are ahead of it, and though nobody is let in."""
    monkeypatch.setattr("service.turnstile.REFUSAL_WAIT_S", 0.05)
    turnstile = turnstile_of(1, 10_000, Way(ON_THEIR_WAY_MAX))
    crowd(turnstile, ENTRIES_PER_TURN + 1)
    refused = crowd(turnstile, 800)
    last = refused[-1]
    assert last is not None
    async with asyncio.timeout(2):  # One in each look would take three.
        assert await last is RateLimited


async def test_a_large_batch_does_not_bring_hundreds_of_refusals_into_one_turn() -> None:
    """In proportion to its entries they would be: as much work as ten turns, in which nobody else is served."""
    turnstile = turnstile_of(1, 10_000)
    crowd(turnstile, ENTRIES_PER_TURN + 1)
    refused = crowd(turnstile, 800)
    batches = asyncio.gather(*(turnstile.turn("batches", 10_000) for _ in range(3)))
    counts = [0]
    while not batches.done():
        await a_turn()
        counts.append(answered(refused))
    assert max(after - before for before, after in pairwise(counts)) <= 2 * REFUSALS_PER_TURN


async def test_refusals_go_on_while_the_way_is_full() -> None:
    turnstile = turnstile_of(1, 10_000, Way(ON_THEIR_WAY_MAX))
    crowd(turnstile, ENTRIES_PER_TURN + 1)
    async with asyncio.timeout(10):
        for wait in crowd(turnstile, 3):
            assert wait is not None
            assert await wait is RateLimited


@pytest.mark.parametrize("on_their_way", [0, ON_THEIR_WAY_MAX - 1, ON_THEIR_WAY_MAX])
async def test_it_comes_to_rest(on_their_way: int) -> None:
    """An idle shop is not woken up for this, nor one that only waits for its journal."""
    way = Way(0)
    turnstile = turnstile_of(10, 10, way)
    crowd(turnstile, ENTRIES_PER_TURN)
    way.length = on_their_way
    async with asyncio.timeout(10):
        while turnstile._is_turning:
            await a_turn()
    way.length = 0
    for wait in crowd(turnstile, 2):
        if wait is not None:
            async with asyncio.timeout(10):
                assert await wait is None
