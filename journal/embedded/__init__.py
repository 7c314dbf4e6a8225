"""The embedded PostgreSQL: a server that comes with the package, runs under the data directory and is looked
after by us, so that the shop needs nothing installed and still has the real thing beneath it, fsync on.

    errors        what can go wrong, one clear line each
    binaries      where the programs are
    locks         who may run, start and stop the server
    unprivileged  runs a program without root's powers (a script of its own)
    launch        decides whether that is needed, and how
    layout        the files of a data directory: paths, passwords, socket folder
    cluster       makes a new cluster, writes its settings
    postmaster    one running server process: found, launched, waited for, shut down
    server_log    what that process says, for progress and for reasons
    roles         the database and its two login roles
    base_backup   a copy of a running cluster, and the way back from it
    restoring     a data directory made of such a copy, which appears when it is complete
    server        EmbeddedPostgres, which ties them together
"""

from journal.embedded.base_backup import make_base_backup
from journal.embedded.binaries import bin_dir
from journal.embedded.errors import (
    BackupDamaged,
    BackupFailed,
    BinariesMissing,
    CannotRunAsRoot,
    DataDirectoryInUse,
    DataDirectoryUnusable,
    DiskFull,
    EmbeddedPostgresError,
    NoCluster,
    RestoreUnfinished,
    StartFailed,
    WrongPostgresVersion,
)
from journal.embedded.layout import APP_ROLE
from journal.embedded.restoring import restored
from journal.embedded.server import EmbeddedPostgres, running

__all__ = [
    "APP_ROLE",
    "BackupDamaged",
    "BackupFailed",
    "BinariesMissing",
    "CannotRunAsRoot",
    "DataDirectoryInUse",
    "DataDirectoryUnusable",
    "DiskFull",
    "EmbeddedPostgres",
    "EmbeddedPostgresError",
    "NoCluster",
    "RestoreUnfinished",
    "StartFailed",
    "WrongPostgresVersion",
    "bin_dir",
    "make_base_backup",
    "restored",
    "running",
]
