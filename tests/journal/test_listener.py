"""Whoever listens to the committer is told every entry that is acknowledged, once, in order, whatever a flush met."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

import pytest

from journal.committer import Committer, CommitterSettings, Submission
from journal.entry import Entry
from journal.memory import MemoryDatabase, MemoryStore
from journal.store import (
    Batch,
    JournalFault,
    JournalUnavailable,
    KeyOfSide,
    KnownKey,
    Lease,
    OutcomeUnknown,
)
from tests.journal.histories import Shop


class Told:
    """A listener that checks what it hears: no gap, no repetition."""

    def __init__(self) -> None:
        self.position: int | None = None
        self.entries: list[Entry] = []

    def __call__(self, before: int, after: int, submissions: Sequence[Submission]) -> None:
        assert self.position in (None, before)
        entries = [entry for submission in submissions for entry in submission.entries]
        assert after == before + len(entries)
        self.position = after
        self.entries += entries


class Unreliable(MemoryStore):
    """Meets one fault in a flush; `is_written` says on which side of the COMMIT."""

    fault: JournalFault | None = None
    is_written = True

    def __init__(self, tables: MemoryDatabase) -> None:
        super().__init__(tables, lambda: 0.0)
        self.answers = asyncio.Event()
        self.answers.set()

    async def flush(self, epoch: int, batch: Batch) -> list[KnownKey]:
        fault, self.fault = self.fault, None
        if fault is not None:
            if self.is_written:
                await super().flush(epoch, batch)
            raise fault
        return await super().flush(epoch, batch)

    async def raise_epoch(self, epoch: int, ttl_s: float) -> Lease | None:
        await self.answers.wait()
        return await super().raise_epoch(epoch, ttl_s)


class Waiting(Submission):
    def __init__(self, entries: tuple[Entry, ...]) -> None:
        super().__init__(entries[0].seller_id, entries, ())
        self.answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def committed(self, last_position: int) -> None:
        self.answer.set_result(last_position)

    def failed(self, fault: JournalFault) -> None:
        self.answer.set_exception(fault)


class Nobody:
    def keys_used(self, seller_id: str, seqs: dict[KeyOfSide, int], submissions: list[Submission]) -> None:
        raise AssertionError("no key is used twice here")

    def in_doubt(self, sellers: Iterable[str] | None) -> None:
        pass


Play = Callable[[Committer, Unreliable, list[Entry], Told], Awaitable[None]]


async def played(play: Play, outcome_timeout_s: float = 10.0) -> tuple[Told, MemoryDatabase]:
    tables, told = MemoryDatabase(), Told()
    store = Unreliable(tables)
    lease = await store.acquire("me", 5.0, is_former_owner_dead=False)
    assert lease is not None
    settings = CommitterSettings(outcome_timeout_s=outcome_timeout_s, retry_delay_s=0.001)
    committer = Committer(
        store, lease, 5.0, Nobody(), settings, lambda entries, seconds: None, lambda fault: None, told
    )
    running = asyncio.create_task(committer.run())
    async with asyncio.timeout(10):
        await play(committer, store, Shop(1, sellers=1).play(20).entries, told)
        committer.stop()
        await running
    assert told.position == tables.last_position
    assert [(entry.seller_id, entry.seq) for entry in told.entries] == list(tables.positions)
    return told, tables


async def test_it_is_told_where_everything_begins_and_then_every_flush() -> None:
    async def play(committer: Committer, store: Unreliable, entries: list[Entry], told: Told) -> None:
        await asyncio.sleep(0)
        assert told.position == 0
        for entry in entries[:3]:
            waiting = Waiting((entry,))
            committer.submit(waiting)
            assert await waiting.answer == told.position

    told, _ = await played(play)
    assert told.position == 3


async def test_what_turns_out_to_be_committed_is_told() -> None:
    async def play(committer: Committer, store: Unreliable, entries: list[Entry], told: Told) -> None:
        store.fault = OutcomeUnknown()
        waiting = Waiting(tuple(entries[:2]))
        committer.submit(waiting)
        assert await waiting.answer == 2

    told, _ = await played(play)
    assert told.position == 2


async def test_it_is_told_even_if_those_who_waited_have_given_up() -> None:
    async def play(committer: Committer, store: Unreliable, entries: list[Entry], told: Told) -> None:
        store.fault = OutcomeUnknown()
        store.answers.clear()
        waiting = Waiting(tuple(entries[:2]))
        committer.submit(waiting)
        with pytest.raises(OutcomeUnknown):
            await waiting.answer
        assert told.position == 0
        store.answers.set()
        while committer.is_recovering:
            await asyncio.sleep(0)
        after = Waiting((entries[2],))
        committer.submit(after)
        assert await after.answer == 3

    told, _ = await played(play, outcome_timeout_s=0.01)
    assert told.position == 3


@pytest.mark.parametrize("fault", [OutcomeUnknown, JournalUnavailable])
async def test_what_was_not_committed_is_not_told(fault: type[JournalFault]) -> None:
    async def play(committer: Committer, store: Unreliable, entries: list[Entry], told: Told) -> None:
        store.fault, store.is_written = fault(), False
        waiting = Waiting(tuple(entries[:2]))
        committer.submit(waiting)
        with pytest.raises(JournalFault):
            await waiting.answer
        while committer.is_recovering:
            await asyncio.sleep(0)
        again = Waiting((entries[0],))
        committer.submit(again)
        assert await again.answer == 1

    told, _ = await played(play)
    assert told.position == 1


async def test_an_answer_counts_as_much_as_an_entry_while_both_are_on_their_way() -> None:
    """A crowd of single charges is twice the work of a batch of as many, so half of them make the others wait."""

    async def play(committer: Committer, store: Unreliable, entries: list[Entry], told: Told) -> None:
        singles = [Waiting((entry,)) for entry in entries[:4]]
        batch = Waiting(tuple(entries[4:8]))
        counts = []
        for waiting in (*singles, batch):
            committer.submit(waiting)
            counts.append(committer.on_their_way)
        assert counts == [2, 4, 6, 8, 13]
        await batch.answer
        await asyncio.sleep(0)
        assert committer.on_their_way == 0

    await played(play)
