"""Whoever is told to stop gives back the lease, also one that it was granted and has not heard of. Why a lease is out
of reach is told."""

import asyncio
from collections.abc import Iterable

from journal.committer import Submission
from journal.journal import Journal, JournalSettings, JournalState
from journal.memory import MemoryDatabase, MemoryStore
from journal.store import JournalUnavailable, KeyOfSide, Lease, Renewal


class Unheard(MemoryStore):
    """Grants the lease, and the answer is lost on the way."""

    def __init__(self, database: MemoryDatabase) -> None:
        super().__init__(database, lambda: 0.0)
        self.was_asked = asyncio.Event()

    async def acquire(self, owner: str, ttl_s: float, *, is_former_owner_dead: bool) -> Lease | None:
        await super().acquire(owner, ttl_s, is_former_owner_dead=is_former_owner_dead)
        self.was_asked.set()
        raise JournalUnavailable("the connection died")


class Nobody:
    def keys_used(self, seller_id: str, seqs: dict[KeyOfSide, int], submissions: list[Submission]) -> None:
        raise AssertionError("nothing was submitted")

    def in_doubt(self, sellers: Iterable[str] | None) -> None:
        pass


async def test_a_lease_whose_grant_was_not_heard_of_is_given_back_at_the_stop() -> None:
    """Or another instance would wait for its end."""
    database = MemoryDatabase()
    store = Unheard(database)
    journal = Journal(store, JournalSettings("one"), Nobody())
    running = asyncio.ensure_future(journal.run())
    async with asyncio.timeout(10):
        await store.was_asked.wait()
        assert database.owner == "one"
        journal.stop()
        await running
    other = MemoryStore(database, lambda: 0.0)
    assert await other.acquire("another", 5.0, is_former_owner_dead=False) is not None


class ReadOnly(MemoryStore):
    """Refuses what it is told to refuse, whatever is asked of the lease."""

    def __init__(self, refusals: list[str | None]) -> None:
        super().__init__(MemoryDatabase(), lambda: 0.0)
        self._refusals = refusals
        self.has_refused_all = asyncio.Event()

    def _refuse(self) -> None:
        if not self._refusals:
            self.has_refused_all.set()
        elif (reason := self._refusals.pop(0)) is not None:
            raise JournalUnavailable(reason)

    async def acquire(self, owner: str, ttl_s: float, *, is_former_owner_dead: bool) -> Lease | None:
        self._refuse()
        return await super().acquire(owner, ttl_s, is_former_owner_dead=is_former_owner_dead)

    async def renew(self, epoch: int, ttl_s: float) -> Renewal | None:
        self._refuse()
        return await super().renew(epoch, ttl_s)


async def test_why_a_lease_is_out_of_reach_is_told_once_for_each_reason() -> None:
    """Else the log of an instance that stays a standby says nothing; said at each attempt, it says nothing else."""
    store = ReadOnly(["no answer", "read-only", "read-only", None, "read-only", "read-only", None, "read-only"])
    told: list[tuple[JournalState, str]] = []
    journal = Journal(
        store,
        JournalSettings("one", lease_ttl_s=0.01),
        Nobody(),
        on_lease_fault=lambda fault: told.append((journal.state, str(fault))),
    )
    running = asyncio.ensure_future(journal.run())
    async with asyncio.timeout(10):
        await store.has_refused_all.wait()
        journal.stop()
        await running
    waiting, leading = JournalState.STANDBY, JournalState.LEADING
    assert told == [(waiting, "no answer"), (waiting, "read-only"), (leading, "read-only"), (leading, "read-only")]
