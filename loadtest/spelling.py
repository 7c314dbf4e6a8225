"""A request of the history, spelled as the contract spells it: method, path and body."""

from typing import Any

from loadtest.history import LIST_LIMIT, Kind, Request
from loadtest.money import to_text


def spelled(request: Request) -> tuple[str, str, dict[str, Any] | None]:
    """Method, path and query, and the JSON object of the body, or None for none."""
    target, body = request.target, body_of(request)
    match request.kind:
        case Kind.CHARGE:
            return "POST", "/v1/charges", body
        case Kind.CAPTURE | Kind.VOID | Kind.REFUND:
            return "POST", f"/v1/charges/{target}/{request.kind}", body
        case Kind.REQUEST_CREDIT:
            return "POST", "/v1/credit-requests", body
        case Kind.APPROVE | Kind.REJECT | Kind.CANCEL:
            return "POST", f"/v1/credit-requests/{target}/{request.kind}", body
        case Kind.ADJUST:
            return "POST", f"/v1/sellers/{request.seller_id}/adjustments", body
        case Kind.SET_LIMIT:
            return "PATCH", f"/v1/sellers/{request.seller_id}", body
        case Kind.READ_BALANCE:
            return "GET", "/v1/balance" + (f"?seller_id={request.seller_id}" if request.side == "admin" else ""), None
        case Kind.READ_CHARGE:
            return "GET", f"/v1/charges/{target}", None
        case Kind.LIST_CHARGES:
            return "GET", f"/v1/charges?limit={LIST_LIMIT}", None


def body_of(request: Request) -> dict[str, Any] | None:
    """None where nothing needs to be said."""
    amount = None if request.amount is None else to_text(abs(request.amount), request.currency)
    match request.kind:
        case Kind.CHARGE:
            body = {
                "phone_number": request.phone_number,
                "amount": amount,
                "capture": False if request.is_hold else None,
                "expires_in": request.expires_in_s,
                "reference": request.reference,
                "metadata": request.metadata,
            }
        case Kind.CAPTURE:
            body = {"amount": amount}
        case Kind.REFUND:
            body = {"amount": amount, "reason": request.note}
        case Kind.REQUEST_CREDIT:
            body = {"amount": amount, "note": request.note}
        case Kind.APPROVE | Kind.REJECT:
            body = {"note": request.note}
        case Kind.ADJUST:
            direction = "debit" if (request.amount or 0) < 0 else "credit"
            body = {"amount": amount, "direction": direction, "reason": request.note}
        case Kind.SET_LIMIT:
            body = {"credit_limit": amount}
        case _:
            return None
    return {name: value for name, value in body.items() if value is not None} or None
