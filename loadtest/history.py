"""The history of a play: every request that was sent, when, and what was answered, exactly as seen from outside.

A `Request` is what was meant: two of them are equal exactly if the service must take them for the same one.
An `Event` is one attempt to ask it. A request that is asked again, with the same key, makes further events.

Times are nanoseconds of one monotonic clock of the playing process: `sent_ns` is taken before the first byte
leaves, `answered_ns` after the last one came, so "answered before the other was sent" is never said wrongly.
"""

from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

Side = Literal["seller", "admin"]


class Kind(StrEnum):
    CHARGE = "charge"
    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"
    REQUEST_CREDIT = "request_credit"
    APPROVE = "approve"
    REJECT = "reject"
    CANCEL = "cancel"
    ADJUST = "adjust"
    SET_LIMIT = "set_limit"
    READ_BALANCE = "read_balance"
    READ_CHARGE = "read_charge"
    LIST_CHARGES = "list_charges"


READS: Final = frozenset({Kind.READ_BALANCE, Kind.READ_CHARGE, Kind.LIST_CHARGES})
LIST_LIMIT: Final = 20
"""Charges that are asked for in a list: the newest."""
ON_CREDIT_REQUEST: Final = frozenset({Kind.REQUEST_CREDIT, Kind.APPROVE, Kind.REJECT, Kind.CANCEL})


class Request(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One request's meaning. Amounts are minor units of `currency`, the seller's."""

    kind: Kind
    seller_id: str
    currency: str
    made_by: str
    """The user id of whoever asks: the seller's own id, or an admin's."""
    key: str | None = None
    target: str | None = None
    """The charge, or credit request, that is spoken of."""
    amount: int | None = None
    """Signed for an adjustment. None: all there is (of a capture or refund)."""
    is_hold: bool = False
    expires_in_s: int | None = None
    phone_number: str | None = None
    reference: str | None = None
    metadata: dict[str, str] | None = None
    note: str | None = None
    """A refund's or adjustment's reason, too."""

    @property
    def side(self) -> Side:
        return "seller" if self.made_by == self.seller_id else "admin"


class Outcome(StrEnum):
    DONE = "done"
    DECLINED = "declined"
    """A charge that lacked credit: remembered, and kept as a `declined` entry."""
    REFUSED = "refused"
    """Moved nothing, uses up no key."""
    NOT_APPLIED = "not applied"
    """Certainly not applied; worth another attempt."""
    UNKNOWN = "unknown"
    """No answer, or one that does not tell."""


ACKNOWLEDGED: Final = frozenset({Outcome.DONE, Outcome.DECLINED})


class Event(Struct, frozen=True, omit_defaults=True, gc=False):
    """One attempt. Without an answer `status` is None, and `answered_ns` is when it was given up.

    A charge of a batch makes an event of its own: `is_of_batch`, and `body` is what the batch's answer says of it
    (without the index), `status` what it would have been answered with alone.
    """

    request: Request
    sent_ns: int
    answered_ns: int
    status: int | None = None
    is_replay: bool = False
    body: bytes = b""
    is_of_batch: bool = False

    @property
    def answer(self) -> dict[str, Any]:
        """The answer's JSON object; empty for what is none."""
        try:
            decoded = msgspec.json.decode(self.body)
        except msgspec.DecodeError:
            return {}
        return decoded if isinstance(decoded, dict) else {}

    @property
    def code(self) -> str | None:
        """The problem's code, of an answer that is one."""
        return self.answer.get("code") if self.status is not None and self.status >= 400 else None

    @property
    def outcome(self) -> Outcome:
        status = self.status
        if status is None:
            return Outcome.UNKNOWN
        if status < 300:
            return Outcome.DONE
        if status == 402 and self.request.kind is Kind.CHARGE:
            return Outcome.DECLINED
        if status == 429:
            return Outcome.NOT_APPLIED
        if status == 503:
            # One that does not say why may come from whatever stands between: it promises nothing.
            code = self.code
            return Outcome.UNKNOWN if code in (None, "outcome_unknown") else Outcome.NOT_APPLIED
        return Outcome.UNKNOWN if status >= 500 else Outcome.REFUSED


class History:
    """All events of a play, in the order in which they ended."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def note(self, event: Event) -> None:
        self.events.append(event)

    def write(self, path: Path) -> None:
        """Keeps it as JSON lines, for whoever looks for the cause of a violation."""
        with path.open("wb") as file:
            for event in self.events:
                shown: dict[str, Any] = msgspec.to_builtins(event)
                shown["body"] = event.body.decode(errors="replace")
                file.write(msgspec.json.encode(shown) + b"\n")
