"""What the checker finds: violations by name, and how much each rule had to look at."""

from collections import Counter
from enum import StrEnum
from typing import Final

from msgspec import Struct


class Name(StrEnum):
    """Every way in which a service can break its word, as far as a history can show it."""

    SEQ_GAP = "gap in seq"
    POSITION_OUT_OF_ORDER = "position out of order"
    TIME_BACKWARDS = "time goes backwards"
    WRONG_BALANCE = "wrong balance"
    FLOOR_PASSED = "floor passed"
    UNBALANCED = "debits are not credits"
    BROKEN_CHAIN = "broken chain"
    IMPOSSIBLE_STEP = "impossible step"

    LOST = "acknowledged, but lost"
    DOUBLED = "doubled"
    FIELD_DIFFERS = "field differs"
    NOT_AS_ASKED = "not as asked"
    APPLIED_THOUGH_REFUSED = "applied though refused"
    UNEXPLAINED = "entry that nobody asked for"
    RETRIES_DISAGREE = "retries disagree"
    FALSE_REFUSAL = "false refusal"
    INTERNAL_ERROR = "internal error"

    ORDER_VIOLATED = "real-time order violated"

    WRONG_READ = "wrong read"
    STALE_READ = "stale read"

    FALSE_DECLINE = "false decline"

    TOTALS_OFF = "totals off"


RULES: Final = {
    1: "seq, balances, floor, debits = credits, chain",
    2: "acknowledged: there once, the same; refused: moved nothing",
    3: "real-time order",
    4: "reads",
    5: "declines",
    6: "credit + adjustments + refunds - charges = balances",
}


class Violation(Struct, frozen=True):
    rule: int
    name: Name
    message: str
    seller_id: str | None = None
    seq: int | None = None
    key: str | None = None

    def __str__(self) -> str:
        where = [
            f"{name}={value}"
            for name, value in (("seller", self.seller_id), ("seq", self.seq), ("key", self.key))
            if value is not None
        ]
        return f"rule {self.rule}, {self.name}: {self.message} [{' '.join(where)}]"


class Findings:
    """Collects what the rules find. `looked_at` counts what each examined: a rule that saw nothing proves nothing."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []
        self.looked_at: Counter[int] = Counter()

    def add(
        self,
        rule: int,
        name: Name,
        message: str,
        *,
        seller_id: str | None = None,
        seq: int | None = None,
        key: str | None = None,
    ) -> None:
        self.violations.append(Violation(rule, name, message, seller_id, seq, key))
