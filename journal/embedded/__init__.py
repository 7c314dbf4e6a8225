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
    server        EmbeddedPostgres, which ties them together
"""

from journal.embedded.binaries import bin_dir
from journal.embedded.errors import (
    BinariesMissing,
    CannotRunAsRoot,
    DataDirectoryInUse,
    DataDirectoryUnusable,
    DiskFull,
    EmbeddedPostgresError,
    NoCluster,
    StartFailed,
    WrongPostgresVersion,
)
from journal.embedded.layout import APP_ROLE
from journal.embedded.server import EmbeddedPostgres, running

__all__ = [
    "APP_ROLE",
    "BinariesMissing",
    "CannotRunAsRoot",
    "DataDirectoryInUse",
    "DataDirectoryUnusable",
    "DiskFull",
    "EmbeddedPostgres",
    "EmbeddedPostgresError",
    "NoCluster",
    "StartFailed",
    "WrongPostgresVersion",
    "bin_dir",
    "running",
]
