"""Whoever is told to stop gives back the lease, also one that it was granted and has not heard of."""

import asyncio
from collections.abc import Iterable

from journal.committer import Submission
from journal.journal import Journal, JournalSettings
from journal.memory import MemoryDatabase, MemoryStore
from journal.store import JournalUnavailable, KeyOfSide, Lease


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
