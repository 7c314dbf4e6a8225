"""The contenders: a process each, started before the first round and ended by its pid; idle while others are measured.

The load knows all of them by the same few facts, so the same scripts serve for all.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from loadtest.service_process import free_port

READY_TIMEOUT_S: Final = 60
STOP_TIMEOUT_S: Final = 10


class Contender(Struct, frozen=True):
    url: str
    pid: int
    credentials: list[str]
    """Bearer tokens, one for each seller."""


class BaselineFailed(Exception):
    """A baseline did not start; the text has the last lines of its output."""


class Baseline:
    """A program of `loadtest.baselines` in a process of its own."""

    def __init__(
        self, module: str, folder: Path, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> None:
        self._port = free_port()
        self._command = (sys.executable, "-m", module, "--port", str(self._port), *arguments)
        self._environment = environment or {}
        self._log = folder / f"{module}.log"
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Returns when it listens. Raises BaselineFailed."""
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                env=os.environ | self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the bench, which then ends it.
            )
        deadline = time.monotonic() + READY_TIMEOUT_S
        while self._process.returncode is None and time.monotonic() < deadline:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
        raise BaselineFailed(f"{self._command[2]} did not start\n{self._log.read_text(errors='replace')[-1000:]}")

    async def stop(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            process.kill()
            await process.wait()
