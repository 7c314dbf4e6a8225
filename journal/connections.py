"""What it means when a connection to the database fails."""

from typing import Final

import asyncpg

CONNECTION_FAULTS: Final = (
    OSError,  # TimeoutError is one
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the connection went away between two states of its protocol
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutting down, starting up, terminated
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,  # the server's own input and output
    asyncpg.ReadOnlySQLTransactionError,  # demoted to a replica
)
"""Faults of the connection or the server, after which the same statement may be tried again; not of the statement."""
