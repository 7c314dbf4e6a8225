"""Who sells next: a sequence of sellers, a pure function of its seed, that the load goes through again and again."""

from random import Random
from typing import Final, Literal, assert_never

Spread = Literal["even", "one", "zipf"]
"""`even`: all sellers alike. `zipf`: the n-th seller 1/n times as often as the first."""

TURNS: Final = 50_000


def turns(spread: Spread, sellers: int, random: Random, count: int = TURNS) -> list[int]:
    """Indexes from 0."""
    match spread:
        case "even":
            return random.choices(range(sellers), k=count)
        case "one":
            return [0] * count
        case "zipf":
            return random.choices(range(sellers), [1 / rank for rank in range(1, sellers + 1)], k=count)
        case _:
            assert_never(spread)
