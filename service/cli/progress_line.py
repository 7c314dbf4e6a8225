"""How far a copy is, on a terminal: one line that is written over and over. Elsewhere nothing."""

import sys
import time
from typing import Final

INTERVAL_S: Final = 0.2


class ProgressLine:
    def __init__(self, what: str) -> None:
        self._what = what
        self._is_shown = sys.stderr.isatty()
        self._next_s = 0.0
        self._total_kb = 0

    def __call__(self, done_kb: int, total_kb: int) -> None:
        self._total_kb = total_kb
        now_s = time.monotonic()
        if self._is_shown and now_s >= self._next_s:
            self._next_s = now_s + INTERVAL_S
            self._write(done_kb, total_kb, "")

    def end(self) -> None:
        if self._is_shown:
            self._write(self._total_kb, self._total_kb, "\n")

    def _write(self, done_kb: int, total_kb: int, end: str) -> None:
        text = f"\r{self._what} {done_kb / 1024:,.0f} of {total_kb / 1024:,.0f} MiB"
        print(text, end=end, file=sys.stderr, flush=True)
