"""A shop with a life: sellers, credit, sales, holds, declines and refunds, so that pages have something to show."""

import random
from typing import Any

from tests.console.service_process import ADMIN_PASSWORD, Api

PASSWORD = "a long password"
SELLERS = (
    ("corner-kiosk", "Corner Kiosk", "1500.00", 34),
    ("harbour-news", "Harbour News", "2400.00", 27),
    ("station-17", "Station 17", "900.00", 19),
    ("cafe-lumiere", "Café Lumière", "640.00", 12),
    ("north-market", "North Market", "3100.00", 9),
    ("al-noor", "متجر النور", "780.00", 6),
)
REQUESTS = (
    ("harbour-news", "500.00", "Cash deposited at the branch, slip 8841"),
    ("station-17", "250.00", "Bank transfer, reference ST17-0923"),
    ("al-noor", "120.00", None),
    ("cafe-lumiere", "1000.00", "Weekend ahead; same as last month"),
    ("north-market", "75.50", "Correction of Tuesday"),
)


async def furnish(nobody: Api, *, seed: int = 4) -> dict[str, Any]:
    """Fills an empty shop. Returns the sellers by username."""
    chance = random.Random(seed)
    admin = await nobody.signed_in("admin", ADMIN_PASSWORD)
    sellers = {}
    for username, name, credit, sales in SELLERS:
        body = {"username": username, "password": PASSWORD, "name": name}
        sellers[username] = await admin.post("/v1/sellers", body)
        seller = await nobody.signed_in(username, PASSWORD)
        asked = await seller.post("/v1/credit-requests", {"amount": credit, "note": "Opening balance, paid in cash"})
        await admin.post(f"/v1/credit-requests/{asked['id']}/approve", {"note": "Received"})
        for number in range(sales):
            await _sell(chance, seller, admin, number)
    for username, amount, note in REQUESTS:
        seller = await nobody.signed_in(username, PASSWORD)
        await seller.post("/v1/credit-requests", {"amount": amount, "note": note})
    return sellers


async def _sell(chance: random.Random, seller: Api, admin: Api, number: int) -> None:
    body: dict[str, Any] = {
        "phone_number": f"+1555010{chance.randrange(10000):04d}",
        "amount": chance.choice(("5.00", "10.00", "10.00", "15.00", "20.00", "25.00", "50.00")),
    }
    if chance.random() < 0.6:
        body["reference"] = f"till-{chance.randrange(1, 5)}-{number + 1:03d}"
    fate = chance.random()
    if fate < 0.06:
        body["amount"] = "9000.00"
    if fate > 0.82:
        body |= {"capture": False, "expires_in": chance.choice((900, 3600, 86400))}
    charge = await seller.post("/v1/charges", body)
    if 0.86 < fate < 0.94:
        await seller.post(f"/v1/charges/{charge['id']}/capture")
    elif fate > 0.97:
        await seller.post(f"/v1/charges/{charge['id']}/void")
    elif 0.06 < fate < 0.1:
        await admin.post(f"/v1/charges/{charge['id']}/refund", {"reason": "wrong number"})
