"""What can go wrong with the embedded PostgreSQL. Each message is one line for the person who started the
command: what is wrong, where, and what to do."""

import errno
from pathlib import Path


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot be used; the message is one line that says why."""


class BackupDamaged(EmbeddedPostgresError):
    """A file of the backup is not what it was when the backup was made: take another backup."""


class BackupFailed(EmbeddedPostgresError):
    """PostgreSQL could not make the backup; the message holds its reason. Nothing is left of it."""


class BinariesMissing(EmbeddedPostgresError):
    """The package that carries PostgreSQL is not installed for this platform: use --database-url."""


class CannotRunAsRoot(EmbeddedPostgresError):
    """PostgreSQL refuses root, and this system allows none of the ways round it: run as a normal user."""


class ClusterGone(EmbeddedPostgresError):
    """The data directory had a shop, and has it no more: put its cluster back, or restore a backup."""


class DataDirectoryInUse(EmbeddedPostgresError):
    """Another process serves from this data directory: stop it, or give another --data-dir."""


class DataDirectoryUnusable(EmbeddedPostgresError):
    """The data directory cannot be written, or belongs to somebody else."""


class DiskFull(EmbeddedPostgresError):
    """No space is left where the data directory is: free some, nothing that was acknowledged is lost."""


class NoCluster(EmbeddedPostgresError):
    """There is no shop in this data directory: give the right --data-dir, or `charge-shop serve` first."""


class RestoreUnfinished(EmbeddedPostgresError):
    """A restore into this data directory was interrupted: run it again."""


class StartFailed(EmbeddedPostgresError):
    """PostgreSQL ended instead of starting; the message holds what its log said last."""


class WrongPostgresVersion(EmbeddedPostgresError):
    """The data directory was made by another major version of PostgreSQL: upgrade it with pg_upgrade."""


def unusable(path: Path, error: OSError) -> EmbeddedPostgresError:
    """What an OSError on a file of the data directory means to the person who named that directory."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"no space is left on the device of {path}")
    return DataDirectoryUnusable(f"cannot use {path}: {error.strerror or error}")
