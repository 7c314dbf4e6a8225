"""From the start of the process until it is ready, with its database up: the journal's length must not matter."""

import time
from pathlib import Path
from typing import Final

from journal.embedded import running
from tests.scale.figures import Figure
from tests.torture.instance import Instance

READY_S_MAX: Final = 2.0


async def starting(folder: Path, starts: int) -> list[Figure]:
    """The longest of so many starts."""
    instance = Instance(folder, {})
    took_s = []
    async with running(folder / "data"):
        for _ in range(starts):
            begin = time.monotonic()
            try:
                await instance.start()
                took_s.append(time.monotonic() - begin)
            finally:
                await instance.stop()
    return [
        Figure("start to ready, shortest", round(min(took_s), 2), "s"),
        Figure("start to ready, longest", round(max(took_s), 2), "s", READY_S_MAX),
    ]
