"""Takes the pictures of the console that the README shows: `make screenshots`.

A shop of its own is started, furnished, and sold from for two minutes, so that the pictures show what people see.
"""

import argparse
import asyncio
import math
import random
import sys
import tempfile
from pathlib import Path

import aiohttp

from tests.console.browser import chromium, why_not
from tests.console.demo import PASSWORD, SELLERS, furnish
from tests.console.service_process import ADMIN_PASSWORD, Api, ServiceProcess

BUSY_S = 125
PACE_MAX = 9.0
"""Charges per second at the height of a wave."""


async def take(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="charge-shop-pictures-") as home:
        async with ServiceProcess(Path(home)) as service, aiohttp.ClientSession() as client, chromium() as browser:
            nobody = Api(client, service.url)
            await furnish(nobody)

            async def page_of(username: str, password: str, theme: str):
                context = await browser.new_context(
                    viewport={"width": 1360, "height": 940},
                    device_scale_factor=1.5,
                    color_scheme=theme,  # type: ignore[arg-type]
                    locale="en-US",
                    timezone_id="UTC",
                )
                page = await context.new_page()
                await page.goto(f"{service.url}/console/")
                await page.get_by_label("Username").fill(username)
                await page.get_by_label("Password", exact=True).fill(password)
                await page.get_by_role("button", name="Sign in").click()
                await page.get_by_text("Live", exact=True).wait_for()
                return page

            admin = await page_of("admin", ADMIN_PASSWORD, "light")
            await admin.get_by_role("link", name="Verification").first.click()
            await admin.get_by_role("button", name="Verify now").click()
            await admin.get_by_role("heading", name="The journal is whole").wait_for()
            await admin.get_by_role("link", name="Overview").first.click()
            await _keep_busy(nobody)
            await admin.screenshot(path=folder / "overview.png")

            seller = await page_of("corner-kiosk", PASSWORD, "dark")
            await seller.get_by_label("Phone number").fill("+1 555 010 4711")
            await seller.get_by_label("Amount", exact=True).fill("20")
            await seller.get_by_label("Reference optional").fill("till-2, Ana")
            await seller.get_by_role("button", name="Sell", exact=True).click()
            await seller.locator(".receipt-done").wait_for()
            await seller.get_by_role("row", name="till-2, Ana").wait_for()
            await seller.screenshot(path=folder / "sell.png")


async def _keep_busy(nobody: Api) -> None:
    """Sells in waves, as a shop does over a day, only faster."""
    chance = random.Random(7)
    sellers = [await nobody.signed_in(username, PASSWORD) for username, *_ in SELLERS]
    weights = [sales for *_, sales in SELLERS]
    loop = asyncio.get_running_loop()
    start = loop.time()
    while (passed := loop.time() - start) < BUSY_S:
        [seller] = chance.choices(sellers, weights)
        phone_number = f"+1555010{chance.randrange(10000):04d}"
        await seller.post(
            "/v1/charges", {"phone_number": phone_number, "amount": chance.choice(("0.50", "1.00", "2.00"))}
        )
        pace = PACE_MAX * (0.55 + 0.3 * math.sin(passed / 9) + 0.15 * math.sin(passed / 2.3))
        await asyncio.sleep(chance.expovariate(1) * 0.3 / pace + 0.7 / pace)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.console.screenshots", description=__doc__)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    if reason := why_not():
        sys.exit(f"no pictures: {reason}")
    asyncio.run(take(options.folder))
