"""The figures and charts of the whole shop are true, or say that they do not know."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.console.conftest import PASSWORD, PHONE, Desk, Seller
from tests.console.service_process import ADMIN_PASSWORD

if TYPE_CHECKING:
    from playwright.async_api import Page, Route

pytestmark = pytest.mark.asyncio(loop_scope="session")

LOOKED_AT = """isHidden => {
    Object.defineProperty(document, 'hidden', {value: isHidden, configurable: true});
    document.dispatchEvent(new Event('visibilitychange'));
}"""

TODAY = """
const {Today} = await import(new URL('../admin/today.js', document.querySelector('script[type=module]').src));
const today = new Today();
const since = new Date(Date.now() - 60_000).toISOString();
const entry = (number, changed) => ({
    position: 1e9 + number, seller_id: 'somebody', type: 'charge', currency: 'ISK', amount: '-1', held_change: '0',
    held_after: '0', created_at: new Date().toISOString(), ...changed,
});
const ofISK = () => today.figures().currencies.find(({currency}) => currency === 'ISK') ?? null;
"""
"""Figures of today beside those that the page shows, and entries that the service does not know."""


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


async def test_figures_that_are_loaded_again_hold_what_is_written_by_then_and_no_more(desk: Desk) -> None:
    """A journal that was restored has lost what a page was told before."""
    page = await desk.admin_page()
    told, loaded = await page.evaluate(
        f"""async () => {{{TODAY}
            await today.load(since);
            today.tell([entry(1), entry(2)]);
            const told = ofISK();
            await today.load(since);
            return [told, ofISK()];
        }}"""
    )
    assert told["sold"] == "2"
    assert loaded is None


async def test_however_much_is_sold_while_the_figures_are_loaded_is_added(desk: Desk) -> None:
    page = await desk.admin_page()
    figures = await page.evaluate(
        f"""async () => {{{TODAY}
            const loading = today.load(since);
            for (let batch = 0; batch < 50; batch++)
                today.tell(Array.from({{length: 1000}}, (_, number) => entry(1000 * batch + number)));
            await loading;
            return ofISK();
        }}"""
    )
    assert figures["sold"] == "50000"


async def test_what_was_sold_before_midnight_and_told_after_it_is_not_of_today(desk: Desk) -> None:
    page = await desk.admin_page()
    figures = await page.evaluate(
        f"""async () => {{{TODAY}
            const before = new Date(Date.parse(since) - 1).toISOString();
            await today.load(since);
            today.tell([entry(1, {{type: 'credit', amount: '5', created_at: before}})]);
            today.tell([entry(2, {{created_at: before}})]);
            today.tell([entry(3, {{created_at: since.replace('Z', '001Z')}})]);
            return ofISK();
        }}"""
    )
    assert (figures["sold"], figures["outstanding"]) == ("1", "3")


async def test_who_comes_to_be_among_the_best_is_shown_with_all_that_was_sold(desk: Desk) -> None:
    """A summary names twenty; what somebody else had sold before is to be asked for."""
    from playwright.async_api import expect

    seller = await desk.new_seller("50000.00")
    await seller.api.post("/v1/charges", {"phone_number": PHONE, "amount": "1000.00"})
    page = await desk.page()
    await page.clock.install(time=datetime.now(UTC))
    is_named = False

    async def names_others(route: "Route") -> None:
        is_altered = not is_named
        answer = await route.fetch()
        summary = await answer.json()
        if is_altered:
            others = [{"seller_id": seller.id[:-2] + str(number), "sold": "2000.00"} for number in range(10, 30)]
            summary["currencies"][0]["best_sellers"] = others
        await route.fulfill(response=answer, json=summary)

    await page.route("**/v1/summary?*", names_others)
    await page.route("**/v1/sellers/*", lambda route: route.fulfill(json={"name": "Somebody"}))
    await page.get_by_label("Username").fill("admin")
    await page.get_by_label("Password", exact=True).fill(ADMIN_PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_text("Live", exact=True).wait_for()
    best = page.locator(".ranks li")
    await expect(best).to_have_text(["Somebody$2,000.00"] * 6)
    await page.clock.run_for(2_000)  # what is loaded again since the stream has begun is on its way
    is_named = True
    await seller.api.post("/v1/charges", {"phone_number": PHONE, "amount": "30000.00"})
    await expect(best.first).to_contain_text("$31,000.00")
