"""Who comes and goes leaves nothing behind."""

from pathlib import Path

from tests.torture.soak import soak

SEED = 1


async def test_sellers_come_and_go_and_nothing_grows(tmp_path: Path) -> None:
    """A few times more sellers than may be in memory."""
    row = await soak(tmp_path, SEED, 400, 2, lambda text: None)
    assert row.faults == []
    assert row.figures["actors_loaded"] <= 100
