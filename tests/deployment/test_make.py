"""The Makefile as a new user meets it: what is installed goes into its own folder."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_pip_installs_into_the_folder_wherever_it_does_by_default(tmp_path: Path) -> None:
    """With PIP_USER pip refuses to install into a virtual environment, with PIP_TARGET it installs elsewhere."""
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / ".made").touch()
    python, seen = venv / "bin" / "python", tmp_path / "seen"
    python.write_text(f"#!/bin/sh\nenv | grep ^PIP_ >> {seen}\n")
    python.chmod(0o700)
    defaults = {"PIP_USER": "1", "PIP_TARGET": "/elsewhere", "PIP_PREFIX": "/elsewhere", "PIP_INDEX_URL": "a mirror"}
    subprocess.run(["make", f"VENV={venv}", f"{venv}/.runtime"], cwd=ROOT, env=os.environ | defaults, check=True)
    asked = set(seen.read_text().splitlines())
    assert {"PIP_USER=0", "PIP_INDEX_URL=a mirror"} <= asked
    assert not [line for line in asked if "elsewhere" in line]
