"""A journal in memory that fails when it is told to, and the directory of actors that writes into it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from actors.account import Rules
from actors.commands import Caller, Command, Outcome
from actors.directory import Bounds, Directory
from journal.committer import CommitterSettings
from journal.journal import Journal, JournalSettings
from journal.memory import MemoryDatabase, MemoryStore
from journal.store import Batch, JournalUnavailable, KeyOfSide, KnownKey, Lease, OutcomeUnknown

SELLER_ID = "00000000-0000-7000-8000-000000000001"
OTHER_ID = "00000000-0000-7000-8000-000000000002"
CALLER = Caller(SELLER_ID, False)
WITHIN_S = 5.0


class FailingStore(MemoryStore):
    def __init__(self, database: MemoryDatabase) -> None:
        super().__init__(database, lambda: 0.0)
        self.is_away = False
        self.meanwhile: Callable[[], None] = lambda: None
        """Happens while the journal is asked for keys."""
        self.may_flush = asyncio.Event()
        self.may_flush.set()
        self.is_flush_lost = False
        """On its way to the journal, and its connection with it."""
        self.is_flushing = False
        """Set once one has begun; never set back here."""
        self.is_lost_at_once = False
        """The connection that a new epoch is raised with is lost as soon as that is done."""

    async def flush(self, epoch: int, batch: Batch) -> list[KnownKey]:
        self.is_flushing = True
        await self.may_flush.wait()
        if self.is_flush_lost:
            self.is_connected = False
            raise OutcomeUnknown("the connection was lost")
        known = await super().flush(epoch, batch)
        if self.is_away:
            self.is_connected = False
            raise OutcomeUnknown("the answer was lost")
        return known

    def lose_connection(self) -> None:
        self.is_away, self.is_connected = True, False
        self.on_lost()

    async def raise_epoch(self, epoch: int, ttl_s: float) -> Lease | None:
        if self.is_away:
            raise JournalUnavailable("there is no connection to the database")
        self.is_connected = not self.is_lost_at_once
        self.is_away = self.is_lost_at_once
        return await super().raise_epoch(epoch, ttl_s)

    async def seqs_of_keys(self, seller_id: str, keys: Sequence[KeyOfSide]) -> dict[KeyOfSide, int]:
        self.meanwhile()
        await asyncio.sleep(0.01)
        return await super().seqs_of_keys(seller_id, keys)


class Cell:
    def __init__(self, owner: str, database: MemoryDatabase) -> None:
        self.now_us = 1_000_000
        self.store = FailingStore(database)
        self.directory = Directory(
            self.store, self._currency_of, rules=Rules(), bounds=Bounds(), clock_us=lambda: self.now_us
        )
        committer = CommitterSettings(retry_delay_s=0.001)
        self.journal = Journal(self.store, JournalSettings(owner, committer=committer), self.directory)
        self.directory.attach(self.journal)

    @staticmethod
    async def _currency_of(seller_id: str) -> str:
        return "USD"

    async def ask(self, command: Command, seller_id: str = SELLER_ID) -> Outcome:
        async with asyncio.timeout(WITHIN_S):
            return await self.directory.ask(seller_id, command)

    async def is_ready(self) -> None:
        async with asyncio.timeout(WITHIN_S):
            while not self.journal.is_ready:
                await asyncio.sleep(0.001)


@asynccontextmanager
async def running_cell(owner: str = "a test", database: MemoryDatabase | None = None) -> AsyncIterator[Cell]:
    cell = Cell(owner, database or MemoryDatabase())
    run = asyncio.create_task(cell.journal.run())
    await cell.is_ready()
    yield cell
    cell.journal.stop()
    await run
