"""Why a database cannot be used as it is: one line each for the operator, never with a password in it."""


class SchemaFault(Exception):
    """The database, as it is, does not fit this release. The start must end here, with the message."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class DatabaseUnreachable(SchemaFault):
    """No connection came about, or it was lost: look at the address, the credentials, and whether the server runs."""


class DatabaseUnsuitable(SchemaFault):
    """The server is too old, does not store UTF-8, or is a read-only replica; or the database is another program's."""


class DatabaseNewer(SchemaFault):
    """A later release has migrated this database: run that release, this one does not know what changed."""


class NotMigrated(SchemaFault):
    """Migrations of this release have not been applied: run `charge-shop migrate` as the owner."""


class MigrationChanged(SchemaFault):
    """A migration file is not what was applied under its number: the file is wrong, not the database."""


class MigrationFailed(SchemaFault):
    """A migration's statements were refused. Its transaction was rolled back; those before it stand."""


class PrivilegeMissing(SchemaFault):
    """The user lacks a privilege; the message says who has to grant what."""
