"""Every page is for everyone: axe-core finds nothing in either theme, and nothing is cut off on a phone."""

from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest
import pytest_asyncio

from tests.console.conftest import PASSWORD, PHONE, Desk
from tests.console.demo import furnish
from tests.console.service_process import ADMIN_PASSWORD, Api

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = pytest.mark.asyncio(loop_scope="session")

AXE = Path(__file__).with_name("axe.min.js")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
IN_DARK = ["color-contrast", "link-in-text-block"]
"""What a theme can break; all else is the same page."""
# Colours fade from one theme to the other, if only for a frame.
STILL = """async () => {
    await new Promise(requestAnimationFrame);
    await Promise.allSettled(document.getAnimations().map(animation => animation.finished));
}"""
# Each answers where it stands: a page is settled when nothing is being loaded.
SETTLED = "() => document.querySelector('h1') && !document.querySelector('.skeleton, .ghost, [aria-busy]')"

# Of the page, of the tables in it, which would scroll by themselves, and of figures, which their frame would cut.
EXCESS = """() => Math.max(...[document.documentElement, ...document.querySelectorAll('.table-frame, .stat')]
    .map(element => element.scrollWidth - element.clientWidth))"""
LONG_NAME = f"The Long Name of a Reseller in Llanfair{'pwllgwyngyll' * 4}"

ADMIN_PAGES = ("", "requests", "requests?status=approved", "sellers", "charges", "transactions", "verification")
MORE_ADMIN_PAGES = ("trial-balance", "admins", "account", "nowhere")
SELLER_PAGES = ("", "holds", "charges", "credit", "statement", "transactions", "api-keys", "account")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def furnished(browser, service):
    """A shop in which every page has something to show."""
    async with aiohttp.ClientSession() as client:
        nobody = Api(client, service.url)
        sellers = await furnish(nobody)
        admin = await nobody.signed_in("admin", ADMIN_PASSWORD)
        body = {"username": "long", "password": PASSWORD, "name": LONG_NAME, "currency": "KWD"}
        sellers["long"] = await admin.post("/v1/sellers", body)
        credit = {"amount": "9999999999.999", "direction": "credit", "reason": "x" * 200}
        await admin.post(f"/v1/sellers/{sellers['long']['id']}/adjustments", credit)
        long = await nobody.signed_in("long", PASSWORD)
        await long.post("/v1/charges", {"phone_number": PHONE, "amount": "12345678.125", "reference": "r" * 100})
        await long.post("/v1/charges", {"phone_number": PHONE, "amount": "999999.999", "capture": False})
        await long.post("/v1/credit-requests", {"amount": "12345678.125", "note": "n" * 500})
        return sellers


async def test_the_pages_of_an_admin_are_for_everyone(desk: Desk, furnished) -> None:
    page = await desk.admin_page()
    kiosk = furnished["corner-kiosk"]["id"]
    seller = await desk.nobody.signed_in("corner-kiosk", PASSWORD)
    [charge, *_] = (await seller.get("/v1/charges?limit=1"))["data"]
    [entry, *_] = (await seller.get("/v1/transactions?limit=1"))["data"]
    details = (f"sellers/{kiosk}", f"charges/{charge['id']}", f"transactions/{entry['id']}")
    long = furnished["long"]["id"]
    entries = (await (await desk.admin()).get(f"/v1/transactions?seller_id={long}"))["data"]
    long_details = (f"sellers/{long}", *(f"transactions/{entry['id']}" for entry in entries))
    await walk(page, (*ADMIN_PAGES, *MORE_ADMIN_PAGES, *details, *long_details))
    completed = (await seller.get("/v1/charges?status=completed&limit=1"))["data"][0]
    await page.goto(f"{desk.service.url}/console/#/charges/{completed['id']}")
    await page.get_by_role("button", name="Refund").click()
    await examine(page, "dialog Refund")
    await page.keyboard.press("Escape")
    await page.goto(f"{desk.service.url}/console/#/sellers/{kiosk}")
    for name in ("Adjust", "Credit limit", "Suspend"):
        await page.get_by_role("button", name=name, exact=True).click()
        await examine(page, f"dialog {name}")
        await page.keyboard.press("Escape")


async def test_the_pages_of_a_seller_are_for_everyone(desk: Desk, furnished) -> None:
    page = await desk.page()
    await examine(page, "sign-in")
    await page.get_by_label("Username").fill("corner-kiosk")
    await page.get_by_label("Password", exact=True).fill("not the password")
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_text("The username or the password is not right.").wait_for()
    await examine(page, "sign-in refused")
    desk.forgive("status of 401")
    page = await desk.signed_in("corner-kiosk")
    await walk(page, SELLER_PAGES)
    await page.get_by_role("button", name="Appearance").click()
    await examine(page, "appearance")
    await page.keyboard.press("Escape")
    await page.goto(f"{desk.service.url}/console/#/api-keys")
    await page.get_by_label("Name").fill("Till 3")
    await page.get_by_role("button", name="Make the key").click()
    await page.get_by_role("heading", name="Your new key").wait_for()
    await examine(page, "new key")
    await page.goto(f"{desk.service.url}/console/#/holds")
    await page.get_by_role("button", name="Capture").first.click()
    await examine(page, "dialog Capture")


async def test_a_figure_that_is_almost_too_long_is_not_cut_off(desk: Desk, furnished) -> None:
    await walk(await desk.signed_in("long"), ("credit", "statement"))


async def test_what_selling_shows_is_for_everyone(desk: Desk, furnished) -> None:
    """A receipt of the longest amounts, and a decline."""
    page = await desk.signed_in("long")
    # The longest word that stands beside the balance, whatever the stream just does.
    await page.evaluate("() => { document.querySelector('.live-pill').lastChild.data = 'Connecting'; }")
    for amount, shows in (("1234567.125", ".receipt-done"), ("9999999999.999", "[role=alert]")):
        await page.get_by_label("Phone number").fill(PHONE)
        await page.get_by_label("Amount", exact=True).fill(amount)
        await page.get_by_role("button", name="Sell", exact=True).click()
        await page.locator(shows).wait_for()
        await examine(page, shows)
    desk.forgive("status of 402")


async def walk(page: "Page", paths: tuple[str, ...]) -> None:
    for path in paths:
        await page.evaluate("path => { location.hash = `#/${path}`; }", path)
        await examine(page, path)


async def examine(page: "Page", name: str) -> None:
    """Both themes wide, then a phone in both directions."""
    await page.wait_for_function(SETTLED)
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE.read_text())
    for theme, rules in (("light", RULES), ("dark", IN_DARK)):
        await page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
        await page.evaluate(STILL)
        found = await page.evaluate("rules => axe.run({runOnly: rules, resultTypes: ['violations']})", rules)
        assert [describe(one) for one in found["violations"]] == [], f"{name}, {theme}"
    await page.set_viewport_size({"width": 360, "height": 740})
    for direction in ("rtl", "ltr"):
        await page.evaluate("direction => { document.documentElement.dir = direction; }", direction)
        wide = await page.evaluate(EXCESS)
        assert wide == 0, f"{name} is {wide} px wider than a phone, {direction}"
    await page.set_viewport_size({"width": 1280, "height": 900})


def describe(violation) -> str:
    where = "; ".join(
        node["html"][:160] + " " + node.get("failureSummary", "")[:200] for node in violation["nodes"][:4]
    )
    return f"{violation['id']}: {violation['help']}: {where}"
