"""So many sequences of one machine, by a seed: what both the short and the long form run."""

import asyncio
from typing import Final

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.service.shop import Shop
from tests.stateful.by_actor import ActorCounter, Core
from tests.stateful.by_http import HttpCounter
from tests.stateful.machine import Counter, Machine

STEPS: Final = 40


def play_actors(sequences: int, number: int) -> None:
    """Raises what hypothesis found, with the shortest sequence that shows it."""
    core = Core()

    class OfActors(Machine):
        def open(self) -> Counter:
            return ActorCounter(core)

    try:
        _play(OfActors, sequences, number)
    finally:
        core.close()


async def play_http(shop: Shop, sequences: int, number: int) -> None:
    """Hypothesis works in a thread: the application needs this one. What it finds is not shortened: each attempt
    takes a seller and two hashes of a password."""
    loop = asyncio.get_running_loop()

    class OverHttp(Machine):
        def open(self) -> Counter:
            return HttpCounter(shop, loop)

    await asyncio.to_thread(_play, OverHttp, sequences, number, is_shortened=False)


def _play(machine: type[Machine], sequences: int, number: int, *, is_shortened: bool = True) -> None:
    run_state_machine_as_test(
        seed(number)(machine),
        settings=settings(
            max_examples=sequences,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink] if is_shortened else [Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
