"""Kills the service at random moments of a play, and starts it again."""

import asyncio
from random import Random

from loadtest.service_process import ServiceProcess


class Kills:
    """Counts the steps of a play and strikes when a moment has come: moments are drawn from the seed, in the
    middle nine tenths of all steps. `run` does the work; it ends when no moment is left.
    """

    def __init__(self, service: ServiceProcess, random: Random, *, count: int, steps: int) -> None:
        self._service = service
        edge = steps // 20
        self._moments = sorted(random.randrange(edge, max(steps - edge, edge + 1)) for _ in range(count))
        self._performed = 0
        self._progress = asyncio.Event()

    def step(self) -> None:
        """One more step was performed."""
        self._performed += 1
        self._progress.set()

    async def run(self) -> None:
        for moment in self._moments:
            while self._performed < moment:
                self._progress.clear()
                await self._progress.wait()
            await self._service.kill_and_start()
