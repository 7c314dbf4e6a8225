"""Ctrl-C, as often as it is pressed: once, and no more is sent, but what was is checked; twice, and it is not."""

import asyncio
import signal
from typing import Self

from rich.console import Console

from loadtest.checker import Findings
from loadtest.harness.driver import Driver


class Stops:
    def __init__(self, console: Console) -> None:
        self.count = 0
        self._console = console
        self._driver: Driver | None = None
        self._task: asyncio.Task[Findings] | None = None
        self._main = asyncio.current_task()
        """Cancelled before there is a load: nothing was asked yet that could be reported."""

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    def during_load(self, driver: Driver) -> None:
        self._driver = driver

    def during_inspection(self, task: asyncio.Task[Findings]) -> None:
        self._task = task

    def _stop(self) -> None:
        self.count += 1
        if self._task is not None:
            self._task.cancel()
        elif self._driver is not None:
            self._driver.stop()
            self._console.print("stopped; what was answered is checked (again Ctrl-C: it is not)")
        elif self._main is not None:
            self._main.cancel()
