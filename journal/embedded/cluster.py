"""Makes the database cluster, and writes the settings that this service runs it with.

A cluster appears under its final name only when it is complete: a crash in the middle leaves nothing that
looks like one. Settings are written anew before every launch; an operator's own go into postgresql.auto.conf
(ALTER SYSTEM), which wins.
"""

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from journal.embedded.errors import DiskFull, StartFailed, unusable
from journal.embedded.launch import Launch
from journal.embedded.layout import OWNER_ROLE, Layout, Passwords, write_private

SETTINGS_FILE = "charge_shop.conf"
DISK_FULL_TEXT = "No space left on device"
MIB = 1024 * 1024

# Nobody is trusted for being on this machine: the password decides, for backups (replication) too.
HBA = "local all all scram-sha-256\nlocal replication all scram-sha-256\n"

SETTINGS: Mapping[str, str] = {
    "cluster_name": "charge_shop",
    # The socket is the only way in.
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "password_encryption": "scram-sha-256",
    "max_connections": "60",
    # An acknowledged charge has been synced: these two are the promise of the service.
    "fsync": "on",
    "synchronous_commit": "on",
    # Few checkpoints, since each makes the next write of every page a full one.
    "max_wal_size": "2GB",
    "min_wal_size": "256MB",
    # A backup that begins finds its first log still there, though others' checkpoints come between.
    "wal_keep_size": "128MB",
    "checkpoint_timeout": "15min",
    # Statements are short; compiling them costs more than it gains.
    "jit": "off",
    "timezone": "UTC",
    # One log per day of the week, each overwritten when its day comes again.
    "logging_collector": "on",
    "log_filename": "postgres-%a.log",
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
    "log_truncate_on_rotation": "on",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_startup_progress_interval": "2s",
}


def make_cluster(layout: Layout, launch: Launch, programs: Path, passwords: Passwords) -> None:
    """Run initdb; blocking, about two seconds. Raises DiskFull, StartFailed, DataDirectoryUnusable."""
    unfinished = layout.server_dir / "cluster.new"
    password_file = layout.server_dir / "password.new"
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        write_private(password_file, passwords.owner, launch.uid, launch.gid)
        outcome = launch.run(
            [
                str(programs / "initdb"),
                f"--pgdata={unfinished}",
                f"--username={OWNER_ROLE}",
                f"--pwfile={password_file}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--data-checksums",
            ]
        )
        if outcome.returncode != 0:
            lines = [line.strip() for line in outcome.stderr.splitlines() if line.strip()]
            if any(DISK_FULL_TEXT in line for line in lines):
                raise DiskFull(f"no space is left on the device of {layout.data_dir}")
            reason = next((line for line in lines if "error:" in line or "FATAL" in line), "no reason given")
            raise StartFailed(f"PostgreSQL could not make a cluster in {unfinished}: {reason}")
        write_private(unfinished / "pg_hba.conf", HBA, launch.uid, launch.gid)
        with open(unfinished / "postgresql.conf", "a") as configuration:
            configuration.write(f"\ninclude = '{SETTINGS_FILE}'\n")
            configuration.flush()
            os.fsync(configuration.fileno())
        unfinished.rename(layout.cluster)
    except OSError as error:
        raise unusable(layout.server_dir, error) from error
    finally:
        password_file.unlink(missing_ok=True)
        shutil.rmtree(unfinished, ignore_errors=True)


def write_settings(layout: Layout, launch: Launch, socket_dir: Path, overrides: Mapping[str, str]) -> None:
    settings = {
        **SETTINGS,
        "shared_buffers": f"{_shared_buffers_mib()}MB",
        "recovery_init_sync_method": "syncfs" if _syncfs_reports_errors() else "fsync",
        "log_directory": str(layout.log_dir),
        "unix_socket_directories": '"' + str(socket_dir).replace('"', '""') + '"',
        **overrides,
    }
    lines = [f"{name} = '{_escaped(value)}'\n" for name, value in settings.items()]
    text = "# Written by charge-shop at every start; for settings of your own use ALTER SYSTEM.\n" + "".join(lines)
    try:
        write_private(layout.cluster / SETTINGS_FILE, text, launch.uid, launch.gid)
    except OSError as error:
        raise unusable(layout.cluster, error) from error


def _escaped(value: str) -> str:
    """As a quoted value of postgresql.conf."""
    return value.replace("\\", "\\\\").replace("'", "''")


def _syncfs_reports_errors() -> bool:
    """One sync of the file system before a recovery, not one per file: seconds less without service. Linux tells of
    what could not be written since 5.8, see recovery_init_sync_method in PostgreSQL's documentation."""
    system = os.uname()
    version = re.match(r"(\d+)\.(\d+)", system.release)
    return system.sysname == "Linux" and version is not None and (int(version[1]), int(version[2])) >= (5, 8)


def _shared_buffers_mib() -> int:
    """256 MiB, less on machines with little memory."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(32, min(256, memory // MIB // 8))
