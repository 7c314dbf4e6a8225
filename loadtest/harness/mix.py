"""The mix: what is asked, and how often in proportion to the rest: `charge=80,hold=5,read=5`."""

from enum import StrEnum
from typing import Final

from msgspec import Struct

WEIGHT_MAX: Final = 1_000_000


class Operation(StrEnum):
    CHARGE = "charge"
    HOLD = "hold"
    CAPTURE = "capture"
    """Of a hold that is open; in full, or a third of it."""
    VOID = "void"
    REFUND = "refund"
    READ = "read"
    """The balance."""
    LIST = "list"
    """The newest charges."""
    BATCH = "batch"
    REPEAT = "repeat"
    """A charge again, under its key."""
    CREDIT = "credit"
    """A credit request, which the admin approves once it is answered."""
    APPROVE = "approve"
    """Follows from a credit request; not for the mix."""


CHOSEN: Final = tuple(operation for operation in Operation if operation is not Operation.APPROVE)
DEFAULT: Final = "charge=80,hold=5,capture=3,void=1,refund=1,read=5,list=1,batch=1,repeat=2,credit=1"


class Mix(Struct, frozen=True):
    operations: tuple[Operation, ...]
    weights: tuple[int, ...]

    def __str__(self) -> str:
        return ",".join(f"{name}={weight}" for name, weight in zip(self.operations, self.weights, strict=True))


def mix_of(text: str) -> Mix:
    """Raises ValueError, whose text says in one line what is wrong."""
    weights: dict[Operation, int] = {}
    for part in text.split(","):
        name, _, weight = part.strip().partition("=")
        if name not in CHOSEN:
            raise ValueError(f"no such operation: {name!r} (there are {', '.join(CHOSEN)})")
        if not (weight.isascii() and weight.isdigit() and len(weight) < 8 and int(weight) <= WEIGHT_MAX):
            raise ValueError(f"{name} needs a weight from 0 to {WEIGHT_MAX}, as in {name}=5")
        if name in weights:
            raise ValueError(f"{name} stands there twice")
        weights[Operation(name)] = int(weight)
    if not any(weights.values()):
        raise ValueError("at least one operation needs a weight above 0")
    return Mix(tuple(weights), tuple(weights.values()))
