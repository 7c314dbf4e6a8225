"""A database that stands still costs time, and nothing else."""

from pathlib import Path

import pytest

from tests.torture.away import can_mount, disk_full, stopped

SEED = 1


async def test_a_stopped_database_is_waited_for_in_bounds_and_nothing_is_lost(tmp_path: Path) -> None:
    """Every request is answered, and the service goes on without a restart."""
    row = await stopped(tmp_path, SEED, 10.0, 1)
    assert row.faults == []
    assert (row.lost, row.doubled) == (0, 0)


@pytest.mark.skipif(not can_mount(), reason="a small disk of the test's own takes root and a mount namespace")
async def test_a_full_disk_refuses_charges_and_works_again_when_there_is_room(tmp_path: Path) -> None:
    """What was acknowledged while the disk filled up is there; what was answered 503 is not."""
    row = await disk_full(tmp_path, SEED, 1)
    assert row.faults == []
    assert (row.lost, row.doubled) == (0, 0)
    assert row.figures["answered_503"] > 0
