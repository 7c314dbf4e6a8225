"""A service of the programme: a real process that keeps its address over all its lives, and ends by its pid.

Nothing of the caller's configuration reaches it: torture must never touch the data of a real shop.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import aiohttp

from tests.processes.running import environment

READY_TIMEOUT_S: Final = 120.0
STOP_TIMEOUT_S: Final = 60.0
POLL_S: Final = 0.02


class InstanceFailed(Exception):
    """The service did not start, or ended by itself; the text ends with the last lines of its log."""


class Instance:
    def __init__(self, folder: Path, settings: Mapping[str, str], *, wrapper: Sequence[str] = ()) -> None:
        """`settings` are names and values of its environment, `wrapper` a command that becomes the service."""
        folder.mkdir(parents=True, exist_ok=True)
        self.data_dir = folder / "data"
        self._log = folder / "service.log"
        self._environment = environment({"CHARGE_SHOP_DATA_DIR": str(self.data_dir)} | dict(settings))
        self._command = [*wrapper, sys.executable, "-m", "service"]
        self.port = _free_port()
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def launch(self) -> None:
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                "serve",
                "--port",
                str(self.port),
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the programme, which then stops the service.
            )

    async def start(self, *, until: str = "/readyz") -> None:
        """A standby is only ever `/healthz`. Raises InstanceFailed."""
        await self.launch()
        await self.answers(until)

    async def answers(self, path: str, status: int = 200) -> None:
        """Returns when it does so. Raises InstanceFailed."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        async with aiohttp.ClientSession() as session:
            while time.monotonic() < deadline:
                assert self._process is not None
                if self._process.returncode is not None:
                    raise InstanceFailed(f"ended with status {self._process.returncode}\n{self.log_tail()}")
                try:
                    async with session.get(self.url + path, timeout=aiohttp.ClientTimeout(1)) as answer:
                        if answer.status == status:
                            return
                except (aiohttp.ClientError, OSError, TimeoutError):
                    pass
                await asyncio.sleep(POLL_S)
        raise InstanceFailed(f"{path} did not answer {status} within {READY_TIMEOUT_S:g} s\n{self.log_tail()}")

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    async def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        await self._process.wait()

    async def stop(self) -> None:
        """In order, so that an embedded database ends with it; by force if that takes too long."""
        process = self._process
        if process is not None and process.returncode is None:
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
            except TimeoutError:
                process.kill()
                await process.wait()
        await self._stop_orphaned_database()

    async def verify(self) -> str | None:
        """`charge-shop verify`: what it found."""
        process = await asyncio.create_subprocess_exec(
            *self._command,
            "verify",
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        return None if process.returncode == 0 else output.decode(errors="replace").strip()

    def log_tail(self, lines: int = 15) -> str:
        text = self._log.read_text(errors="replace") if self._log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    @property
    def postmaster_pid(self) -> int | None:
        """The embedded server's, while there is one."""
        return postmaster_of(self.data_dir)

    async def _stop_orphaned_database(self) -> None:
        """A service that was killed and did not start again leaves its PostgreSQL behind, which is ours to end."""
        for number in (signal.SIGINT, signal.SIGKILL):
            deadline = time.monotonic() + STOP_TIMEOUT_S / 2
            while (pid := self.postmaster_pid) is not None and time.monotonic() < deadline:
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    return
                await asyncio.sleep(0.1)


def postmaster_of(data_dir: Path) -> int | None:
    """The live embedded server of a data directory."""
    cluster = data_dir / "postgres" / "cluster"
    try:
        pid = int((cluster / "postmaster.pid").read_text().split("\n", 1)[0])
        return pid if Path(f"/proc/{pid}/cwd").samefile(cluster) else None
    except (OSError, ValueError):
        return None


def backends_of(postmaster: int) -> list[int]:
    """The processes of a server, beside the postmaster itself."""
    children = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError):
                continue
            if parent == postmaster:
                children.append(int(folder.name))
    return children


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
