"""The counter of the API: the real application on a real database, asked over HTTP."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from decimal import Decimal
from typing import Any, Final, TypeVar

from tests.service.shop import PHONE, Shop, User
from tests.service.shop import Answer as Response
from tests.stateful.ledger import BY_ADMIN, Answer, Ask, Batch, BatchAnswer, Charge

T = TypeVar("T")

ATTEMPTS_MAX: Final = 20

_ON_CHARGE: Final = frozenset({"charge", "hold", "capture", "void", "refund"})
_ON_REQUEST: Final = frozenset({"request", "approve", "reject", "cancel"})


class HttpCounter:
    """To be used from another thread than that of the shop's event loop."""

    def __init__(self, shop: Shop, loop: asyncio.AbstractEventLoop) -> None:
        self._shop = shop
        self._loop = loop
        self._charges: list[str] = []
        self._requests: list[str] = []
        self._seller: User = self._done(shop.seller())

    def ask(self, ask: Ask) -> Answer:
        user = self._shop.admin if ask.verb in BY_ADMIN else self._seller
        method, path, body = self._request_of(ask)
        response = self._answered(lambda: user.ask(method, path, body, key=ask.key))
        is_replay = response.headers.get("Idempotent-Replayed") == "true"
        if response.code is not None:
            return self._refused(ask, response, is_replay)
        shown = response.json
        if ask.verb in _ON_CHARGE:
            balance = shown["balance"]
            return Answer(
                subject=_place(self._charges, shown["id"]),
                charge=_charge(shown),
                seq=shown["seq"],
                available=_minor(balance["available"]),
                held=_minor(balance["held"]),
                is_replay=is_replay,
            )
        if ask.verb in _ON_REQUEST:
            request = shown["status"], _minor(shown["amount"])
            return Answer(subject=_place(self._requests, shown["id"]), request=request, is_replay=is_replay)
        if ask.verb in ("credit", "debit"):
            available, held = _minor(shown["available_after"]), _minor(shown["held_after"])
            return Answer(seq=shown["seq"], available=available, held=held, is_replay=is_replay)
        return Answer()

    def ask_batch(self, batch: Batch) -> BatchAnswer:
        charges = [
            {**_sale(each), **({} if each.key is None else {"idempotency_key": each.key})} for each in batch.charges
        ]
        body = {"mode": "atomic" if batch.is_atomic else "independent", "charges": charges}
        response = self._answered(lambda: self._seller.post("/v1/charges/batch", body))
        if response.code == "seller_suspended" and not batch.is_atomic:  # Said once, of all of them.
            return BatchAnswer(results=(("failed", None, response.code),) * len(charges))
        if response.code is not None:
            return BatchAnswer(response.code)
        return BatchAnswer(
            results=tuple(
                (each["status"], None if each["id"] is None else _place(self._charges, each["id"]), each["code"])
                for each in response.json["results"]
            )
        )

    def balance(self) -> tuple[int, int, int, int]:
        shown = self._read("/v1/balance")
        return _minor(shown["available"]), _minor(shown["held"]), _minor(shown["credit_limit"]), shown["seq"]

    def look(self, charge: int) -> Charge:
        return _charge(self._read(f"/v1/charges/{self._charges[charge]}"))

    def forget(self) -> None:
        async def drop() -> None:
            self._shop.services.directory.in_doubt([self._seller.id])

        self._done(drop())

    def _answered(self, ask: Callable[[], Coroutine[Any, Any, Response]]) -> Response:
        """What was certainly not applied is asked again: a machine that is busy with others may be that slow."""
        for _ in range(ATTEMPTS_MAX):
            response = self._done(ask())
            if response.status != 503 or response.code == "outcome_unknown":
                return response
        raise AssertionError(f"{ATTEMPTS_MAX} times not available: {response}")

    def _read(self, path: str) -> Any:
        response = self._answered(lambda: self._seller.get(path))
        assert response.status == 200, response
        return response.json

    def _done(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def _request_of(self, ask: Ask) -> tuple[str, str, dict[str, Any] | None]:
        """Method, path and body."""
        amount = {} if ask.amount is None else {"amount": _text(ask.amount)}
        seller = f"/v1/sellers/{self._seller.id}"
        match ask.verb:
            case "charge" | "hold":
                return "POST", "/v1/charges", _sale(ask)
            case "capture" | "void" | "refund":
                assert ask.subject is not None
                reason = {"reason": "returned"} if ask.verb == "refund" else {}
                return "POST", f"/v1/charges/{self._charges[ask.subject]}/{ask.verb}", amount | reason
            case "request":
                return "POST", "/v1/credit-requests", amount
            case "approve" | "reject" | "cancel":
                assert ask.subject is not None
                return "POST", f"/v1/credit-requests/{self._requests[ask.subject]}/{ask.verb}", None
            case "credit" | "debit":
                return "POST", f"{seller}/adjustments", {**amount, "direction": ask.verb, "reason": "correction"}
            case "limit":
                assert ask.amount is not None
                return "PATCH", seller, {"credit_limit": _text(ask.amount)}
            case "suspend" | "reinstate":
                return "PATCH", seller, {"status": "suspended" if ask.verb == "suspend" else "active"}

    def _refused(self, ask: Ask, response: Response, is_replay: bool) -> Answer:
        problem: Mapping[str, Any] = response.json
        available = problem.get("available")
        subject = problem.get("charge_id")
        failure_code = None
        if subject is not None:
            failure_code = self._read(f"/v1/charges/{subject}")["failure_code"]
        return Answer(
            response.code,
            None if subject is None else _place(self._charges, subject),
            failure_code=failure_code,
            available=None if available is None else _minor(available),
            is_replay=is_replay,
        )


def _sale(ask: Ask) -> dict[str, Any]:
    assert ask.amount is not None
    hold = {"capture": False, "expires_in": 604_800} if ask.verb == "hold" else {}
    return {"phone_number": PHONE, "amount": _text(ask.amount), **hold}


def _charge(shown: Mapping[str, Any]) -> Charge:
    return Charge(shown["status"], _minor(shown["amount"]), _minor(shown["refunded_amount"]))


def _place(ids: list[str], id_: str) -> int:
    """Where it stands in the order in which they came."""
    if id_ not in ids:
        ids.append(id_)
    return ids.index(id_)


def _text(amount: int) -> str:
    return f"{amount // 100}.{amount % 100:02d}"


def _minor(amount: str) -> int:
    return int(Decimal(amount) * 100)
