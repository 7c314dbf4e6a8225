"""Hears of credentials that were taken away, and knows until when it can be sure to have heard.

Triggers on `shop.users`, `tokens` and `api_keys` notify a channel on every revoking change, whoever makes it.
This listens on a connection of its own. A connection may die without a word, so silence proves nothing: a ping
every quarter of a second does. Notifications come before the answer to a ping that was sent after them, so
once it has answered, everything committed before it was *sent* has been heard, and memory can be trusted for
`TRUST_S` from that moment. Whatever goes wrong (connection lost, database or event loop stuck, process
stopped and continued), trust simply runs out, in less than the second that a revocation may take.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

import asyncpg

from journal.connections import CONNECTION_FAULTS
from service.identity.instants import Monotonic

CHANNEL: Final = "charge_shop_credentials"
EVERYBODY: Final = "*"

TRUST_S: Final = 0.9
PING_INTERVAL_S: Final = 0.25
PING_TIMEOUT_S: Final = 2.0
RETRY_INTERVAL_S: Final = 0.25
CONNECT_TIMEOUT_S: Final = 5.0

_PING: Final = "SELECT"
_TELL: Final = "SELECT pg_notify($1, $2)"

Connect: TypeAlias = "Callable[[], Awaitable[asyncpg.Connection[asyncpg.Record]]]"
"""Opens a connection of its own, straight to the server: a pooler between would swallow notifications."""

log = logging.getLogger(__name__)


class Revocations:
    """Calls `revoked(user_id)` for each user who lost something, `revoked(None)` when it may be anybody."""

    def __init__(self, connect: Connect, revoked: Callable[[str | None], None], monotonic: Monotonic) -> None:
        self._connect = connect
        self._revoked = revoked
        self._monotonic = monotonic
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._pinging = asyncio.Lock()
        self._lost = asyncio.Event()
        self._proof = ""
        self._proven = asyncio.Event()
        self._is_loss_logged = False
        self.trusted_until = 0.0
        """On the monotonic clock. Before it, everything revoked a second ago has been told."""

    async def run(self) -> None:
        """Listens until cancelled, through every loss of the connection."""
        while True:
            try:
                await self._listen()
            except CONNECTION_FAULTS as fault:
                if not self._is_loss_logged:
                    self._is_loss_logged = True
                    log.warning("revocations_not_heard", extra={"reason": f"{type(fault).__name__}: {fault}"})
            await asyncio.sleep(RETRY_INTERVAL_S)

    @property
    def is_listening(self) -> bool:
        """Whether a revocation that is committed now will be heard, or else its loss be noticed."""
        return self._connection is not None

    async def ping(self) -> None:
        """Returns when every revocation committed before has been told. Raises a connection fault."""
        async with self._pinging, asyncio.timeout(PING_TIMEOUT_S):
            if self._connection is None:
                raise ConnectionError("not listening")
            sent_at = self._monotonic()
            await self._connection.execute(_PING)
            if self._connection is not None:
                self.trusted_until = sent_at + TRUST_S

    async def _listen(self) -> None:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            connection = await self._connect()
        try:
            self._lost.clear()
            connection.add_termination_listener(self._on_termination)
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await connection.add_listener(CHANNEL, self._on_notification)
                await self._prove(connection)
            # What was read before this moment may have been revoked unheard.
            self._revoked(None)
            self._connection = connection
            self._is_loss_logged = False
            while not self._lost.is_set():
                await self.ping()
                await self._lost_within(PING_INTERVAL_S)
        finally:
            self._distrust()
            connection.terminate()

    async def _prove(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Hears itself: otherwise something between here and the server does not pass notifications on."""
        self._proof = f"listening:{os.urandom(8).hex()}"
        self._proven.clear()
        await connection.execute(_TELL, CHANNEL, self._proof)
        await self._proven.wait()

    async def _lost_within(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._lost.wait()
        except TimeoutError:
            pass

    def _on_notification(self, _connection: Any, _pid: int, _channel: str, payload: object) -> None:
        if payload == self._proof:
            self._proven.set()
        elif payload == EVERYBODY:
            self._revoked(None)
        else:
            self._revoked(str(payload))

    def _on_termination(self, _connection: Any) -> None:
        self._distrust()
        self._lost.set()

    def _distrust(self) -> None:
        """From here until the next successful ping, nothing in memory counts, and nothing old will count again."""
        self._connection = None
        self.trusted_until = 0.0
        self._revoked(None)
