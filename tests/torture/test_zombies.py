"""An owner that was stopped and is no longer the owner when it wakes up writes nothing and shows nothing."""

from pathlib import Path

from tests.conftest import Database
from tests.torture.zombies import zombies

SEED = 1
COUNT = 3


async def test_a_former_owner_writes_nothing_and_shows_nothing_stale(tmp_path: Path, empty_database: Database) -> None:
    """Nor is anything lost or doubled that was on its way through it."""
    row = await zombies(tmp_path, empty_database.owner_url, SEED, COUNT)
    assert row.faults == []
    assert (row.lost, row.doubled, row.stale_reads) == (0, 0, 0)
    assert sum(row.done.values()) == COUNT
