"""The database server: a process of its own over `MemoryDatabase`, with the one lock that the design rests on.

Whatever writes (a flush, and everything that changes the lease) locks the lease row from its beginning to its
COMMIT, and who comes meanwhile queues behind it, in order. A flush reads the epoch when it has the lock.
Readers lock nothing and see what is committed. A statement that has reached the server runs on, whether its
client is still there or not; only the end of the server, or of its backend, rolls it back.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from journal.memory import MemoryDatabase
from journal.store import Batch, EpochLost, FlushRefused, JournalFault, KnownKey
from tests.simulation.loop import Process, SimulatedLoop
from tests.simulation.operations import History


class ConnectionLost(Exception):
    """What the other end of a connection sees when the server, or its backend, dies."""


class Transaction:
    """One statement on its way. `reply` is told its result, a `JournalFault`, or `ConnectionLost`."""

    __slots__ = ("begin", "commit_s", "execute", "is_killed", "is_writing", "reply")

    def __init__(
        self,
        execute: Callable[[], object],
        reply: Callable[[object], None],
        *,
        is_writing: bool = False,
        commit_s: float = 0.0,
        begin: Callable[[], None] = lambda: None,
        is_killed: bool = False,
    ) -> None:
        self.execute = execute
        self.reply = reply
        self.is_writing = is_writing
        self.commit_s = commit_s
        """How long it holds the lease row."""
        self.begin = begin
        """Called when it has the lock; may raise."""
        self.is_killed = is_killed
        """Its backend will be killed before the COMMIT."""


class Server:
    def __init__(self, loop: SimulatedLoop, history: History, is_poison: Callable[[Batch], bool]) -> None:
        self.database = MemoryDatabase()
        self.process = Process("database")
        self.is_down = False
        self.has_room = True
        self.late = 0
        """Exchanges that were given up by their client and are still to come."""
        self.connections: list[Callable[[], None]] = []
        """How to tell each instance that its connection has died."""
        self._loop = loop
        self._history = history
        self._is_poison = is_poison
        self._holder: Transaction | None = None
        self._commit: asyncio.TimerHandle | None = None
        self._waiting: deque[Transaction] = deque()
        loop.add(self.process)

    def receive(self, transaction: Transaction) -> None:
        """A statement arrives. To be called in the server's process."""
        if self.is_down:
            transaction.reply(ConnectionLost())
        elif not transaction.is_writing:
            self._execute(transaction)
        elif self._must_wait(transaction):
            self._history.count("queued behind the lease row")
            self._waiting.append(transaction)
        else:
            self._begin(transaction)

    def kill(self) -> None:
        """kill -9: what was not committed is rolled back."""
        self.is_down = True
        if self._commit is not None:
            self._commit.cancel()
        lost = [*([self._holder] if self._holder else []), *self._waiting]
        self._holder = None
        self._waiting.clear()
        for lose in self.connections:
            lose()
        for transaction in lost:
            self._history.count("rolled back by a kill of the database")
            transaction.reply(ConnectionLost())

    def start(self) -> None:
        self.is_down = False

    def _must_wait(self, transaction: Transaction) -> bool:
        return self._holder is not None

    def _begin(self, transaction: Transaction) -> None:
        try:
            transaction.begin()
        except JournalFault as fault:
            transaction.reply(fault)
            self._next()
            return
        self._holder = transaction
        self._commit = self._loop.call_later(transaction.commit_s, self._end, transaction)

    def _end(self, transaction: Transaction) -> None:
        if transaction.is_killed:
            transaction.reply(ConnectionLost())
        else:
            self._execute(transaction)
        self._holder = None
        self._next()

    def _next(self) -> None:
        if self._waiting and self._holder is None:
            self._begin(self._waiting.popleft())

    def _execute(self, transaction: Transaction) -> None:
        try:
            result = transaction.execute()
        except JournalFault as fault:
            result = fault
        transaction.reply(result)

    # --- what an operator does ---

    def freeze(self) -> None:
        """The journal was restored from a backup, one that lacks nothing: what was acknowledged is all there."""
        self.database.freeze()
        self._history.is_frozen = True
        self._history.happened("restored")

    def unfreeze(self) -> None:
        self.database.unfreeze()
        self._history.is_frozen = False
        self._history.happened("restore confirmed")

    # --- the flush statement ---

    def check_fence(self, epoch: int) -> None:
        if epoch != self.database.epoch or self.database.is_frozen:
            raise EpochLost

    def flush(self, batch: Batch) -> list[KnownKey]:
        if not self.has_room:
            self._history.count("fault: flush refused for want of room")
            raise FlushRefused("no room")
        if self._is_poison(batch):
            self._history.count("fault: flush refused for poison")
            raise FlushRefused("poison")
        try:
            known = self.database.write(self.database.epoch, batch)
        except FlushRefused as fault:
            # The constraints of the table are the last line of defence: the service must never run into them.
            self._history.bug(f"the database refused a flush that no fault explains: {fault}")
            raise
        if not known and batch.entries:
            self._history.wrote(batch.first_position, tuple(batch.entries))
        return known


def run_now(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of a method of `MemoryStore`, none of which ever waits."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("a method of the model waited")
