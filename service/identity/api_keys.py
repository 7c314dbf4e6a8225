"""API keys: what a seller's programs send. They do not expire; revoking them is for ever."""

import asyncio
from collections import ChainMap
from collections.abc import Callable, Mapping
from typing import Final

import asyncpg
from msgspec import Struct

from journal.ids import new_id
from service.identity.bearer import DISPLAYED_LENGTH, CredentialKind, digest_of, new_secret
from service.identity.database import Database
from service.identity.instants import of_column, to_column
from service.identity.page import FIRST, Position
from service.identity.sources import Sources

CREATE: Final = """
    INSERT INTO shop.api_keys (id, user_id, name, prefix, digest, created_at)
    VALUES ($1, $2, $3, $4, $5, $6)
"""
LIST: Final = """
    SELECT id::text, name, prefix, created_at, last_used_at
      FROM shop.api_keys
     WHERE user_id = $1 AND revoked_at IS NULL AND (created_at, id) < ($2, $3)
     ORDER BY created_at DESC, id DESC LIMIT $4
"""
REVOKE: Final = """
    UPDATE shop.api_keys SET revoked_at = $3
     WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL
    RETURNING true
"""
WRITE_LAST_USED: Final = """
    UPDATE shop.api_keys k SET last_used_at = seen.at
      FROM unnest($1::uuid[], $2::timestamptz[]) AS seen (id, at)
     WHERE k.id = seen.id AND (k.last_used_at IS NULL OR k.last_used_at < seen.at)
"""


class ApiKey(Struct, frozen=True):
    id: str
    name: str
    prefix: str
    created_at_us: int
    last_used_at_us: int | None


class ApiKeys:
    """`forget(user_id)` is told of what ends here, which is sooner than the notification comes."""

    def __init__(
        self,
        database: Database,
        last_used: "LastUsed",
        sources: Sources,
        *,
        forget: Callable[[str], None],
    ) -> None:
        self._database = database
        self._last_used = last_used
        self._sources = sources
        self._forget = forget

    async def create(self, user_id: str, name: str) -> tuple[ApiKey, str]:
        """A new key, and its secret, which is not kept anywhere."""
        secret = new_secret(CredentialKind.API_KEY, self._sources.random_bytes)
        now_us = self._sources.now_us()
        key = ApiKey(new_id(now_us, self._sources.random_bytes), name, secret[:DISPLAYED_LENGTH], now_us, None)
        async with self._database.writing() as connection:
            await connection.execute(CREATE, key.id, user_id, name, key.prefix, digest_of(secret), to_column(now_us))
        return key, secret

    async def list(self, user_id: str, *, limit: int, before: Position = FIRST) -> list[ApiKey]:
        """The user's keys that are in force, newest first."""
        # Before the rows: what is written while they are read is in one or the other.
        noted = self._last_used.noted()
        async with self._database.reading() as connection:
            rows = await connection.fetch(LIST, user_id, before.at, before.id, limit)
        return [_key_of(row, noted.get(row["id"])) for row in rows]

    async def revoke(self, user_id: str, key_id: str) -> bool:
        """False when the user has no such key in force."""
        async with self._database.writing() as connection:
            is_revoked = await connection.fetchval(REVOKE, key_id, user_id, to_column(self._sources.now_us()))
        if is_revoked:
            self._forget(user_id)
        return bool(is_revoked)


class LastUsed:
    """When each key was last used: noted in memory at every request, written now and then, many at a time.

    A process that is killed loses what was noted since the last `flush`; nothing but a display depends on it.
    """

    def __init__(self, database: Database, *, noted_max: int = 100_000, batch_max: int = 5_000) -> None:
        self._database = database
        self._noted = dict[str, int]()
        self._being_written = dict[str, int]()
        self._noted_max = noted_max
        self._batch_max = batch_max
        self._flushing = asyncio.Lock()

    def note(self, key_id: str, at_us: int) -> None:
        if len(self._noted) < self._noted_max or key_id in self._noted:
            self._noted[key_id] = at_us

    def noted(self) -> Mapping[str, int]:
        """What the database may not know yet. It keeps what it has now, even after that is written."""
        return ChainMap(self._noted, self._being_written)

    async def flush(self) -> None:
        """Writes all that was noted; what cannot be written now is kept for the next time, unless newer is known."""
        async with self._flushing:
            # Whole dictionaries are put in each other's place, and none is emptied: `noted` may have given it away.
            self._being_written, self._noted = self._noted, {}
            noted = list(self._being_written.items())
            try:
                for start in range(0, len(noted), self._batch_max):
                    keys, times_us = zip(*noted[start : start + self._batch_max], strict=True)
                    async with self._database.writing() as connection:
                        await connection.execute(WRITE_LAST_USED, keys, [to_column(at_us) for at_us in times_us])
            except BaseException:
                self._noted = {**self._being_written, **self._noted}
                raise
            finally:
                self._being_written = {}


def _key_of(row: asyncpg.Record, noted_us: int | None) -> ApiKey:
    """`noted_us`: a use of the key that the database may not know yet."""
    written = row["last_used_at"]
    uses_us = [at_us for at_us in (noted_us, of_column(written) if written is not None else None) if at_us is not None]
    return ApiKey(
        id=row["id"],
        name=row["name"],
        prefix=row["prefix"],
        created_at_us=of_column(row["created_at"]),
        last_used_at_us=max(uses_us, default=None),
    )
