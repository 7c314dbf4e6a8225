"""Plays for the checker's tests: random requests to the shop in memory, overlapping in real time, with every fate.

A request happens at one moment between the moments at which it was sent and answered; both are drawn around
it, so that requests overlap and their answers come in any order. Some answers are lost, before or after it
happened; some say that the outcome is unknown, or that nothing was applied; those are asked again with their
key. What comes out is a history, the journals, and the closing balances: correct, unless the shop lies.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from msgspec.structs import replace

from loadtest.checker import Closing, Findings, check
from loadtest.entries import JournalEntry
from loadtest.history import READS, Event, Kind, Outcome, Request
from service.problems import Problem, ProblemCode
from tests.loadtest.shop import ADMIN, Answer, Shop, encode

SELLERS = {
    "0195f3a2-0000-7000-8000-0000000000a1": "USD",
    "0195f3a2-0000-7000-8000-0000000000b2": "JPY",
    "0195f3a2-0000-7000-8000-0000000000c3": "KWD",
}
BEGIN_US = 1_795_000_000_000_000
STEP_NS = 1000
REACH_NS = 5 * STEP_NS
"""How long before and after its moment a request may be in flight."""


@dataclass
class Record:
    """What a play leaves behind: all that the checker gets to see."""

    events: list[Event]
    journals: dict[str, list[JournalEntry]]
    closing: Closing
    is_whole_journal: bool = True

    def check(self) -> Findings:
        return check(self.events, self.journals, self.closing, is_whole_journal=self.is_whole_journal)


@dataclass
class Play:
    """`shop.ask` is what a lying test replaces; `asked` and the like are what it may pick from."""

    random: Random
    shop: Shop = field(default_factory=lambda: Shop(SELLERS, BEGIN_US))
    events: list[Event] = field(default_factory=list)
    now_ns: int = 0
    keyed: list[Request] = field(default_factory=list)
    keyless: list[Request] = field(default_factory=list)
    number: int = 0

    def record(self) -> Record:
        return Record(list(self.events), self.shop.journals(), self.shop.closing())

    def run(self, steps: int) -> None:
        for seller_id, currency in SELLERS.items():
            asked = self.send(self.make(Kind.REQUEST_CREDIT, seller_id, currency, amount=20_000), fate="answered")
            approve = self.make(
                Kind.APPROVE, seller_id, currency, amount=20_000, target=asked.answer["id"], made_by=ADMIN
            )
            self.send(approve, fate="answered")
        self.run_more(steps)

    def run_more(self, steps: int) -> None:
        for _ in range(steps):
            self.step()

    def step(self) -> None:
        random = self.random
        if random.random() < 0.05:
            self.shop.now_us += 1_500_000
        request = self.draw()
        if request is None:
            return
        if request.key is not None and request not in self.keyed:
            self.keyed.append(request)
        if request.key is None and request.kind is Kind.CHARGE:
            self.keyless.append(request)
        for _ in range(random.choice((1, 1, 1, 1, 2, 3))):
            event = self.send(request)
            if request.kind is Kind.CHARGE and random.random() < 0.1:
                event = self.events[-1] = of_batch(event)
            while event.outcome in (Outcome.UNKNOWN, Outcome.NOT_APPLIED) and random.random() < 0.8:
                if request.key is None and request.kind not in READS:
                    return
                event = self.send(request)
            if request.key is None:
                return

    def send(self, request: Request, fate: str | None = None, ask: Callable[[Request], Answer] | None = None) -> Event:
        """One attempt, that happens now, or not at all."""
        random = self.random
        self.now_ns += STEP_NS
        self.shop.now_us += 1
        sent_ns = self.now_ns - random.randrange(1, REACH_NS)
        answered_ns = self.now_ns + random.randrange(1, REACH_NS)
        fate = fate or random.choice(FATES)
        answer: Answer | None = None
        if fate in ("answered", "lost after", "unknown after"):
            answer = (ask or self.shop.ask)(request)
        if fate.startswith("unknown"):
            answer = _problem(ProblemCode.OUTCOME_UNKNOWN)
        elif fate == "not applied":
            answer = _problem(random.choice((ProblemCode.NOT_APPLIED, ProblemCode.OVERLOADED, ProblemCode.STANDBY)))
        if answer is None or fate.startswith("lost"):
            event = Event(request, sent_ns, answered_ns)
        else:
            status, body, is_replay = answer
            event = Event(request, sent_ns, answered_ns, status, is_replay, body)
        self.events.append(event)
        return event

    # --- what to ask ------------------------------------------------------------------------------------

    def make(self, kind: Kind, seller_id: str, currency: str, **members: object) -> Request:
        """A request with a key of its own, from the seller unless `made_by` says otherwise."""
        self.number += 1
        given: dict[str, object] = {"made_by": seller_id, "key": f"key-{self.number}"} | members
        return Request(kind=kind, seller_id=seller_id, currency=currency, **given)  # type: ignore[arg-type]

    def draw(self) -> Request | None:
        """None where the kind that was drawn has nothing to speak of yet."""
        random = self.random
        seller_id, currency = random.choice(list(SELLERS.items()))
        drawn = random.random()
        if drawn < 0.10:
            kind = Kind.LIST_CHARGES if drawn < 0.02 else Kind.READ_BALANCE
            return self.make(kind, seller_id, currency, key=None)
        if drawn < 0.19 and self.keyed:
            return random.choice(self.keyed)
        if drawn < 0.21 and self.keyless:
            return random.choice(self.keyless)  # Somebody presses twice: another sale, just like the first.
        if drawn < 0.25:
            return self.other_body()
        if drawn < 0.55:
            return self.charge(seller_id, currency)
        if drawn < 0.60:
            made_by = {} if random.random() < 0.9 else {"key": None}
            return self.make(Kind.REQUEST_CREDIT, seller_id, currency, amount=random.randrange(1, 5000), **made_by)
        if drawn < 0.65:
            sign = random.choice((1, -1))
            amount = sign * random.randrange(1, 9000)
            return self.make(Kind.ADJUST, seller_id, currency, amount=amount, note="why", made_by=ADMIN)
        if drawn < 0.67:
            limit = random.choice((3000, 5000))
            return self.make(Kind.SET_LIMIT, seller_id, currency, amount=limit, key=None, made_by=ADMIN)
        return self.on_charge() if drawn < 0.92 else self.on_credit_request()

    def charge(self, seller_id: str, currency: str) -> Request:
        random = self.random
        return self.make(
            Kind.CHARGE,
            seller_id,
            currency,
            amount=random.randrange(1, 4000),
            is_hold=random.random() < 0.4,
            expires_in_s=random.choice((None, 1, 60)),
            phone_number=f"+98912{random.randrange(10**7):07d}",
            reference=random.choice((None, f"ref-{self.number}", 'naïve \u2028 "quoted" \\ \x1f')),
            metadata=random.choice((None, {"till": "3"}, {"b": "2", "a": "é"})),
            **({"key": None} if random.random() < 0.2 else {}),
        )

    def other_body(self) -> Request | None:
        if not self.keyed:
            return None
        first = self.random.choice(self.keyed)
        return self.make(
            Kind.CHARGE,
            first.seller_id,
            first.currency,
            amount=77,
            phone_number="+989120000000",
            key=first.key,
            made_by=first.seller_id,
        )

    def on_charge(self) -> Request | None:
        random = self.random
        seller_id, currency = random.choice(list(SELLERS.items()))
        charges = [entry.charge_id for entry, _ in self.shop.entries[seller_id] if entry.charge_id is not None]
        if not charges:
            return None
        kind = random.choice((Kind.CAPTURE, Kind.VOID, Kind.REFUND, Kind.READ_CHARGE))
        amount = None if kind in (Kind.VOID, Kind.READ_CHARGE) else random.choice((None, random.randrange(1, 3000)))
        others = {"made_by": ADMIN, "note": "wrong number"} if kind is Kind.REFUND else {}
        if kind is Kind.READ_CHARGE or random.random() < 0.1:
            others["key"] = None  # type: ignore[assignment]
        return self.make(kind, seller_id, currency, target=random.choice(charges), amount=amount, **others)

    def on_credit_request(self) -> Request | None:
        random = self.random
        seller_id, currency = random.choice(list(SELLERS.items()))
        requests = list(self.shop.accounts[seller_id].requests.values())
        if not requests:
            return None
        row = random.choice(requests).row
        kind = random.choice((Kind.APPROVE, Kind.APPROVE, Kind.REJECT, Kind.CANCEL))
        made_by = seller_id if kind is Kind.CANCEL else ADMIN
        others: dict[str, object] = {"key": None} if random.random() < 0.2 else {}
        return self.make(kind, seller_id, currency, target=row.id, amount=row.amount, made_by=made_by, **others)


def of_batch(event: Event) -> Event:
    """The event as it would have been, had the charge been sent in a batch."""
    answer = event.answer
    if event.outcome is Outcome.DONE:
        said = {"status": answer["status"], "id": answer["id"], "code": None}
    elif event.outcome in (Outcome.DECLINED, Outcome.REFUSED):
        said = {"status": "failed", "id": answer.get("charge_id"), "code": event.code}
    else:
        return replace(event, is_of_batch=True)
    return replace(event, is_of_batch=True, is_replay=False, body=encode(said))


FATES = ["answered"] * 14 + ["lost before", "lost after", "unknown before", "unknown after", "not applied"]


def _problem(code: ProblemCode) -> Answer:
    problem = Problem(code)
    return problem.status, problem.body("request-0"), False
