"""A connection that is cut in mid-commit leaves nothing lost and nothing doubled, wherever the cut falls."""

from pathlib import Path

from tests.conftest import Database
from tests.torture.cuts import Cut, cuts

SEED = 1
EACH = 20


async def test_every_cut_of_the_flush_is_resolved(tmp_path: Path, empty_database: Database) -> None:
    """Acknowledged charges are there once, what was answered `not_applied` is not, and no flush that came after
    the epoch had been raised wrote anything."""
    row = await cuts(tmp_path, empty_database.owner_url, SEED, dict.fromkeys(Cut, EACH))
    assert row.faults == []
    assert (row.lost, row.doubled) == (0, 0)
    assert row.done == dict.fromkeys(Cut, EACH)
