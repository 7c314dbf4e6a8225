"""wrk: the load where throughput counts. It is written in C, and takes the least from the two cores that all share.

A closed loop: each connection sends its next request when the last one was answered.
"""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

SCRIPTS: Final = Path(__file__).parent / "load"
TIMEOUT_S: Final = 30
_MARK: Final = "RESULT "


class WrkMissing(Exception):
    """wrk is not installed."""


class WrkFailed(Exception):
    """wrk ended otherwise than by itself, or said nothing that we understand; the text is its last words."""


class Answered(Struct, frozen=True):
    """What the scripts print at the end."""

    requests: int
    duration_us: int
    not_2xx: int
    socket_errors: int
    p50_us: int
    p99_us: int


def require() -> str:
    """Where wrk is. Raises WrkMissing."""
    found = shutil.which("wrk")
    if found is None:
        raise WrkMissing("wrk, which makes the load, is not installed: apt-get install wrk")
    return found


async def load(script: str, url: str, *, seconds: int, connections: int, arguments: Sequence[str | Path]) -> Answered:
    """One thread, since more of them would only take more of the server's processor. Raises WrkFailed."""
    process = await asyncio.create_subprocess_exec(
        *(require(), "-t1", f"-c{connections}", f"-d{seconds}s", f"--timeout={TIMEOUT_S}s"),
        *("-s", SCRIPTS / f"{script}.lua", url, "--", *arguments),
        env=os.environ | {"LUA_PATH": f"{SCRIPTS}/?.lua"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return parse(output.decode(errors="replace"))


def parse(output: str) -> Answered:
    """Raises WrkFailed."""
    for line in output.splitlines():
        if line.startswith(_MARK):
            try:
                return msgspec.json.decode(line.removeprefix(_MARK), type=Answered)
            except msgspec.DecodeError:
                break
    raise WrkFailed(f"wrk said: {output.strip()[-500:] or 'nothing'}")
