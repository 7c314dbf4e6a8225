"""What sellers take in memory while nothing is asked of them: the bound on loaded sellers is a bound on memory."""

import asyncio
import tracemalloc

from actors.account import Account, Rules, decide
from actors.actor import Actor
from actors.commands import Caller, Charge, ChargeMany, Done, Open
from actors.directory import Bounds, Directory
from actors.envelope import Envelope, FirstUse
from journal.memory import MemoryDatabase, MemoryStore

BYTES_MAX = 800
"""Beside the texts that its journal has for it. Measured: 590, of which half are the containers of what is open."""
COUNT = 1_000


def directory_with(bounds: Bounds) -> Directory:
    return Directory(MemoryStore(MemoryDatabase(), lambda: 0.0), _currency_of, rules=Rules(), bounds=bounds)


def seller_id(number: int) -> str:
    return f"00000000-0000-7000-8000-{number:012x}"


async def _currency_of(seller_id: str) -> str:
    return "USD"


def test_an_idle_actor_is_small() -> None:
    directory = directory_with(Bounds())
    ids = [seller_id(number) for number in range(COUNT)]
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        actors = [Actor(directory, each) for each in ids]
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(actors) == COUNT
    assert (after - before) / COUNT <= BYTES_MAX


def test_all_sellers_together_keep_no_more_answers_than_the_directory_allows() -> None:
    """The oldest goes, whosever it is; one whose answer is still on its way stays, for the journal does not know it."""
    _, actors = directory_of(3, Bounds(keys_remembered_max=3))
    for actor in actors:
        remember(actor, "on its way", None)
    for number in range(10):
        remember(actors[number % 3], f"answered {number}", _done())
    assert all((False, "on its way") in actor.keys for actor in actors)
    assert sum(len(actor.keys) for actor in actors) <= 3 + 2

    for actor in actors:
        actor.keys[False, "on its way"].done = _done()
    for number in range(10, 20):
        remember(actors[number % 3], f"answered {number}", _done())
    assert sorted(key for actor in actors for _, key in actor.keys) == ["answered 17", "answered 18", "answered 19"]


def test_an_actor_that_is_gone_is_not_kept_by_its_keys() -> None:
    """Of one that a fault of the journal has dropped in the middle, some are never answered."""
    directory, actors = directory_of(30, Bounds(keys_remembered_max=3))
    for actor in actors[:-1]:
        remember(actor, "never answered", None)
        directory.in_doubt([actor.seller_id])
    for number in range(40):
        remember(actors[-1], f"answered {number}", _done())
    assert len(directory._remembered) == 3
    assert len(actors[-1].keys) == 3


async def test_a_batch_given_back_still_knows_the_keys_that_the_journal_told_of() -> None:
    """Though they were forgotten meanwhile; else two batches could make the journal tell of one's keys, then of the
    other's, as long as there is much else to remember."""
    _, (actor, other) = directory_of(2, Bounds(keys_remembered_max=1))
    charge = Charge(Caller(actor.seller_id, False, "old", bytes(16)), "+15550100001", 100)
    command = ChargeMany(Caller(actor.seller_id, False), (charge,), False)
    envelope = Envelope(actor, command, asyncio.get_running_loop().create_future())
    remember(actor, "old", _done())
    found = actor.keys[False, "old"]
    envelope.results = [found]
    remember(other, "new", _done())
    assert (False, "old") not in actor.keys
    actor.decide_again({}, [envelope])
    assert actor.keys[False, "old"] is found
    assert actor.task is not None
    actor.task.cancel()


def directory_of(count: int, bounds: Bounds) -> tuple[Directory, list[Actor]]:
    """With so many actors that have nothing to load."""
    directory = directory_with(bounds)
    actors = [Actor(directory, seller_id(number)) for number in range(count)]
    directory._actors.update({actor.seller_id: actor for actor in actors})
    return directory, actors


def remember(actor: Actor, key: str, done: Done | None) -> None:
    actor.keys[False, key] = FirstUse(None, done)
    actor.directory.remember(actor, (False, key))


def _done() -> Done:
    decided = decide(Account(seller_id(0)), Open("USD"), 1, Rules())
    assert isinstance(decided, tuple)
    return Done(decided[0], 1, "USD")
