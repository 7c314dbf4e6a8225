"""`make bench`, its quick form: it promises nothing about speed, but everything is measured and nothing is refused."""

import asyncio
import os
import shutil
import subprocess
import sys

import msgspec
import pytest

from loadtest.bench.result import Result
from loadtest.bench.rounds import SHARES_OF_PEAK
from loadtest.bench.workloads import WORKLOADS


async def bench(*arguments: str, path: str | None = None) -> tuple[int, str]:
    """Exit status and output of `python -m loadtest.bench`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loadtest.bench", *arguments),
        env=os.environ | ({} if path is None else {"PATH": path}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


@pytest.mark.alone
@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk, which makes the load, is not installed")
async def test_the_quick_form_measures_everything_and_every_request_is_answered(tmp_path):
    status, output = await bench("--quick", "--out", str(tmp_path))
    assert status == 0, output
    found = msgspec.json.decode((tmp_path / "bench.json").read_bytes(), type=Result)
    assert [each.name for each in found.measurements] == [workload.name for workload in WORKLOADS]
    assert all(each.charges_per_s > 0 and each.faults == 0 for each in found.measurements), output
    assert [each.share_of_peak for each in found.latencies] == list(SHARES_OF_PEAK)
    assert all(each.p50_ms > 0 and each.faults == 0 for each in found.latencies), output
    assert len(found.comparisons) == 13
    assert [check.fault for check in found.checks] == [None, None, None]
    assert (tmp_path / "bench.html").read_text().count("<svg") == 3
    assert sorted(file.name for file in tmp_path.iterdir()) == ["bench.html", "bench.json"]


async def test_without_wrk_it_says_so_in_one_line(tmp_path):
    status, output = await bench("--quick", "--out", str(tmp_path), path="/nowhere")
    assert status == 2
    assert output == "wrk, which makes the load, is not installed: apt-get install wrk\n"


@pytest.mark.parametrize(
    "arguments", [["--rounds", "0"], ["--seconds", "1.5"], ["--only", "everything"], ["--only", "latency"]]
)
async def test_a_wish_that_makes_no_sense_is_refused_in_one_line(tmp_path, arguments):
    status, output = await bench("--out", str(tmp_path), *arguments)
    assert status == 2
    *_, last = output.splitlines()
    assert last.startswith("python -m loadtest.bench: error: ")
    assert list(tmp_path.iterdir()) == []


async def test_a_folder_that_cannot_be_made_is_told_in_one_line(tmp_path):
    (tmp_path / "file").touch()
    status, output = await bench("--out", str(tmp_path / "file" / "folder"))
    assert status == 2
    assert "cannot hold the results: Not a directory" in output
