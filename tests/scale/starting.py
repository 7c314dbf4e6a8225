"""From the start of the process until it is ready, with its database up: the journal's length must not matter."""

import time
from pathlib import Path
from typing import Final

from journal.embedded import running
from tests.processes.running import serving
from tests.scale.figures import Figure

READY_S_MAX: Final = 2.0


async def starting(folder: Path, starts: int) -> list[Figure]:
    """The longest of so many starts."""
    took_s = []
    async with running(folder / "data"):
        for _ in range(starts):
            begin = time.monotonic()
            async with serving("--data-dir", str(folder / "data")):
                took_s.append(time.monotonic() - begin)
    return [
        Figure("start to ready, shortest", round(min(took_s), 2), "s"),
        Figure("start to ready, longest", round(max(took_s), 2), "s", READY_S_MAX),
    ]
