"""The performance: both plays of a plan, one after the other, with their progress shown, and kills on the way."""

import asyncio
import random
import secrets
import time

import aiohttp
from msgspec import Struct
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from loadtest.cast import Admin, Seller, admin_of
from loadtest.client import Client
from loadtest.history import Event, History, Outcome
from loadtest.scenario import plan
from loadtest.scenario.kills import Kills
from loadtest.scenario.play import Scenario
from loadtest.scenario.report import Part
from loadtest.service_process import ServiceProcess


class Wishes(Struct, frozen=True, kw_only=True):
    """What the caller may choose."""

    seed: int
    size: plan.Size
    concurrency: int
    kills: int
    patience_s: float


class Performance:
    """Both plays, one after the other, with their progress."""

    def __init__(
        self, wishes: Wishes, session: aiohttp.ClientSession, url: str, service: ServiceProcess | None, console: Console
    ) -> None:
        """`service`: the one at `url`, if it is ours to kill."""
        self.history = History()
        self.parts: list[Part] = []
        self.sellers: list[Seller] = []
        self.admin: Admin
        self.client = Client(session, url, self.history, patience_s=wishes.patience_s, on_event=self._count)
        self._wishes = wishes
        self._service = service
        self._counts = dict.fromkeys(Outcome, 0)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[counts]}"),
            console=console,
            refresh_per_second=4,
        )
        self._task: TaskID | None = None

    async def play_all(self, admin_username: str, password: str) -> None:
        """A third of the kills fall into the first play."""
        wishes = self._wishes
        chance = random.Random(wishes.seed)
        first = plan.old_shop(chance, wishes.size)
        second = plan.crowd(chance, wishes.size, at_once=wishes.concurrency)
        run = secrets.token_hex(3)  # Keys are for ever: the same play again needs others.
        with self._progress:
            self.admin = await admin_of(self.client, admin_username, password)
            await self._play(first, f"{run}-0", chance, wishes.kills // 3)
            await self._play(second, f"{run}-1", chance, wishes.kills - wishes.kills // 3)

    async def _play(self, play: plan.Play, title: str, chance: random.Random, kill_count: int) -> None:
        total = len(play.currencies) + len(play.before)
        self._task = self._progress.add_task(f"{play.title}: sellers and credit", total=total, counts="")
        scenario = Scenario(self.client, self.admin, title, on_step=self._advance)
        await scenario.prepare(play)
        self.sellers += scenario.sellers

        self._task = self._progress.add_task(play.title, total=len(play.steps), counts="")
        first = len(self.history.events)
        begin = time.monotonic()
        if self._service is None or not kill_count:
            await scenario.perform(play)
        else:
            kills = Kills(self._service, chance, count=kill_count, steps=len(play.steps))
            scenario.on_step = lambda: self._advance(kills)
            async with asyncio.TaskGroup() as both:
                both.create_task(kills.run())
                both.create_task(scenario.perform(play))
        seconds = time.monotonic() - begin
        await scenario.settle()
        self.parts.append(Part(play.title, self.history.events[first:], seconds))

    def _advance(self, kills: Kills | None = None) -> None:
        if self._task is not None:
            self._progress.advance(self._task)
        if kills is not None:
            kills.step()

    def _count(self, event: Event) -> None:
        self._counts[event.outcome] += 1
        if self._task is not None and len(self.history.events) % 50 == 0:
            counts = "  ".join(f"{count:,} {outcome}" for outcome, count in self._counts.items() if count)
            self._progress.update(self._task, counts=counts)
