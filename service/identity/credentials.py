"""Credentials in memory: who sent this request, by one look-up in a dictionary.

`principal` is on the path of every request: a plain def, no I/O. What it does not find, `load` reads from the
database; misses that come together travel together, one statement for all that came while the one before
was under way, so a flood of made-up credentials costs few statements and delays nobody for long.

Held under the SHA-256 of the secret, never under the secret itself (0.4 us, about what the look-up costs).
At each use the expiry is compared with the clock, and `Revocations` must be able to vouch for the memory;
when it cannot, everything is read from the database until it can again. Bounded, oldest out: what is still in
use is read once more.

What must hold: nothing enters the memory that was revoked after it was read. A revocation that arrives while a
statement is under way is remembered until it has answered.
"""

import asyncio
import sys
from collections import OrderedDict
from hashlib import sha256
from itertools import islice
from typing import Final, TypeAlias

import asyncpg
from msgspec import Struct

from actors.directory import Overloaded
from journal.store import JournalFault
from service.identity.api_keys import LastUsed
from service.identity.bearer import CredentialKind, digest_of, kind_of, secret_in
from service.identity.database import Database
from service.identity.instants import Monotonic, NowUs, of_column, to_column
from service.identity.revocations import Connect, Revocations
from service.identity.users import Role

_AUTHORIZATION_LENGTH_MAX: Final = 100
_BATCH_MAX: Final = 1_000
_STATEMENT_TIMEOUT_S: Final = 5.0

FIND_TOKENS: Final = """
    SELECT t.digest, u.id::text AS user_id, u.username, u.role, NULL AS key_id, t.expires_at
      FROM shop.tokens t JOIN shop.users u ON u.id = t.user_id
     WHERE t.digest = ANY($1::bytea[]) AND t.expires_at > $2 AND u.status = 'active'
"""
FIND_API_KEYS: Final = """
    SELECT k.digest, u.id::text AS user_id, u.username, u.role, k.id::text AS key_id, NULL AS expires_at
      FROM shop.api_keys k JOIN shop.users u ON u.id = k.user_id
     WHERE k.digest = ANY($1::bytea[]) AND k.revoked_at IS NULL AND u.status = 'active'
"""


class Principal(Struct, frozen=True):
    """Who acts, and by which credential. What they may do is for handlers to say."""

    user_id: str
    username: str
    role: Role
    seller_id: str | None
    """The user's own id, when the user is a seller."""
    kind: CredentialKind
    digest: bytes
    """Of the credential: ends a token (`Tokens.end`)."""
    api_key_id: str | None
    expires_at_us: int
    """`NEVER` for an API key."""


NEVER: Final = sys.maxsize

_Waiting: TypeAlias = dict[str, "asyncio.Future[Principal | None]"]


class Credentials:
    def __init__(
        self,
        database: Database,
        connect: Connect,
        *,
        last_used: LastUsed,
        now_us: NowUs,
        monotonic: Monotonic,
        known_max: int = 50_000,
        waiting_max: int = 10_000,
    ) -> None:
        self.revocations: Final = Revocations(connect, self.forget, monotonic)
        self._database = database
        self._last_used = last_used
        self._now_us = now_us
        self._monotonic = monotonic
        self._known_max = known_max
        self._waiting_max = waiting_max
        self._known = OrderedDict[bytes, Principal]()
        self._digests_of = dict[str, set[bytes]]()
        self._waiting: _Waiting = {}
        self._loading: asyncio.Task[None] | None = None
        self._revoked_meanwhile = set[str | None]()

    async def run(self) -> None:
        """Listens for revocations until cancelled. Without it everything works, from the database alone."""
        await self.revocations.run()

    def principal(self, authorization: str | None) -> Principal | None:
        """Whose credential the header carries; None when that is not known from memory: then `load`."""
        if (
            authorization is None
            or (authorization[:7] != "Bearer " and authorization[:7].lower() != "bearer ")
            or len(authorization) > _AUTHORIZATION_LENGTH_MAX
            or not authorization.isascii()
        ):
            return None
        digest = sha256(authorization[7:].encode()).digest()
        principal = self._known.get(digest)
        if principal is None or self._monotonic() >= self.revocations.trusted_until:
            return None
        now_us = self._now_us()
        if now_us >= principal.expires_at_us:
            return None
        if principal.api_key_id is not None:
            self._last_used.note(principal.api_key_id, now_us)
        return principal

    async def load(self, authorization: str | None) -> Principal | None:
        """Whose credential the header carries, as the database knows it now; None: answer 401.

        Raises Overloaded, or JournalUnavailable when the database cannot say.
        """
        secret = secret_in(authorization) if authorization is not None else None
        if secret is None:
            return None
        waiting = self._waiting.get(secret)
        if waiting is None:
            if len(self._waiting) >= self._waiting_max:
                raise Overloaded("too many credentials wait to be looked up")
            waiting = self._waiting[secret] = asyncio.get_running_loop().create_future()
            if self._loading is None:
                self._loading = asyncio.create_task(self._load_waiting())
        principal = await asyncio.shield(waiting)
        if principal is not None and principal.api_key_id is not None:
            self._last_used.note(principal.api_key_id, self._now_us())
        return principal

    def forget(self, user_id: str | None) -> None:
        """Drops the user's credentials, or with None everybody's. The next use of one is looked up again."""
        if self._loading is not None:
            self._revoked_meanwhile.add(user_id)
        if user_id is None:
            self._known.clear()
            self._digests_of.clear()
        else:
            for digest in self._digests_of.pop(user_id, ()):
                self._known.pop(digest, None)

    async def _load_waiting(self) -> None:
        batch: _Waiting = {}
        try:
            while self._waiting:
                # Taken out first: whoever comes from here on is answered by a statement that begins later.
                batch = {secret: self._waiting.pop(secret) for secret in list(islice(self._waiting, _BATCH_MAX))}
                self._revoked_meanwhile.clear()
                try:
                    found = await self._find(list(batch))
                except JournalFault as fault:
                    _fail(batch, fault)
                    continue
                for secret, waiting in batch.items():
                    principal = found.get(digest_of(secret))
                    if principal is not None:
                        self._remember(principal)
                    waiting.set_result(principal)
        except BaseException as bug:  # nobody waits for ever, not even for a bug
            _fail(batch, bug)
            _fail(self._waiting, bug)
            self._waiting.clear()
            raise
        finally:
            self._loading = None

    async def _find(self, secrets: list[str]) -> dict[bytes, Principal]:
        tokens = [digest_of(secret) for secret in secrets if kind_of(secret) is CredentialKind.TOKEN]
        keys = [digest_of(secret) for secret in secrets if kind_of(secret) is CredentialKind.API_KEY]
        rows: list[asyncpg.Record] = []
        async with self._database.reading() as connection:
            if tokens:
                now = to_column(self._now_us())
                rows += await connection.fetch(FIND_TOKENS, tokens, now, timeout=_STATEMENT_TIMEOUT_S)
            if keys:
                rows += await connection.fetch(FIND_API_KEYS, keys, timeout=_STATEMENT_TIMEOUT_S)
        return {row["digest"]: _principal_of(row) for row in rows}

    def _remember(self, principal: Principal) -> None:
        is_revoked = not self._revoked_meanwhile.isdisjoint((principal.user_id, None))
        if is_revoked or not self.revocations.is_listening:
            return
        self._known[principal.digest] = principal
        self._digests_of.setdefault(principal.user_id, set()).add(principal.digest)
        if len(self._known) > self._known_max:
            digest, oldest = self._known.popitem(last=False)
            digests = self._digests_of[oldest.user_id]
            digests.discard(digest)
            if not digests:
                del self._digests_of[oldest.user_id]


def _principal_of(row: asyncpg.Record) -> Principal:
    is_token = row["key_id"] is None
    return Principal(
        user_id=row["user_id"],
        username=row["username"],
        role=row["role"],
        seller_id=row["user_id"] if row["role"] == "seller" else None,
        kind=CredentialKind.TOKEN if is_token else CredentialKind.API_KEY,
        digest=row["digest"],
        api_key_id=row["key_id"],
        expires_at_us=of_column(row["expires_at"]) if is_token else NEVER,
    )


def _fail(waiting: _Waiting, fault: BaseException) -> None:
    for future in waiting.values():
        if future.done():
            continue
        if isinstance(fault, asyncio.CancelledError):
            future.cancel()
        else:
            future.set_exception(fault)
            future.exception()  # whoever waited may be gone; that is no reason for a warning
