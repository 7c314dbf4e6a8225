"""The figures and charts of the whole shop are true, or say that they do not know."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.console.conftest import PASSWORD, PHONE, Desk, Seller
from tests.console.service_process import ADMIN_PASSWORD

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = pytest.mark.asyncio(loop_scope="session")

LOOKED_AT = """isHidden => {
    Object.defineProperty(document, 'hidden', {value: isHidden, configurable: true});
    document.dispatchEvent(new Event('visibilitychange'));
}"""


async def sell(seller: Seller, number: int) -> None:
    charges = [{"phone_number": PHONE, "amount": "0.01"}] * number
    assert (await seller.api.post("/v1/charges/batch", {"mode": "atomic", "charges": charges}))["failed"] == 0


async def highest_tick(page: "Page") -> int:
    texts = await page.locator(".chart .tick[text-anchor=end]").all_text_contents()
    return max(int(text) for text in texts if text.isdecimal())


async def test_the_pace_counts_what_was_sold_while_nobody_looked(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await desk.new_seller("50.00")
    page = await desk.page()
    # Nobody looks for 92 s of the page's own; then it is as late there as it is here.
    await page.clock.install(time=datetime.now(UTC) - timedelta(seconds=92))
    await page.get_by_label("Username").fill("admin")
    await page.get_by_label("Password", exact=True).fill(ADMIN_PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    await page.evaluate(LOOKED_AT, True)
    await page.clock.fast_forward(31_000)
    await expect(page.get_by_text("Connecting", exact=True)).to_be_visible()
    await page.clock.fast_forward(61_000)
    await sell(seller, 400)
    await page.evaluate(LOOKED_AT, False)
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    async with asyncio.timeout(10):
        while await highest_tick(page) < 400:
            await asyncio.sleep(0.2)


async def test_the_pace_before_what_was_read_back_is_shown_as_unknown_and_not_as_none(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await desk.new_seller("50.00")
    await sell(seller, 601)
    page = await desk.admin_page()
    chart = page.get_by_role("img", name=re.compile("Charges per second"))
    await expect(chart.locator(".unknown")).to_be_visible()
    await chart.focus()
    await page.keyboard.press("Home")
    await expect(page.locator(".tip")).to_contain_text("not counted")


async def test_refunds_are_told_beside_what_was_sold_in_a_shop_of_two_currencies_too(desk: Desk) -> None:
    from playwright.async_api import expect

    admin = await desk.admin()
    await admin.post("/v1/sellers", {"username": "franc", "password": PASSWORD, "name": "Franc", "currency": "CHF"})
    seller = await desk.new_seller("50.00")
    charge = await seller.api.post("/v1/charges", {"phone_number": PHONE, "amount": "5.00"})
    await admin.post(f"/v1/charges/{charge['id']}/refund", {"reason": "wrong number"})
    page = await desk.admin_page()
    sold = page.locator(".stat").filter(has_text="Sold today")
    await expect(sold).to_contain_text("refunded")
    await expect(sold).to_contain_text("CHF")


async def test_what_just_happened_can_be_clicked_while_more_happens(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await desk.new_seller("50.00")
    for _ in range(9):
        await seller.api.post("/v1/charges", {"phone_number": PHONE, "amount": "0.01"})
    page = await desk.admin_page()
    third = page.locator(".feed li").nth(2).get_by_role("link").first
    await third.hover()
    address = await third.get_attribute("href") or ""
    count = page.locator(".stat").filter(has_text="Declined share").locator(".stat-note")
    before = await count.text_content() or ""
    await seller.api.post("/v1/charges", {"phone_number": PHONE, "amount": "0.02"})
    await expect(count).not_to_have_text(before)
    await expect(third).to_have_attribute("href", address)
    await page.get_by_role("heading", name="As it happens").hover()
    await expect(page.locator(".feed li").first).to_contain_text("-$0.02")


async def test_what_was_sold_is_known_without_asking_for_each_capture_or_seller(desk: Desk) -> None:
    from playwright.async_api import expect

    api = (await desk.new_seller("100.00", "AED")).api
    hold = {"phone_number": PHONE, "amount": "20.00", "capture": False}
    captured, voided, _ = [await api.post("/v1/charges", hold) for _ in range(3)]
    await api.post(f"/v1/charges/{captured['id']}/capture", {"amount": "15.00"})
    await api.post(f"/v1/charges/{voided['id']}/void")
    await api.post("/v1/charges", {"phone_number": PHONE, "amount": "1.50"})
    page = await desk.admin_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.reload()
    for label, amount in (("Sold today", "AED\u00a016.50"), ("Credit outstanding", "AED\u00a083.50")):
        stat = page.locator(".stat").filter(has_text=label)
        await expect(stat).to_contain_text(amount)
    assert [url for url in asked if "type=capture" in url or "/v1/statement" in url] == []
    await api.post(f"/v1/charges/{(await api.post('/v1/charges', hold))['id']}/capture")
    await expect(page.locator(".stat").filter(has_text="Sold today")).to_contain_text("AED\u00a036.50")
    await expect(page.locator(".stat").filter(has_text="Credit outstanding")).to_contain_text("AED\u00a063.50")


async def test_the_axis_of_what_is_counted_has_whole_numbers(desk: Desk) -> None:
    from playwright.async_api import expect

    second = (datetime.now(UTC) - timedelta(seconds=3)).isoformat().replace("+00:00", "Z")
    charges = [{"id": str(number), "status": "completed", "created_at": second} for number in range(9)]
    page = await desk.page()
    await page.route(
        "**/v1/charges?from=*",
        lambda route: route.fulfill(json={"data": charges, "has_more": False, "next_cursor": None}),
    )
    await page.get_by_label("Username").fill("admin")
    await page.get_by_label("Password", exact=True).fill(ADMIN_PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    ticks = page.locator(".chart .tick[text-anchor=end]")
    await expect(ticks.filter(has_text="10")).to_have_count(1)
    assert [text for text in await ticks.all_text_contents() if "." in text] == []


async def test_nobody_is_asked_how_the_journal_or_a_verification_is_while_nobody_looks(desk: Desk) -> None:
    from playwright.async_api import expect

    page = await desk.page()
    await page.clock.install(time=datetime.now(UTC))
    await page.get_by_label("Username").fill("admin")
    await page.get_by_label("Password", exact=True).fill(ADMIN_PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_text("Ready", exact=True)).to_be_visible()
    await expect(page.locator(".ghost, .skeleton")).to_have_count(0)  # nothing else is on its way
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.removeprefix(desk.service.url)))
    await page.evaluate(LOOKED_AT, True)
    await page.clock.run_for(20_000)
    assert asked == []
    async with page.expect_request("**/readyz"):
        await page.evaluate(LOOKED_AT, False)

    async def still_running(route) -> None:
        answer = await route.fetch()
        run = {**await answer.json(), "status": "running", "finished_at": None}
        await route.fulfill(response=answer, json=run)

    await page.route("**/v1/verification/*", still_running)
    await page.goto(f"{desk.service.url}/console/#/verification")
    await page.get_by_role("button", name="Verify now").click()
    async with page.expect_response("**/v1/verification/*"):
        await page.clock.run_for(1_000)
    await page.evaluate(LOOKED_AT, True)
    await page.clock.run_for(1_000)  # one may have been on its way
    asked.clear()
    await page.clock.run_for(20_000)
    assert asked == []
    await page.unroute("**/v1/verification/*")
    await page.evaluate(LOOKED_AT, False)
    await page.clock.run_for(1_000)
    await expect(page.get_by_role("heading", name="The journal is whole")).to_be_visible()
