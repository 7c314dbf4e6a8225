"""The real nginx, running the committed configuration as a child process on loopback.

The configuration is laid out the way docker-compose.yml mounts it. Only what a machine dictates is changed:
ports, paths, the addresses of the instances (with their `resolve`, which nginx has since 1.27.3 only), and, where
a test waits for one, a timeout.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from .compose import ROOT, load, mounts

NGINX = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 10.0


class FrontDoor:
    """nginx, between enter and exit. `instances` are the ports of `app` and, with NGINX_INSTANCES=two, `standby`.

    `settings` are the variables of .env; `overrides` give every directive that begins with these words another
    value; `replacements` replace text.
    """

    def __init__(
        self,
        place: Path,
        instances: Mapping[str, int],
        *,
        settings: Mapping[str, str] | None = None,
        overrides: Mapping[str, str] | None = None,
        replacements: Mapping[str, str] | None = None,
    ) -> None:
        self.place = place
        self.port = _free_port()
        self.tls_port = _free_port()
        self._log = place / "access.log"
        self._errors = place / "errors.log"
        (place / "tmp").mkdir(parents=True)
        self._lay_out(load(settings)["services"]["nginx"])
        changes = [(_directive(name), rf"\g<1>{value};") for name, value in (overrides or {}).items()]
        changes += [(re.escape(old), new) for old, new in (replacements or {}).items()]
        made: set[str] = set()
        for file in place.glob("etc/**/*.conf"):
            text = self._for_this_machine(file.read_text(), instances)
            for pattern, new in changes:
                text, count = re.subn(pattern, new, text)
                made |= {pattern} if count else set()
            file.write_text(text)
        assert made == {pattern for pattern, _ in changes}, "what a test wants to change is not there"

    def __enter__(self) -> Self:
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stderr=errors)
        self._wait_until_listening()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(signal.SIGTERM)

    def command(self, *options: str) -> list[str]:
        assert NGINX is not None
        command = [NGINX, "-e", "stderr", "-c", str(self.place / "etc/nginx/charge-shop/nginx.conf"), *options]
        # Run by root, nginx would give its workers another user, who cannot enter the test's folder.
        return [*command, "-g", "user root;"] if os.geteuid() == 0 else command

    def check(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command("-t"), capture_output=True, text=True, timeout=30, check=False)

    def log(self) -> list[dict[str, object]]:
        """What nginx logged. Ends it, because a request is logged only after its answer was sent."""
        self._end(signal.SIGQUIT)
        return [msgspec.json.decode(line) for line in self._log.read_bytes().splitlines()]

    def _end(self, how: signal.Signals) -> None:
        self._process.send_signal(how)  # nothing, if it has ended
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _lay_out(self, service: Mapping[str, object]) -> None:
        for target, source in mounts(service).items():
            if source.startswith("."):
                shutil.copytree(ROOT / source, self.place / target.lstrip("/"), dirs_exist_ok=True)
            else:
                (self.place / target.lstrip("/")).symlink_to(source)

    def _for_this_machine(self, text: str, instances: Mapping[str, int]) -> str:
        text = re.sub(r"(?<=\s)/(tmp|etc/nginx)/", rf"{self.place}/\g<1>/", text)
        text = text.replace("/dev/stdout", str(self._log))
        text = text.replace("listen 8080", f"listen 127.0.0.1:{self.port}")
        text = text.replace("listen 8443", f"listen 127.0.0.1:{self.tls_port}")
        for name, port in instances.items():
            text = text.replace(f"server {name}:8080 resolve", f"server 127.0.0.1:{port}")
        # As many workers as the machine has cores would only slow the start down.
        return text.replace("worker_processes auto;", "worker_processes 1;")

    def _wait_until_listening(self) -> None:
        for _ in range(int(START_TIMEOUT_S / 0.02)):
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except ConnectionRefusedError:
                pass
            try:
                self._process.wait(0.02)
            except subprocess.TimeoutExpired:
                continue
            break
        self._end(signal.SIGTERM)
        raise AssertionError(f"nginx did not start: {self._errors.read_text()}")


def _directive(beginning: str) -> str:
    return r"(?m)^(\s*" + r"\s+".join(re.escape(word) for word in beginning.split()) + r"\s+)[^;]+;"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
