"""A process that is killed under load, the service or its database, takes nothing with it."""

from pathlib import Path

import pytest

from tests.torture.kills import Victim, kills

SEED = 1
COUNT = 5


@pytest.mark.parametrize(
    "victims", [(Victim.SERVICE,), (Victim.POSTMASTER, Victim.BACKEND)], ids=["service", "postgres"]
)
async def test_killed_under_load_nothing_is_lost_or_doubled(tmp_path: Path, victims: tuple[Victim, ...]) -> None:
    """And the customers are served again without anybody's help but a new start of the service."""
    row = await kills(tmp_path, SEED, victims, COUNT)
    assert row.faults == []
    assert (row.lost, row.doubled) == (0, 0)
    assert sum(row.done.values()) == COUNT
