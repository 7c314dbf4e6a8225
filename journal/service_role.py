"""The database role that the service acts as: it may append to the journal and read it, nothing more.

`charge_shop_service` cannot log in. Migrations create it and grant it; what it may do stands beside each
table in `migrations/`. The service's connections start as it, so that not even a superuser's URL lets the
service change the journal.

Roles belong to a whole cluster, not to one database: several databases of one cluster share this one, and two
migrations in two databases may be here at the same moment, where no advisory lock reaches. Every step may
therefore find itself overtaken, and is then looked at again.
"""

from typing import Final

import asyncpg

from journal.schema_faults import PrivilegeMissing

SERVICE_ROLE: Final = "charge_shop_service"

_ATTEMPTS: Final = 10

_STATE: Final = f"""
    SELECT session_user::text AS owner,
           (SELECT quote_ident(rolname) FROM pg_roles WHERE rolname = coalesce($1, session_user)) AS member,
           EXISTS (SELECT FROM pg_roles WHERE rolname = '{SERVICE_ROLE}') AS role_exists,
           (SELECT pg_has_role(member.oid, service.oid, 'SET')
              FROM pg_roles member, pg_roles service
             WHERE member.rolname = coalesce($1, session_user)
               AND service.rolname = '{SERVICE_ROLE}') AS may_set
"""
_CREATE: Final = f"CREATE ROLE {SERVICE_ROLE} NOLOGIN"
_GRANT: Final = f"GRANT {SERVICE_ROLE} TO "

_OVERTAKEN: Final = (
    asyncpg.DuplicateObjectError,
    asyncpg.UniqueViolationError,
    asyncpg.InternalServerError,  # "tuple concurrently updated": two GRANTs of one role
)


async def ensure_service_role(connection: asyncpg.Connection, app_user: str | None) -> None:
    """Sees to it that the role exists and that `app_user` (else the connection's own user) may act as it.

    Raises:
        PrivilegeMissing: the connection's user may not create or grant it, or `app_user` does not exist.
    """
    for attempt in range(_ATTEMPTS):
        state = await connection.fetchrow(_STATE, app_user)
        assert state is not None
        if state["may_set"]:
            return
        if state["member"] is None:
            raise PrivilegeMissing(f'there is no database user "{app_user}", whom the service is to connect as')
        statement = _GRANT + state["member"] if state["role_exists"] else _CREATE
        try:
            await connection.execute(statement)
        except asyncpg.InsufficientPrivilegeError:
            needed = "" if state["role_exists"] else f"{_CREATE}; "
            raise PrivilegeMissing(
                f'user "{state["owner"]}" may not prepare the role {SERVICE_ROLE}; as a superuser run: '
                f"{needed}{_GRANT}{state['member']}"
            ) from None
        except _OVERTAKEN:
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError(f"{SERVICE_ROLE} was granted, but cannot be used")
