"""The database and its two login roles, made when they are missing.

The owner (a superuser of this private server) migrates and backs up. The application's role may sign in and
nothing else until a migration grants it the service's rights.
"""

import asyncpg

from journal.embedded.errors import DataDirectoryUnusable, DiskFull, StartFailed
from journal.embedded.layout import APP_ROLE, OWNER_ROLE


async def ensure_database_and_roles(maintenance_url: str, database: str, app_password: str) -> None:
    """Idempotent; each statement stands for itself, so a crash in between is mended by the next start.
    Raises DataDirectoryUnusable, DiskFull or StartFailed."""
    try:
        await _ensure(maintenance_url, database, app_password)
    except asyncpg.InvalidPasswordError as error:
        raise DataDirectoryUnusable(
            "the file pgpass does not fit the cluster beside it: restore both from one backup"
        ) from error
    except asyncpg.DiskFullError as error:
        raise DiskFull("no space is left on the device of the data directory") from error
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise StartFailed(f"PostgreSQL started, but could not be prepared: {error}") from error


async def _ensure(maintenance_url: str, database: str, app_password: str) -> None:
    connection = await asyncpg.connect(
        maintenance_url,
        # A failed statement must not leave the password in the server's log.
        server_settings={"log_min_error_statement": "panic"},
    )
    try:
        if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", APP_ROLE):
            # A role is not created with parameters; the password is hexadecimal digits of our own making.
            assert app_password.isalnum(), "a password that needs no quoting"
            await connection.execute(f"CREATE ROLE {APP_ROLE} LOGIN PASSWORD '{app_password}'")
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", database):
            await connection.execute(f'CREATE DATABASE "{database}" OWNER {OWNER_ROLE}')
    finally:
        await connection.close()
