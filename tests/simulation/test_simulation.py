"""The promises of the core hold in every seed, all of its lines are reached, and a seed can be replayed."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SEEDS = 2_000


def _simulation(*arguments: str, hash_seed: str = "random") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.simulation", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=False,
    )


def test_nothing_is_lost_doubled_or_shown_too_early_in_any_seed() -> None:
    """And no fault, no way of recovery and no line of the core stays untried."""
    run = _simulation("--seeds", str(SEEDS))
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{SEEDS:,} seeds" in run.stdout, run.stdout


def test_a_seed_replays_to_the_last_byte_of_its_history() -> None:
    """In another process, whose strings have other hashes to begin with."""
    first, second = (_simulation("--verbose", "--start", "30", "--seeds", "10", hash_seed=seed) for seed in ("1", "2"))
    assert first.stdout == second.stdout
    assert first.stdout.count(" history ") == 10, first.stdout + first.stderr
