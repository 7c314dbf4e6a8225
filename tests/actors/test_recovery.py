"""What an actor does when the journal does not take what it has decided: the simulation gets there once in 100,000
seeds, or never."""

import asyncio
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from actors.account import REQUESTS_PENDING_MAX
from actors.actor import KEYS_SLICE, InternalError
from actors.batches import SLICE
from actors.commands import (
    Adjust,
    Caller,
    Charge,
    ChargeMany,
    Done,
    ManyDone,
    Outcome,
    Refusal,
    RefusalCode,
    RequestCredit,
    Settle,
)
from journal.committer import Submission
from journal.journal import Standby
from journal.store import (
    JournalFault,
    JournalUnavailable,
    NotApplied,
    OutcomeUnknown,
)
from tests.actors.cells import CALLER, OTHER_ID, SELLER_ID, WITHIN_S, running_cell

BATCH = ChargeMany(CALLER, (Charge(Caller(SELLER_ID, False, "key", bytes(16)), "+15550100001", 100),), True)


async def test_an_atomic_batch_is_not_decided_once_the_journal_recovers() -> None:
    """While its keys are looked for the connection is lost, and a hold that comes to its end is to be given back first:
    the actor had nothing on its way, so nobody else keeps it from that."""
    async with running_cell() as cell:
        await cell.ask(Adjust(CALLER, 1_000, "credit", "a test"))
        await cell.ask(Charge(CALLER, "+15550100001", 300, expires_in_s=1))

        def lose_connection() -> None:
            cell.now_us += 2_000_000
            cell.store.lose_connection()

        cell.store.meanwhile = lose_connection
        with pytest.raises(JournalUnavailable):
            await cell.ask(BATCH)

        cell.store.is_away = False
        cell.store.meanwhile = lambda: None
        await cell.is_ready()
        view = await cell.ask(Settle())
        assert (view.available, view.held) == (1_000, 0)  # type: ignore[union-attr]
        sold = await cell.ask(BATCH)
        assert isinstance(sold, ManyDone)
        assert cell.directory.in_flight == 0


async def test_an_atomic_batch_that_is_refused_after_all_leaves_nothing_behind() -> None:
    """It is decided in part when what was ahead of it is given back: of its keys one turns out to be used now."""
    async with running_cell() as cell:
        await cell.ask(Adjust(CALLER, 1_000_000, "credit", "a test"))
        for _ in range(REQUESTS_PENDING_MAX - 1):
            await cell.ask(RequestCredit(CALLER, 100))
        await cell.ask(Charge(_with_key("old"), "+15550100001", 1))
        cell.directory.in_doubt(None)  # The key is in the journal and no more in memory.
        await cell.ask(Settle())

        cell.store.may_flush.clear()
        requests = [asyncio.ensure_future(cell.ask(RequestCredit(_with_key(key), 100))) for key in ("old", "new")]
        charges = [Charge(_with_key(f"item {n}"), "+15550100001", 1, expires_in_s=60) for n in range(20 * SLICE)]
        charges[-1] = replace(charges[-1], caller=_with_key("new"))
        batch = asyncio.ensure_future(cell.ask(ChargeMany(CALLER, tuple(charges), True)))
        sold = asyncio.ensure_future(cell.ask(Charge(CALLER, "+15550100001", 1)))  # Is flushed together with it.
        actor = cell.directory._actors[SELLER_ID]
        async with asyncio.timeout(WITHIN_S):
            while not (actor.mailbox and actor.mailbox[0].uses):
                await asyncio.sleep(0)
            cell.store.may_flush.set()
            cell.store.may_flush.clear()  # For the flush under way, and no other.
            while actor.mailbox:
                await asyncio.sleep(0)
            cell.store.may_flush.set()

        repeated, requested, refused = await requests[0], await requests[1], await batch
        assert isinstance(repeated, Done)
        assert repeated.is_replay
        assert isinstance(requested, Done)  # There was room for one more.
        assert isinstance(refused, Refusal)
        assert refused.code is RefusalCode.IDEMPOTENCY_KEY_REUSED
        assert isinstance(await sold, Done)
        cell.directory.in_doubt(None)  # So that the seller is loaded again.
        view = await cell.ask(Settle())
        assert (view.available, view.held) == (1_000_000 - 2, 0)  # type: ignore[union-attr]


async def test_nobody_who_repeats_what_is_in_doubt_is_told_that_nothing_was_applied() -> None:
    """The first one is in the journal in the end: whoever believed it, and sold under another key, has sold twice."""
    async with running_cell() as cell:
        await cell.ask(Adjust(CALLER, 1_000, "credit", "a test"))
        await cell.ask(Adjust(CALLER, 1_000, "credit", "a test"), OTHER_ID)
        charge = Charge(_with_key("in doubt"), "+15550100001", 100)
        cell.store.is_away = True
        cell.store.may_flush.clear()
        cell.store.meanwhile = cell.store.may_flush.set
        cell.store.is_flushing = False
        first = asyncio.ensure_future(cell.ask(charge))
        async with asyncio.timeout(WITHIN_S):
            while not cell.store.is_flushing:
                await asyncio.sleep(0)
        asked = [
            # As one of many; behind something that asks the journal, which keeps the actor busy; and while it recovers.
            asyncio.ensure_future(cell.ask(ChargeMany(CALLER, (charge,), False))),
            asyncio.ensure_future(cell.ask(BATCH)),
            asyncio.ensure_future(cell.ask(charge)),
            asyncio.ensure_future(cell.ask(ChargeMany(CALLER, (charge, *BATCH.charges), True))),
        ]
        async with asyncio.timeout(WITHIN_S):
            while not cell.journal.was_interrupted(SELLER_ID):
                await asyncio.sleep(0)
        of_journal = [type(each) for each in await asyncio.gather(*asked, return_exceptions=True)]
        assert of_journal == [OutcomeUnknown, NotApplied, OutcomeUnknown, OutcomeUnknown]
        with pytest.raises(OutcomeUnknown):
            await cell.ask(charge)
        for command, seller_id in ((replace(charge, caller=CALLER), SELLER_ID), (charge, OTHER_ID)):
            with pytest.raises(JournalUnavailable):
                await cell.ask(command, seller_id)

        cell.store.is_away = False
        cell.store.meanwhile = lambda: None
        sold = await first
        assert isinstance(sold, Done)
        await cell.is_ready()
        assert await cell.ask(charge) == replace(sold, is_replay=True)


async def test_nobody_who_repeats_what_was_just_written_is_told_that_nothing_was_applied() -> None:
    """Its answer is on its way, and what was known of its key went with the account that an interruption dropped."""
    async with running_cell() as cell:
        await cell.ask(Adjust(CALLER, 1_000, "credit", "a test"))
        await cell.ask(Adjust(CALLER, 1_000, "credit", "a test"), OTHER_ID)
        charge = Charge(_with_key("written"), "+15550100001", 100)
        sold = await cell.ask(charge)
        assert isinstance(sold, Done)
        cell.store.is_away = True
        cell.store.may_flush.clear()
        cell.store.is_flushing = False
        doubtful = asyncio.ensure_future(cell.ask(Charge(CALLER, "+15550100001", 100), OTHER_ID))
        async with asyncio.timeout(WITHIN_S):
            while not cell.store.is_flushing:
                await asyncio.sleep(0)
            unsent = asyncio.ensure_future(cell.ask(Charge(CALLER, "+15550100001", 100)))
            await asyncio.sleep(0)
            cell.store.may_flush.set()
            with pytest.raises(NotApplied):
                await unsent
        with pytest.raises(OutcomeUnknown):
            await cell.ask(charge)

        cell.store.is_away = False
        assert isinstance(await doubtful, Done)
        await cell.is_ready()
        assert await cell.ask(charge) == replace(sold, is_replay=True)


async def test_nobody_is_told_that_nothing_was_applied_once_one_of_many_keys_was_found() -> None:
    """The journal is asked for the keys of a large batch in slices, and goes away between two of them."""
    async with running_cell() as cell:
        await cell.ask(Adjust(CALLER, 1_000_000, "credit", "a test"))
        charges = tuple(Charge(_with_key(str(number)), "+15550100001", 1) for number in range(KEYS_SLICE + 1))
        sold = await cell.ask(ChargeMany(CALLER, charges, True))
        assert isinstance(sold, ManyDone)
        cell.directory.in_doubt(None)  # So that nothing is known of its keys.
        looks: list[None] = []

        def fail_second_look() -> None:
            looks.append(None)
            if len(looks) == 2:
                raise JournalUnavailable("the connection to the database was lost")

        cell.store.meanwhile = fail_second_look
        with pytest.raises(OutcomeUnknown):
            await cell.ask(ChargeMany(CALLER, charges, True))
        again = await cell.ask(ChargeMany(CALLER, charges, True))
        assert isinstance(again, ManyDone)
        assert again.results == tuple(replace(each, is_replay=True) for each in sold.results)


@pytest.mark.parametrize("fault", [JournalUnavailable, Standby])
async def test_nobody_whose_key_a_flush_has_found_used_is_told_that_nothing_was_applied(
    fault: type[JournalFault], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though its account, which the key stands in, could not be loaded again."""
    async with running_cell() as cell:
        await cell.ask(Adjust(CALLER, 1_000, "credit", "a test"))
        charge = Charge(_with_key("long ago"), "+15550100001", 100)
        sold = await cell.ask(charge)
        assert isinstance(sold, Done)
        cell.directory.in_doubt(None)  # So that nothing is known of its key.
        await cell.ask(Settle())

        async def load(seller_id: str) -> None:
            if fault is Standby:  # Another instance has taken over.
                cell.directory.in_doubt(None)
                await asyncio.sleep(0)
            raise fault("meanwhile")

        with monkeypatch.context() as planted:
            planted.setattr(cell.store, "load", load)
            with pytest.raises(OutcomeUnknown):
                await cell.ask(charge)
        await cell.ask(Settle())

        async def recorded(seller_id: str, seqs: Sequence[int]) -> None:
            raise JournalUnavailable("the connection to the database was lost")

        with monkeypatch.context() as planted:
            planted.setattr(cell.store, "recorded", recorded)
            for repeat in (charge, ChargeMany(CALLER, (charge,), True)):
                with pytest.raises(OutcomeUnknown):
                    await cell.ask(repeat)
                cell.directory.in_doubt(None)
        assert await cell.ask(charge) == replace(sold, is_replay=True)
        assert cell.directory.in_flight == 0


async def test_an_interruption_that_follows_another_does_not_make_it_forgotten() -> None:
    """The first one is found written, and the connection is lost again before its answer has left."""
    async with running_cell() as cell:
        await cell.ask(Adjust(CALLER, 1_000, "credit", "a test"))
        charge = Charge(_with_key("in doubt"), "+15550100001", 100)
        cell.store.is_away = True
        sold = cell.directory.ask(SELLER_ID, charge)
        repeated: list[asyncio.Future[Outcome]] = []

        def repeat() -> None:
            repeated.append(cell.directory.ask(SELLER_ID, charge))

        async with asyncio.timeout(WITHIN_S):
            while not cell.journal.was_interrupted(SELLER_ID):
                await asyncio.sleep(0)
            cell.store.is_away = False
            cell.store.is_lost_at_once = True
            while not sold.done():
                await asyncio.sleep(0)
            with pytest.raises(OutcomeUnknown):
                repeat()
        first = sold.result()
        assert isinstance(first, Done)
        cell.store.is_away = cell.store.is_lost_at_once = False
        await cell.is_ready()
        repeat()
        assert await repeated[0] == replace(first, is_replay=True)


async def test_what_an_interruption_made_forgotten_is_not_known_again_when_its_seller_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of its keys none is loaded with it. The journal goes away once more, before the repeat or while it is loaded for
    it."""
    async with running_cell() as cell:
        await cell.ask(Adjust(CALLER, 1_000, "credit", "a test"))
        await cell.ask(Adjust(CALLER, 1_000, "credit", "a test"), OTHER_ID)
        charge = Charge(_with_key("in doubt"), "+15550100001", 100)
        cell.store.is_away = True
        sold = cell.directory.ask(SELLER_ID, charge)
        async with asyncio.timeout(WITHIN_S):
            while not cell.journal.was_interrupted(SELLER_ID):
                await asyncio.sleep(0)
            cell.store.is_away = False
            first = await sold
        assert isinstance(first, Done)
        await cell.is_ready()

        async def load(seller_id: str) -> None:
            raise JournalUnavailable("the connection to the database was lost")

        with monkeypatch.context() as planted:
            planted.setattr(cell.store, "load", load)
            with pytest.raises(OutcomeUnknown):
                await cell.ask(charge)
            with pytest.raises(JournalUnavailable):
                await cell.ask(replace(charge, caller=CALLER))

        for seller_id in (SELLER_ID, OTHER_ID):
            await cell.ask(Settle(), seller_id)
        cell.store.lose_connection()
        async with asyncio.timeout(WITHIN_S):
            while cell.journal.is_ready:
                await asyncio.sleep(0)
        with pytest.raises(OutcomeUnknown):
            await cell.ask(charge)
        with pytest.raises(JournalUnavailable):
            await cell.ask(charge, OTHER_ID)
        cell.store.is_away = False
        await cell.is_ready()
        assert await cell.ask(charge) == replace(first, is_replay=True)


def _with_key(key: str) -> Caller:
    return Caller(SELLER_ID, False, key, f"{key:>16}".encode())


async def test_a_seller_is_served_again_after_a_bug_in_the_middle_of_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not taken by the journal never comes back from it, so nobody must wait for that."""
    async with running_cell() as cell:
        await cell.ask(Adjust(CALLER, 1_000, "credit", "a test"))

        def submit(submission: Submission) -> None:
            raise AssertionError("a planted bug")

        for command in (Charge(CALLER, "+15550100001", 100), replace(BATCH, is_atomic=False)):
            with monkeypatch.context() as planted:
                planted.setattr(cell.journal, "submit", submit)
                with pytest.raises(InternalError):
                    await cell.ask(command)
            view = await cell.ask(Settle())
            assert (view.available, view.held) == (1_000, 0)  # type: ignore[union-attr]


@pytest.mark.parametrize("is_connection_lost", [True, False])
async def test_nothing_is_known_any_more_when_a_lease_was_somebody_elses_in_between(is_connection_lost: bool) -> None:
    """The owner was stopped, its lease ran out, another one sold, and then a statement with which the owner had once
    asked for the lease arrived: it is the owner again, and has noticed nothing."""
    async with running_cell() as cell:
        await cell.ask(Adjust(CALLER, 1_000, "credit", "a test"))
        database = cell.store.database
        if is_connection_lost:
            cell.store.lose_connection()
        database.expires_at_s = -1.0
        async with running_cell("another", database) as another:
            assert isinstance(await another.ask(Charge(CALLER, "+15550100001", 300)), Done)
        assert await cell.store.acquire("a test", 60.0, is_former_owner_dead=False) is not None

        cell.store.is_away = False
        async with asyncio.timeout(WITHIN_S):
            while cell.journal.epoch != database.epoch:
                await asyncio.sleep(0.001)
        await cell.is_ready()
        view = await cell.ask(Settle())
        assert view.available == 700  # type: ignore[union-attr]


async def test_what_a_successor_wrote_in_the_same_words_is_not_taken_for_ones_own() -> None:
    """Two sold the same, for two clients, in the same microsecond, as where a clock was set back. One was written."""
    charge = Charge(CALLER, "+15550100001", 300)
    async with running_cell() as cell:
        await cell.ask(Adjust(CALLER, 1_000, "credit", "a test"))
        cell.store.may_flush.clear()
        cell.store.is_flush_lost = True
        asking = asyncio.create_task(cell.ask(charge))
        while not cell.journal.on_their_way:
            await asyncio.sleep(0)
        cell.store.database.expires_at_s = -1.0
        async with running_cell("another", cell.store.database) as another:
            sold = await another.ask(charge)
            assert isinstance(sold, Done)
        cell.store.may_flush.set()
        with pytest.raises(OutcomeUnknown):
            await asking
