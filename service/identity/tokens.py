"""Tokens: what a user gets for a password, for twelve hours. Ended means deleted."""

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from service.identity.bearer import CredentialKind, digest_of, new_secret
from service.identity.database import Connection, Database
from service.identity.instants import to_column
from service.identity.sources import Sources

LIFE_US: Final = 12 * 3600 * 1_000_000
PER_USER_MAX: Final = 1_000
"""Beyond it the user's oldest token ends."""

# The row lock makes it one or the other: a password that is being changed, or a user being disabled, is either
# changed before (then nothing is issued) or after (then it waits, and ends this token like the others).
ISSUE: Final = """
    WITH owner AS (
        SELECT id FROM shop.users WHERE id = $2 AND password_hash = $3 AND status = 'active' FOR SHARE
    )
    INSERT INTO shop.tokens (digest, user_id, created_at, expires_at)
    SELECT $1, id, $4, $5 FROM owner
    RETURNING true
"""
END_OLDEST: Final = """
    DELETE FROM shop.tokens
     WHERE digest = (SELECT digest FROM shop.tokens WHERE user_id = $1
                      ORDER BY created_at DESC, digest OFFSET $2 LIMIT 1)
"""
END: Final = "DELETE FROM shop.tokens WHERE digest = $1 RETURNING user_id::text"
END_OF_USER: Final = "DELETE FROM shop.tokens WHERE user_id = $1 AND digest IS DISTINCT FROM $2"
DELETE_EXPIRED: Final = """
    WITH gone AS (
        DELETE FROM shop.tokens WHERE digest IN (
            SELECT digest FROM shop.tokens WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)
        RETURNING 1
    )
    SELECT count(*) FROM gone
"""
_EXPIRED_BATCH: Final = 1_000


class IssuedToken(Struct, frozen=True):
    token: str
    """The secret. It is not kept anywhere."""
    expires_at_us: int


async def end_tokens(connection: Connection, user_id: str, except_digest: bytes | None = None) -> None:
    """Ends the user's tokens, within the transaction that made it necessary and after its statement."""
    await connection.execute(END_OF_USER, user_id, except_digest)


class Tokens:
    """`forget(user_id)` is told of what ends here, which is sooner than the notification comes."""

    def __init__(self, database: Database, sources: Sources, *, forget: Callable[[str], None]) -> None:
        self._database = database
        self._sources = sources
        self._forget = forget

    async def issue(self, user_id: str, password_hash: str) -> IssuedToken | None:
        """A new token for whoever gave the password of this hash; None if it has been changed meanwhile."""
        token = new_secret(CredentialKind.TOKEN, self._sources.random_bytes)
        now_us = self._sources.now_us()
        expires_at_us = now_us + LIFE_US
        async with self._database.writing() as connection:
            is_issued = await connection.fetchval(
                ISSUE, digest_of(token), user_id, password_hash, to_column(now_us), to_column(expires_at_us)
            )
            if is_issued:
                await connection.execute(END_OLDEST, user_id, PER_USER_MAX)
        return IssuedToken(token, expires_at_us) if is_issued else None

    async def end(self, digest: bytes) -> None:
        """Signs out: this token is no credential any more."""
        async with self._database.writing() as connection:
            user_id = await connection.fetchval(END, digest)
        if user_id is not None:
            self._forget(user_id)

    async def delete_expired(self) -> int:
        """Makes room. Nothing depends on it: an expired token is refused whether it is still there or not."""
        count = 0
        while True:
            async with self._database.writing() as connection:
                now = to_column(self._sources.now_us())
                batch: int = await connection.fetchval(DELETE_EXPIRED, now, _EXPIRED_BATCH)
            count += batch
            if batch < _EXPIRED_BATCH:
                return count
