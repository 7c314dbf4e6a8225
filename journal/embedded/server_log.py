"""What the server has said since a given moment: for progress in a long start, and for the reason of a failure."""

import re
from pathlib import Path

READ_BYTES_MAX = 65_536
SEVERITY = re.compile(r"\b(LOG|WARNING|ERROR|FATAL|PANIC):\s+(.*)")
# Not the server's own trouble: its answer to clients that come too early or too late.
ANSWER_TO_CLIENTS = "the database system is "


class ServerLog:
    """Reads every log in the folder from where it ended when this object was made."""

    def __init__(self, log_dir: Path) -> None:
        self._dir = log_dir
        self._read_from = {path: path.stat().st_size for path in self._files()}

    def last_message(self) -> str | None:
        messages = [message for _, message in self._messages()]
        return messages[-1] if messages else None

    def failure(self) -> str | None:
        """The first complaint; without one, the last message, or the last line of whatever was said."""
        said_before = ""
        for severity, message in self._messages():
            if severity in ("ERROR", "FATAL", "PANIC") and not message.startswith(ANSWER_TO_CLIENTS):
                # A configuration file that "contains errors": which ones, it has said before.
                return said_before if message.endswith("contains errors") and said_before else message
            said_before = message
        # A program that is not the server yet, or never will be for lack of a library, speaks in plain lines.
        plain = [line.strip() for path in self._files() for line in self._text(path).splitlines() if line.strip()]
        return said_before or (plain[-1] if plain else None)

    def mentions(self, text: str) -> bool:
        return any(text in message for _, message in self._messages())

    def _messages(self) -> list[tuple[str, str]]:
        messages = []
        for path in self._files():
            for line in self._text(path).splitlines():
                if found := SEVERITY.search(line):
                    messages.append((found[1], found[2].strip()))
        return messages

    def _text(self, path: Path) -> str:
        start, size = self._read_from.get(path, 0), path.stat().st_size
        if size < start:  # overwritten when its day of the week came again
            start = 0
        with path.open("rb") as file:
            file.seek(max(start, size - READ_BYTES_MAX))
            return file.read().decode(errors="replace")

    def _files(self) -> list[Path]:
        """startup.log, which the server writes to before it opens its own, comes first."""
        if not self._dir.is_dir():
            return []
        return sorted(self._dir.glob("*.log"), key=lambda path: (path.name != "startup.log", path.stat().st_mtime))
