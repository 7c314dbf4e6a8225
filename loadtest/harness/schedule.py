"""The schedule: when which seller asks for what, a pure function of the seed. It knows nothing of any answer.

Moments come from one stream of random numbers and what is asked from another, so that two mixes are offered at the
same moments. Sellers are drawn by Zipf's law: the n-th as often as 1 / n ** skew.
"""

from collections.abc import Iterator
from itertools import accumulate
from random import Random
from typing import Final, Literal

from msgspec import Struct

from loadtest.harness.mix import Mix, Operation

Arrivals = Literal["poisson", "constant"]
AMOUNT_MAX: Final = 2_000
"""Minor units, of one charge."""


class Load(Struct, frozen=True, kw_only=True):
    """What is offered."""

    seed: int
    sellers: int
    rate: float | None
    """Requests per second; None: as fast as answers come (a closed loop)."""
    duration_s: float
    arrivals: Arrivals = "poisson"
    mix: Mix
    skew: float = 0.0
    keys_share: float = 1.0
    """Of the charges, how many carry an idempotency key."""


class Arrival(Struct, frozen=True, gc=False):
    """One request to be made."""

    number: int
    due_ns: int
    """Since the beginning; 0 in a closed loop, where a request is due when there is room for it."""
    operation: Operation
    seller: int
    amount: int
    has_key: bool
    chance: float
    """From 0 to 1, for whatever can only be chosen when the time has come."""


def schedule(load: Load) -> Iterator[Arrival]:
    """In order of time; of a closed loop, without end."""
    chance = Random(f"{load.seed} what")
    shares = list(accumulate(1 / (place + 1) ** load.skew for place in range(load.sellers)))
    sellers = range(load.sellers)
    weights = list(accumulate(load.mix.weights))
    for number, due_ns in enumerate(_moments(load)):
        yield Arrival(
            number,
            due_ns,
            chance.choices(load.mix.operations, cum_weights=weights)[0],
            chance.choices(sellers, cum_weights=shares)[0],
            chance.randint(1, AMOUNT_MAX),
            chance.random() < load.keys_share,
            chance.random(),
        )


def _moments(load: Load) -> Iterator[int]:
    if load.rate is None:
        while True:
            yield 0
    chance = Random(f"{load.seed} when")
    end_ns = round(load.duration_s * 1e9)
    at_s, number = 0.0, 0
    while True:
        number += 1
        at_s = number / load.rate if load.arrivals == "constant" else at_s + chance.expovariate(load.rate)
        at_ns = round(at_s * 1e9)
        if at_ns >= end_ns:
            return
        yield at_ns
