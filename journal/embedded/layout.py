"""The files of a data directory, and what must be true of them before a server may start.

lock, mutex, users, alive   see locks
pgpass                the passwords of both roles, 0600, in libpq's own format, for PGPASSFILE=
postgres/             all that the server writes, 0700 and owned by the user that it runs as
    cluster/          the database cluster
    log/              its log, one file per day of the week
    run/              the folder of its socket, when the path is short enough for one
socket-dir            otherwise: where that folder is, and for which data directory
restoring/            a data directory in the making, see restoring; it becomes this one when it is complete
"""

import os
import secrets
import shutil
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from journal.embedded.binaries import MAJOR_VERSION
from journal.embedded.errors import (
    ClusterGone,
    DataDirectoryUnusable,
    NoCluster,
    RestoreUnfinished,
    WrongPostgresVersion,
    unusable,
)
from journal.embedded.launch import Launch, nobody_uid

PORT = 5432  # of the socket's name only: nothing listens on the network
OWNER_ROLE = "charge_shop_owner"
APP_ROLE = "charge_shop_app"
SOCKET_PATH_MAX = 103  # bytes; sockaddr_un has 108 on Linux and 104 elsewhere, with its final zero


@dataclass(frozen=True)
class Passwords:
    owner: str
    app: str

    def __repr__(self) -> str:
        return "Passwords(...)"


class Layout:
    """Paths under one data directory; the methods touch the disk and block briefly."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.absolute()
        self.lock = self.data_dir / "lock"
        self.mutex = self.data_dir / "mutex"
        self.users = self.data_dir / "users"
        self.alive = self.data_dir / "alive"
        self.pgpass = self.data_dir / "pgpass"
        self.server_dir = self.data_dir / "postgres"
        self.cluster = self.server_dir / "cluster"
        self.log_dir = self.server_dir / "log"
        self.startup_log = self.log_dir / "startup.log"
        self.restoring = self.data_dir / "restoring"
        self._socket_note = self.data_dir / "socket-dir"

    def make_data_dir(self) -> None:
        try:
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise unusable(self.data_dir, error) from error

    @property
    def has_cluster(self) -> bool:
        try:
            return (self.cluster / "PG_VERSION").exists()
        except OSError as error:
            raise unusable(self.cluster, error) from error

    def require_restored(self) -> None:
        """Raise RestoreUnfinished where a restore has not come to its end: an empty shop must not take its place."""
        if not self.has_cluster and self.restoring.exists():
            raise RestoreUnfinished(
                f"a restore into {self.data_dir} is under way or was interrupted: run `charge-shop restore` again, "
                f"or delete {self.restoring}"
            )

    def require_what_was_there(self) -> None:
        """Raise ClusterGone where a server has run whose cluster is not there any more (it was moved, its disk is not
        mounted): an empty shop must not take its place."""
        if not self.has_cluster and self.alive.exists():
            raise ClusterGone(
                f"the shop of {self.data_dir} is gone: put {self.cluster} back, or give another --data-dir"
            )

    def require_cluster(self) -> None:
        self.require_restored()
        if not self.has_cluster:
            raise NoCluster(
                f"there is no shop in {self.data_dir}: give the right --data-dir, or run `charge-shop serve` first"
            )

    def check_version(self) -> None:
        """Raise WrongPostgresVersion unless there is no cluster yet, or one of our version."""
        if not self.has_cluster:
            return
        version = (self.cluster / "PG_VERSION").read_text(errors="replace").strip()
        if version != str(MAJOR_VERSION):
            raise WrongPostgresVersion(
                f"{self.cluster} was made by PostgreSQL {version}, this release carries {MAJOR_VERSION}: "
                "upgrade it with pg_upgrade, or dump it with the release that made it"
            )

    def make_server_dirs(self, launch: Launch) -> None:
        """Make what is missing and give all of it to the user that the server runs as."""
        try:
            for folder in (self.server_dir, self.log_dir):
                folder.mkdir(mode=0o700, exist_ok=True)
            owner = self.server_dir.stat().st_uid
            if owner != launch.uid:
                if os.geteuid() != 0 or owner not in (0, nobody_uid()):
                    raise DataDirectoryUnusable(
                        f"{self.server_dir} belongs to user {owner}, this is user {os.geteuid()}: run as that user"
                    )
                self._give_to(launch)
            if self.server_dir.stat().st_mode & 0o077:
                self.server_dir.chmod(0o700)
        except OSError as error:
            raise unusable(self.server_dir, error) from error

    def passwords(self) -> Passwords:
        """The passwords of both roles, made on first use. Never logged, never in a process's arguments."""
        try:
            if not self.pgpass.exists():
                if self.has_cluster:
                    raise DataDirectoryUnusable(f"{self.pgpass} is missing: restore it from the backup")
                self._write_passwords()
            if self.pgpass.stat().st_mode & 0o077:
                # As when it was put back by hand. The programs of PostgreSQL pass over a file that others may read.
                with suppress(PermissionError):  # It is somebody else's.
                    self.pgpass.chmod(0o600)
            fields = [line.split(":") for line in self.pgpass.read_text(errors="replace").splitlines()]
            by_role = {field[3]: field[4] for field in fields if len(field) == 5}
            return Passwords(by_role[OWNER_ROLE], by_role[APP_ROLE])
        except KeyError as error:
            raise DataDirectoryUnusable(f"{self.pgpass} has no line for {error}: restore it from the backup") from error
        except OSError as error:
            raise unusable(self.pgpass, error) from error

    def socket_dir(self, launch: Launch) -> Path:
        """A private folder for the socket, under the data directory if a socket's path may be that long."""
        try:
            own = self.server_dir / "run"
            if _fits(own):
                own.mkdir(mode=0o700, exist_ok=True)
                os.chown(own, launch.uid, launch.gid)
                return own
            noted = self._noted_socket_dir()
            if noted is not None and _is_private(noted, launch.uid):
                return noted
            short = _make_short_dir()
            os.chown(short, launch.uid, launch.gid)
            self._socket_note.write_text(f"{self._identity()} {short}")
            return short
        except OSError as error:
            raise unusable(self.data_dir, error) from error

    def _noted_socket_dir(self) -> Path | None:
        """The folder made before. Only the data directory that it was made for may use it: the note is copied with the
        rest, and the server of a copy would take the socket away from that of the original, whose service would then
        sell into the copy."""
        if not self._socket_note.exists():
            return None
        identity, _, folder = self._socket_note.read_text().partition(" ")
        return Path(folder) if identity == self._identity() else None

    def _identity(self) -> str:
        """Of the data directory: it keeps it when it is moved, and no copy has the same."""
        status = self.data_dir.stat()
        return f"{status.st_dev}:{status.st_ino}"

    def _write_passwords(self) -> None:
        lines = [f"*:*:*:{role}:{secrets.token_hex(24)}\n" for role in (OWNER_ROLE, APP_ROLE)]
        write_private(self.pgpass, "".join(lines))

    def _give_to(self, launch: Launch) -> None:
        """Root only. Files first, their folder last: a folder that has the right owner is done entirely."""
        for folder, _, files in os.walk(self.server_dir, topdown=False):
            for name in files:
                os.chown(Path(folder, name), launch.uid, launch.gid, follow_symlinks=False)
            os.chown(folder, launch.uid, launch.gid, follow_symlinks=False)


def write_private(path: Path, text: str, uid: int = -1, gid: int = -1) -> None:
    """Replaces a file, 0600, in one step. It becomes that user's and group's; by default it is ours."""
    unfinished = path.with_name(path.name + ".tmp")
    unfinished.unlink(missing_ok=True)
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
        os.fchown(file.fileno(), uid, gid)
    unfinished.rename(path)


def sync_folder(folder: Path) -> None:
    """So that names given in it stay given."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _fits(folder: Path) -> bool:
    """Whether a socket may have that path, and a URL name it: drivers take a comma for the end of a host."""
    return "," not in str(folder) and len(os.fsencode(folder / f".s.PGSQL.{PORT}")) <= SOCKET_PATH_MAX


def _is_private(folder: Path, uid: int) -> bool:
    try:
        status = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == uid and stat.S_IMODE(status.st_mode) == 0o700


def _make_short_dir() -> Path:
    """A fresh 0700 folder whose name nobody can have guessed, where sockets' paths are short."""
    for parent in (tempfile.gettempdir(), "/tmp"):
        if os.access(parent, os.W_OK | os.X_OK):
            folder = Path(tempfile.mkdtemp(prefix="charge-shop-", dir=parent))
            if _fits(folder):
                return folder
            shutil.rmtree(folder)
    raise DataDirectoryUnusable("no folder for the server's socket has a path that is short enough: set TMPDIR")
