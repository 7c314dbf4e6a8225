"""The folder of a backup of the embedded database.

    backup.json    when, by which release, of how much: `Manifest`
    heads          every seller's last seq and hash, as `charge-shop heads` writes them, read before the copy began:
                   all that they tell of is in it
    pgpass         the passwords that fit the cluster
    cluster/       the copy, with the checksum of each file

It gets its name when it is complete. Whoever may read it may sign in to the database that is made of it: 0700.
"""

import os
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

FORMAT: Final = 1


class NotABackup(Exception):
    """The folder was not made by `charge-shop backup`, or not by a release that this one knows; the text says why."""


class Manifest(Struct, frozen=True):
    format: int
    made_at: datetime
    """Before the copy began: what was acknowledged until then is in it."""
    release: str
    postgres: int
    """Major version."""
    sellers: int


class BackupFolder:
    """Paths in the folder; the methods touch the disk and block briefly."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.manifest = self.path / "backup.json"
        self.heads = self.path / "heads"
        self.pgpass = self.path / "pgpass"
        self.cluster = self.path / "cluster"

    def read_manifest(self) -> Manifest:
        """Raises NotABackup."""
        try:
            manifest = msgspec.json.decode(self.manifest.read_bytes(), type=Manifest)
        except OSError as error:
            raise NotABackup(
                f"{self.path} is not a backup made by `charge-shop backup`: {self.manifest.name}: {error.strerror}"
            ) from None
        except msgspec.MsgspecError as error:
            raise NotABackup(f"{self.manifest} is not what `charge-shop backup` writes: {error}") from None
        if manifest.format != FORMAT:
            raise NotABackup(f"{self.path} was made by release {manifest.release}: restore it with that one")
        return manifest

    def write(self, path: Path, content: bytes) -> None:
        """A new file, private and durable."""
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
