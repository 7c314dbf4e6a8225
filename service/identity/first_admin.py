"""The first admin: on an empty database somebody must be able to sign in."""

import secrets
from typing import Final

from journal.ids import new_id
from service.identity.database import Database
from service.identity.passwords import Passwords
from service.identity.sources import Sources
from service.identity.users import User, insert_user

USERNAME: Final = "admin"

ANY_USER: Final = "SELECT EXISTS (SELECT FROM shop.users)"
# Two instances may start on one empty database: one makes the admin, the other waits here and finds it made.
LOCK: Final = "SELECT pg_advisory_xact_lock(7162257305424228979)"


async def ensure_first_admin(
    database: Database, passwords: Passwords, sources: Sources, *, password: str | None
) -> str | None:
    """Makes the user `admin` if there is no user at all, with `password` or else one that is made up.

    Returns the made-up password, to be shown once; None when there is nothing to show.
    """
    async with database.reading() as connection:
        if await connection.fetchval(ANY_USER):
            return None
    chosen = secrets.token_urlsafe(15) if password is None else password
    password_hash = await passwords.hash(chosen)
    created_at_us = sources.now_us()
    admin = User(new_id(created_at_us, sources.random_bytes), USERNAME, "admin", "active", password_hash, created_at_us)
    async with database.writing() as connection:
        await connection.execute(LOCK)
        if await connection.fetchval(ANY_USER):
            return None
        await insert_user(connection, admin)
    return chosen if password is None else None
