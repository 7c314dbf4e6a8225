"""Passwords: argon2id, off the event loop, a bounded number at a time.

Costs (OWASP's recommendation for argon2id, also RFC 9106's reasoning scaled to a server that has other work):
19 MiB, 2 passes, 1 lane. Measured on the reference machine: 30 ms of one core, so one thread checks some 30
passwords a second and leaves the other core to the event loop; memory in use is 19 MiB for each thread.

Work is done in *turns*. Whoever waits longer than `waiting_max` others is refused at once, since it would
wait for seconds. No account takes more than half of those places, and no address more than three quarters: who
signs in again and again, with the right password even, keeps nobody else out, not even at the same address. A
turn is also the place to count failed attempts: as no more turns run at once than there are threads, a thousand
parallel guesses get no further than a thousand in a row.

The parameters stand in each hash. After they were raised, `needs_rehash` says which hashes are behind.
"""

import asyncio
import base64
import os
import unicodedata
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Final, TypeAlias, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from actors.directory import Overloaded

LENGTH_MIN: Final = 10
LENGTH_MAX: Final = 200

T = TypeVar("T")

MayGoOn: TypeAlias = Callable[[], Awaitable[object]]
"""Called when a password has been hashed, for which others may have been waited for; raises if its sender may not go
on."""


async def always() -> None:
    """For those whose leave does not end."""


def password_fault(password: str) -> str | None:
    """What is wrong with a password that somebody wants to have; None when it will do."""
    if not LENGTH_MIN <= len(password) <= LENGTH_MAX:
        return f"A password has {LENGTH_MIN} to {LENGTH_MAX} characters."
    return None


class Passwords:
    """Hashes and checks passwords. `threads` turns at once, `waiting_max` waiting for one."""

    def __init__(
        self,
        *,
        threads: int = max(1, (os.cpu_count() or 1) // 2),
        waiting_max: int = 100,
        memory_kib: int = 19 * 1024,
        passes: int = 2,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._turns = asyncio.Semaphore(threads)
        self._waiting = 0
        self._waiting_of = Counter[tuple[str, str | None]]()
        self._waiting_max = waiting_max
        # No password has this hash, yet to find that out costs as much as with a real one.
        salt, digest = (base64.b64encode(random_bytes(n)).decode().rstrip("=") for n in (16, 32))
        self._nobody = f"$argon2id$v=19$m={memory_kib},t={passes},p=1${salt}${digest}"

    @asynccontextmanager
    async def turn(self, account: str | None = None, address: str | None = None) -> AsyncIterator["Turn"]:
        """Waits for a turn, for an account and an address if it is known whose it is. Raises Overloaded when too many
        wait already."""
        places = {("account", account): self._waiting_max // 2, ("address", address): self._waiting_max * 3 // 4}
        parties = [party for party in places if party[1] is not None]
        if self._waiting >= self._waiting_max or any(self._waiting_of[party] >= places[party] for party in parties):
            raise Overloaded("too many passwords wait to be checked")
        self._waiting += 1
        self._waiting_of.update(parties)
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1
            self._waiting_of.subtract(parties)
            for party in parties:
                if not self._waiting_of[party]:
                    del self._waiting_of[party]
        try:
            yield Turn(self._hasher, self._threads, self._nobody)
        finally:
            self._turns.release()

    async def hash(self, password: str, may_go_on: MayGoOn = always) -> str:
        async with self.turn() as turn:
            hashed = await turn.hash(password)
        await may_go_on()
        return hashed

    def needs_rehash(self, stored: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class Turn:
    """The right to use a thread."""

    def __init__(self, hasher: PasswordHasher, threads: ThreadPoolExecutor, nobody: str) -> None:
        self._hasher = hasher
        self._threads = threads
        self._nobody = nobody

    async def hash(self, password: str) -> str:
        return await self._in_thread(lambda: self._hasher.hash(_octets(password)))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether it is the password; None stands for a user that does not exist, and takes as long."""

        def check() -> bool:
            try:
                return self._hasher.verify(stored or self._nobody, _octets(password))
            except (VerificationError, InvalidHashError):
                return False

        return await self._in_thread(check)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        future = asyncio.get_running_loop().run_in_executor(self._threads, work)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            # Nothing stops a thread: the turn is over when the thread is, not when its caller went away.
            await asyncio.wait({future})
            raise


def _octets(password: str) -> bytes:
    """One form for the several in which Unicode has the same characters (RFC 8265)."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
