"""What was found: the document that is kept."""

import os
import platform
from datetime import UTC, datetime

from msgspec import Struct

from loadtest.bench.comparisons import Comparison
from loadtest.bench.open_loop import Latency
from loadtest.bench.workloads import Measurement


class Check(Struct, frozen=True):
    """What must be so, or the figures mean nothing."""

    title: str
    fault: str | None


class Machine(Struct, frozen=True):
    processor: str
    processors: int
    system: str
    python: str
    load_before: float
    """Of the last minute, before the first measurement: what others took of the machine."""


class Result(Struct, frozen=True, kw_only=True):
    began_at: str
    machine: Machine
    sellers: int
    connections: int
    rounds: int
    seconds: int
    comparisons: list[Comparison]
    measurements: list[Measurement]
    latencies: list[Latency]
    checks: list[Check]


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def this_machine() -> Machine:
    return Machine(
        _processor(),
        os.cpu_count() or 0,
        f"{platform.system()} {platform.release()}",
        platform.python_version(),
        os.getloadavg()[0],
    )


def _processor() -> str:
    with open("/proc/cpuinfo") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
