"""Users: rows of `shop.users`. A seller's user is made by `sellers`, together with the seller.

Usernames are 1 to 100 of ASCII letters, digits and `@ . + - _`, and unique whatever their case.
"""

import re
from collections.abc import Callable
from typing import Final, Literal, TypeAlias

import asyncpg
from msgspec import Struct

from journal.ids import new_id
from service.identity.database import Connection, Database
from service.identity.instants import of_column, to_column
from service.identity.page import FIRST, Position
from service.identity.passwords import MayGoOn, Passwords, always
from service.identity.refusals import LAST_ADMIN, NO_SUCH_USER, USERNAME_TAKEN, IdentityRefusal
from service.identity.sources import Sources
from service.identity.tokens import end_tokens

Role: TypeAlias = Literal["admin", "seller"]
Status: TypeAlias = Literal["active", "disabled"]

_USERNAME: Final = re.compile(r"[A-Za-z0-9@.+_-]{1,100}", re.ASCII)

_COLUMNS: Final = "id::text, username, role, status, password_hash, created_at"

FIND_BY_NAME: Final = f"SELECT {_COLUMNS} FROM shop.users WHERE lower(username) = $1"
FIND: Final = f"SELECT {_COLUMNS} FROM shop.users WHERE id = $1"
INSERT: Final = """
    INSERT INTO shop.users (id, username, role, password_hash, created_at) VALUES ($1, $2, $3, $4, $5)
"""
LIST_ADMINS: Final = f"""
    SELECT {_COLUMNS} FROM shop.users
     WHERE role = 'admin' AND (created_at, id) < ($1, $2)
     ORDER BY created_at DESC, id DESC LIMIT $3
"""
# All active admins, always in one order: two who disable each other at once come one after the other, and the
# second finds itself to be the last.
LOCK_ACTIVE_ADMINS: Final = """
    SELECT id::text FROM shop.users WHERE role = 'admin' AND status = 'active' ORDER BY id FOR NO KEY UPDATE
"""
SET_ADMIN_STATUS: Final = f"""
    UPDATE shop.users SET status = $2 WHERE id = $1 AND role = 'admin' RETURNING {_COLUMNS}
"""
SET_PASSWORD: Final = "UPDATE shop.users SET password_hash = $2 WHERE id = $1 AND role = coalesce($3, role)"
REPLACE_PASSWORD: Final = """
    UPDATE shop.users SET password_hash = $3 WHERE id = $1 AND password_hash = $2 RETURNING true
"""


class User(Struct, frozen=True):
    id: str
    username: str
    role: Role
    status: Status
    password_hash: str
    created_at_us: int


def is_username(text: str) -> bool:
    return _USERNAME.fullmatch(text) is not None


class Users:
    """`forget(user_id)` is told whose credentials end here, which is sooner than the notification comes.

    Passwords have passed `passwords.password_fault` and usernames `is_username`.
    """

    def __init__(
        self,
        database: Database,
        passwords: Passwords,
        sources: Sources,
        *,
        forget: Callable[[str], None],
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._sources = sources
        self._forget = forget

    async def find(self, user_id: str) -> User | None:
        async with self._database.reading() as connection:
            row = await connection.fetchrow(FIND, user_id)
        return _user_of(row) if row is not None else None

    async def find_by_name(self, username: str) -> User | None:
        if not is_username(username):
            return None
        async with self._database.reading() as connection:
            row = await connection.fetchrow(FIND_BY_NAME, username.lower())
        return _user_of(row) if row is not None else None

    async def create_admin(self, username: str, password: str, may_go_on: MayGoOn = always) -> User | IdentityRefusal:
        password_hash = await self._passwords.hash(password, may_go_on)
        now_us = self._sources.now_us()
        user = User(new_id(now_us, self._sources.random_bytes), username, "admin", "active", password_hash, now_us)
        try:
            async with self._database.writing() as connection:
                await insert_user(connection, user)
        except asyncpg.UniqueViolationError as clash:
            if clash.constraint_name != "users_username":
                raise
            return USERNAME_TAKEN
        return user

    async def list_admins(self, *, limit: int, before: Position = FIRST) -> list[User]:
        """Newest first."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(LIST_ADMINS, before.at, before.id, limit)
        return [_user_of(row) for row in rows]

    async def set_admin_status(self, user_id: str, status: Status) -> User | IdentityRefusal:
        """Enables or disables an admin; disabling ends their tokens. One active admin always remains."""
        async with self._database.writing() as connection:
            if status == "disabled":
                active = [row["id"] for row in await connection.fetch(LOCK_ACTIVE_ADMINS)]
                if active == [user_id]:
                    return LAST_ADMIN
            row = await connection.fetchrow(SET_ADMIN_STATUS, user_id, status)
            if row is None:
                return NO_SUCH_USER
            if status == "disabled":
                await end_tokens(connection, user_id)
        self._forget(user_id)
        return _user_of(row)

    async def reset_password(
        self, user_id: str, new_password: str, may_go_on: MayGoOn = always, *, role: Role | None = None
    ) -> IdentityRefusal | None:
        """Sets a password without knowing the old one; all tokens of the user end. `role`: only of such a user."""
        new_hash = await self._passwords.hash(new_password, may_go_on)
        async with self._database.writing() as connection:
            if await connection.execute(SET_PASSWORD, user_id, new_hash, role) == "UPDATE 0":
                return NO_SUCH_USER
            await end_tokens(connection, user_id)
        self._forget(user_id)
        return None

    async def replace_password(self, user_id: str, old_hash: str, new_hash: str, *, surviving_token: bytes) -> bool:
        """Sets a password if nobody else has meanwhile; all tokens of the user but one end."""
        async with self._database.writing() as connection:
            if not await connection.fetchval(REPLACE_PASSWORD, user_id, old_hash, new_hash):
                return False
            await end_tokens(connection, user_id, except_digest=surviving_token)
        self._forget(user_id)
        return True

    async def refresh_hash(self, user_id: str, old_hash: str, new_hash: str) -> bool:
        """Stores the same password under today's parameters, if it is still the password. Ends nothing."""
        async with self._database.writing() as connection:
            return bool(await connection.fetchval(REPLACE_PASSWORD, user_id, old_hash, new_hash))


async def insert_user(connection: Connection, user: User) -> None:
    """Raises asyncpg.UniqueViolationError of `users_username` or `users_pkey`."""
    await connection.execute(
        INSERT, user.id, user.username, user.role, user.password_hash, to_column(user.created_at_us)
    )


def _user_of(row: asyncpg.Record) -> User:
    return User(
        id=row["id"],
        username=row["username"],
        role=row["role"],
        status=row["status"],
        password_hash=row["password_hash"],
        created_at_us=of_column(row["created_at"]),
    )
