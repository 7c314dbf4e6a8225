"""Too much of one seller costs the others little, and the service no work but that of telling it so."""

from pathlib import Path

import pytest

from tests.torture.overload import overload

SEED = 1


@pytest.mark.alone
async def test_a_flood_is_refused_in_part_and_stands_in_nobodys_way(tmp_path: Path) -> None:
    """Here after all other tests, so by time on the processor, and against the wait that the flood itself has: in one
    queue with it the quiet seller would wait as long. Each flood is longer than the longest wait for a refusal, and the
    one in the middle of three counts: a machine may be half as fast for seconds. The bounds proper are the
    programme's."""
    row = await overload(tmp_path, SEED, 3.0, rounds=3, peak_s=1.5, peak_connections=(256,))
    relative = ("goodput was", "the quiet seller's p99", "memory grew")
    assert [fault for fault in row.faults if not fault.startswith(relative)] == []
    assert row.figures["goodput_of_peak_by_cpu_time"] > 0.6, row.figures
    assert row.figures["quiet_p99_ms"] < row.figures["flood_mean_wait_ms"], row.figures
