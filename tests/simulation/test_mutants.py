"""The simulation can fail: every bug that is planted is found, and a bug that cannot be planted any more is noticed."""

import os
import subprocess
import sys
from pathlib import Path

from tests.simulation.mutants import MUTANTS

ROOT = Path(__file__).parents[2]


def test_every_planted_bug_is_found() -> None:
    command = [sys.executable, "-m", "tests.simulation", "--mutants", "--seeds", "30000"]
    run = subprocess.run(command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{len(MUTANTS)} of {len(MUTANTS)} killed" in run.stdout, run.stdout


def test_every_invariant_of_the_design_has_a_planted_bug() -> None:
    """The promises 1 to 8 of docs/guarantees.md."""
    assert {mutant.invariant for mutant in MUTANTS} >= set(range(1, 9))
