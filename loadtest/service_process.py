"""A service of the play's own: a process on a data directory of its own, started, killed, and ended by its pid.

Nothing of the caller's configuration reaches it: a play must never touch the data of a real shop.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import aiohttp

READY_TIMEOUT_S: Final = 120
STOP_TIMEOUT_S: Final = 60


class ServiceFailed(Exception):
    """The service did not start, or ended by itself; the text ends with the last lines of its log."""


class ServiceProcess:
    def __init__(self, folder: Path, admin_password: str) -> None:
        """`folder`: where its data and its log go."""
        self.data_dir = folder / "data"
        self._log = folder / "service.log"
        self._environment = {
            name: value for name, value in os.environ.items() if not name.startswith("CHARGE_SHOP_")
        } | {"CHARGE_SHOP_ADMIN_PASSWORD": admin_password}
        self._port = free_port()
        self._process: asyncio.subprocess.Process | None = None
        self.kills = 0
        self.recovery_s: list[float] = []
        """From each start after a kill until it was ready."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Returns when it is ready. Raises ServiceFailed."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command("serve", "--host", "127.0.0.1", "--port", str(self._port)),
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the play, which then stops the service.
            )
        await self._ready(self._process)

    async def kill_and_start(self) -> None:
        """SIGKILL, and a new process at once."""
        assert self._process is not None
        self._process.kill()
        await self._process.wait()
        self.kills += 1
        begin = time.monotonic()
        await self.start()
        self.recovery_s.append(time.monotonic() - begin)

    async def stop(self) -> None:
        """In order, so that the database ends with it; by force if that takes too long."""
        process = self._process
        if process is not None and process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
            except TimeoutError:
                process.kill()
                await process.wait()
        self._stop_orphaned_database()

    async def verify(self) -> tuple[bool, str]:
        """`charge-shop verify`: whether it passed, and its last line."""
        process = await asyncio.create_subprocess_exec(
            *self._command("verify"),
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        lines = output.decode(errors="replace").strip().splitlines()
        return process.returncode == 0, lines[-1] if lines else "no output"

    def log_tail(self, lines: int = 15) -> str:
        text = self._log.read_text(errors="replace") if self._log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "service", *arguments, "--data-dir", str(self.data_dir)]

    async def _ready(self, process: asyncio.subprocess.Process) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        async with aiohttp.ClientSession() as session:
            while time.monotonic() < deadline:
                if process.returncode is not None:
                    raise ServiceFailed(f"the service ended with status {process.returncode}\n{self.log_tail()}")
                try:
                    async with session.get(f"{self.url}/readyz") as answer:
                        if answer.status == 200:
                            return
                except (aiohttp.ClientError, OSError):
                    pass
                await asyncio.sleep(0.05)
        raise ServiceFailed(f"the service was not ready within {READY_TIMEOUT_S} s\n{self.log_tail()}")

    def _stop_orphaned_database(self) -> None:
        """A service that was killed and did not start again leaves its PostgreSQL behind, which is ours to end."""
        for file in self.data_dir.rglob("postmaster.pid"):
            pid = int(file.read_text().split("\n", 1)[0])
            try:
                os.kill(pid, signal.SIGINT)
            except ProcessLookupError:
                continue
            deadline = time.monotonic() + STOP_TIMEOUT_S
            while file.exists() and time.monotonic() < deadline:
                time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
