"""What whoever sells sees of it: the receipt on a phone and on paper, and what an admin changes meanwhile."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.console.conftest import PASSWORD, PHONE, Desk

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_on_a_phone_the_receipt_comes_into_view_and_the_next_sale_is_one_tap_away(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await desk.new_seller("50.00")
    page = await desk.signed_in(seller.username, viewport={"width": 360, "height": 640})
    await page.get_by_label("Phone number").fill(PHONE)
    await page.get_by_label("Amount", exact=True).fill("20")
    await page.get_by_role("button", name="Sell", exact=True).click()
    await expect(page.locator(".receipt-done")).to_be_in_viewport(ratio=1)
    await page.get_by_role("button", name="Next sale").click()
    await expect(page.get_by_label("Phone number")).to_be_focused()
    await expect(page.get_by_label("Phone number")).to_be_in_viewport(ratio=1)


HEIGHT = "element => element.getBoundingClientRect().height"


async def test_text_of_twice_the_size_fits_on_a_phone(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await desk.new_seller("1234.00")
    for _ in range(26):
        await seller.api.post("/v1/charges", {"phone_number": PHONE, "amount": "0.10"})
    page = await desk.signed_in(seller.username, viewport={"width": 390, "height": 800})
    balance = page.locator(".top-balance")
    line = await balance.evaluate(HEIGHT)
    await page.evaluate("() => { document.documentElement.style.fontSize = '200%'; }")
    assert await balance.evaluate(HEIGHT) <= 2 * line + 1
    await page.get_by_role("navigation", name="Quick").get_by_role("link", name="History").click()
    await expect(page.get_by_role("button", name="Older")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") == 390


async def test_a_printed_receipt_says_who_sold_and_what_and_nothing_else(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await desk.new_seller("50.00")
    page = await desk.signed_in(seller.username)
    await page.get_by_label("Phone number").fill(PHONE)
    await page.get_by_label("Amount", exact=True).fill("20")
    await page.get_by_role("button", name="Sell", exact=True).click()
    await page.locator(".receipt-done").wait_for()
    await page.emulate_media(media="print")
    [charge] = await seller.charges()
    for text in (f"Kiosk {seller.username}", "Sold", PHONE, charge["receipt"]):
        await expect(page.locator(".receipt-card").get_by_text(text, exact=True)).to_be_visible()
    for part in (page.get_by_role("button"), page.get_by_role("navigation"), page.get_by_text("Latest")):
        await expect(part.locator("visible=true")).to_have_count(0)
    await page.goto(f"{desk.service.url}/console/#/charges/{charge['id']}")  # printed again, the next day
    await expect(page.locator(".receipt-card").get_by_text(f"Kiosk {seller.username}", exact=True)).to_be_visible()
    await page.goto(f"{desk.service.url}/console/#/statement?from=2026-01-01")
    await expect(page.get_by_text(f"Kiosk {seller.username}, 2026-01-01 to now", exact=True)).to_be_visible()


async def test_a_sale_may_be_typed_in_the_digits_that_the_page_is_written_in(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await desk.new_seller("1500.00")
    page = await desk.signed_in(seller.username, locale="ar-EG")
    await page.get_by_label("Phone number").fill("\u2066+١ ٥٥٥ ٠١٠ ٠٠٠١\u2069")  # as it is copied from other pages
    await page.get_by_label("Amount", exact=True).fill("١٬٢٣٤٫٥")
    await page.get_by_role("button", name="Sell", exact=True).click()
    await page.locator(".receipt-done").wait_for()
    [charge] = await seller.charges()
    assert (charge["phone_number"], charge["amount"]) == (PHONE, "1234.50")
    await page.get_by_label("Amount", exact=True).fill("1" * 14)
    await page.get_by_role("button", name="Sell", exact=True).click()
    await expect(page.get_by_text("Use at most 13 digits before the point.")).to_be_visible()


async def test_the_receipt_of_a_hold_follows_what_becomes_of_it(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await desk.new_seller("50.00")
    page = await desk.signed_in(seller.username)
    receipt = page.locator(".receipt-card")
    await page.get_by_role("radio", name="Hold first").check()
    await page.get_by_label("Phone number").fill(PHONE)
    await page.get_by_label("Amount", exact=True).fill("20")
    await page.get_by_role("button", name="Hold", exact=True).click()
    await expect(page.locator(".receipt-done")).to_have_text("Held")
    await receipt.get_by_role("button", name="Capture").click()
    await page.get_by_role("dialog").get_by_label("Amount").fill("15")
    await page.get_by_role("dialog").get_by_role("button", name="Capture").click()
    await expect(page.locator(".receipt-done")).to_have_text("Sold")
    await expect(page.locator(".receipt-amount")).to_have_text("$15.00")
    await expect(receipt.get_by_role("button", name="Capture")).to_have_count(0)
    [charge] = await seller.charges()
    await expect(receipt).to_contain_text(charge["receipt"])


async def test_a_dialog_stays_in_front_when_its_hold_expires_behind_it(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await desk.new_seller("50.00")
    page = await desk.signed_in(seller.username)
    hold = {"phone_number": PHONE, "amount": "20.00", "capture": False, "expires_in": 6}
    charge = await seller.api.post("/v1/charges", hold)
    await page.goto(f"{desk.service.url}/console/#/charges/{charge['id']}")
    await page.get_by_role("button", name="Void").click()
    await expect(page.locator(".receipt-head")).to_contain_text("Expired")
    dialog = page.get_by_role("dialog")
    assert await dialog.evaluate("dialog => dialog.matches(':modal')")
    await dialog.get_by_role("button", name="Void").click()
    await expect(dialog).to_contain_text("This hold is not open any more")
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    desk.forgive("status of 409")


async def test_a_seller_that_is_suspended_while_signed_in_is_told_and_told_when_it_is_over(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await desk.new_seller("50.00")
    page = await desk.signed_in(seller.username)
    admin = await desk.admin()
    await admin.patch(f"/v1/sellers/{seller.id}", {"status": "suspended"})
    notice = page.get_by_text("Your account is suspended.")
    await expect(notice).to_be_visible()
    await page.get_by_label("Phone number").fill(PHONE)
    await page.get_by_label("Amount", exact=True).fill("20")
    await page.get_by_role("button", name="Sell", exact=True).click()
    await expect(page.get_by_role("alert")).to_contain_text("This account is suspended.")
    assert await seller.charges() == []
    await page.reload()
    await expect(notice).to_be_visible()
    await admin.patch(f"/v1/sellers/{seller.id}", {"status": "active", "credit_limit": "25.00"})
    await expect(notice).to_be_hidden()
    await page.get_by_role("link", name="Credit", exact=True).first.click()
    await expect(page.locator(".stats")).to_contain_text("$25.00")
    desk.forgive("status of 403")


async def test_news_stays_while_it_is_pointed_at(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await desk.new_seller()
    page = await desk.page()
    await page.clock.install()  # the five seconds are the page's own
    await page.get_by_label("Username").fill(seller.username)
    await page.get_by_label("Password", exact=True).fill("a long password")
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("link", name="Credit", exact=True).first.click()
    await page.get_by_label("Amount", exact=True).fill("100")
    await page.clock.pause_at(datetime.now(UTC) + timedelta(seconds=2))
    await page.get_by_role("button", name="Request credit").click()
    news = page.get_by_text("Asked. You will see the decision here.")
    await news.hover()
    await page.clock.fast_forward(20_000)
    await expect(news).to_be_visible()
    await page.mouse.move(0, 0)
    await page.clock.fast_forward(20_000)
    await expect(news).to_be_hidden()


# How far apart the middles of its digits are from top to bottom: more than a few pixels means two lines.
SPREAD = """figure => {
    const range = document.createRange();
    const walker = document.createTreeWalker(figure, NodeFilter.SHOW_TEXT);
    const middles = [];
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        for (let at = 0; at < node.data.length; at++) {
            range.setStart(node, at);
            range.setEnd(node, at + 1);
            const box = range.getBoundingClientRect();
            if (/[0-9]/.test(node.data[at])) middles.push((box.top + box.bottom) / 2);
        }
    }
    return Math.max(...middles) - Math.min(...middles);
}"""


async def test_long_amounts_are_broken_between_currency_and_number_if_anywhere(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await desk.new_seller("9000000.000", "KWD")
    page = await desk.signed_in(seller.username)
    await page.get_by_label("Phone number").fill(PHONE)
    await page.get_by_label("Amount", exact=True).fill("1234567.125")
    await page.get_by_role("button", name="Sell", exact=True).click()
    await expect(page.locator(".receipt-done")).to_have_text("Sold")
    await expect(page.locator(".balance-figure")).to_have_text(re.compile(r"7,765,432\.875"))
    card = page.locator(".balance-card")
    assert await card.evaluate("card => card.scrollWidth - card.clientWidth") <= 0
    for width in (1280, 360):
        await page.set_viewport_size({"width": width, "height": 900})
        assert await page.locator(".receipt-amount").evaluate(SPREAD) < 16, width
    await page.emulate_media(media="print")
    assert await page.locator(".receipt-amount").evaluate(SPREAD) < 16


async def test_a_figure_of_any_length_is_broken_between_currency_and_number_if_anywhere(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await desk.new_seller("12345.125", "KWD")
    page = await desk.signed_in(seller.username, viewport={"width": 360, "height": 740})
    for address, figures in (("credit", 3), ("statement", 3)):
        await page.goto(f"{desk.service.url}/console/#/{address}")
        await expect(page.locator(".stat .figure")).to_have_count(figures)
        await expect(page.locator(".stat .figure", has_text="KWD 12,345.125")).to_have_count(1)
        for figure in await page.locator(".stat .figure").all():
            assert await figure.evaluate(SPREAD) < 16, address
    largest = await desk.new_seller("9999999999999.99")
    page = await desk.signed_in(largest.username)
    await expect(page.locator(".balance-figure")).to_have_text("$9,999,999,999,999.99")
    assert await page.locator(".balance-figure").evaluate(SPREAD) < 16


async def test_a_phone_number_stays_whole_beside_a_long_reference(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await desk.new_seller("50.00")
    await seller.api.post("/v1/charges", {"phone_number": PHONE, "amount": "1.00", "reference": "till 1, " * 12})
    page = await desk.signed_in(seller.username)
    phone = page.get_by_role("cell", name=PHONE, exact=True).locator(".phone")
    await expect(phone).to_be_visible()
    for width in (1280, 800):
        await page.set_viewport_size({"width": width, "height": 900})
        assert await phone.evaluate(SPREAD) < 4, width


async def test_a_name_that_begins_with_a_picture_is_not_cut_in_half(desk: Desk) -> None:
    from playwright.async_api import expect

    body = {"username": "rocket", "password": PASSWORD, "name": "\N{ROCKET} Top-up"}
    await (await desk.admin()).post("/v1/sellers", body)
    page = await desk.signed_in("rocket")
    await expect(page.locator(".avatar")).to_have_text("\N{ROCKET}")


async def test_the_usual_amounts_are_those_that_this_seller_sells_most(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await desk.new_seller("90000", "JPY")
    page = await desk.signed_in(seller.username)
    usual = page.get_by_role("group", name="Usual amounts").get_by_role("button")
    await expect(usual).to_have_text(["¥500", "¥1,000", "¥2,000", "¥5,000"])
    for amount in ("3000", "3000", "700", "700", "700", "1500"):
        await seller.api.post("/v1/charges", {"phone_number": PHONE, "amount": amount})
    await page.reload()
    await expect(usual).to_have_text(["¥500", "¥700", "¥1,500", "¥3,000"])
    await usual.nth(3).click()
    await expect(page.get_by_label("Amount", exact=True)).to_have_value("3000")
    for amount in ("900", "900", "900", "900"):
        await seller.api.post("/v1/charges", {"phone_number": PHONE, "amount": amount})
    await expect(page.get_by_role("cell", name="¥900")).to_have_count(4)
    await expect(usual).to_have_text(["¥500", "¥700", "¥1,500", "¥3,000"])  # as the hand has learnt them


async def test_who_comes_back_after_the_session_ended_is_told_so(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await desk.new_seller()
    page = await desk.signed_in(seller.username)
    token = await page.evaluate("JSON.parse(sessionStorage['charge-shop.session']).token")
    await page.goto("about:blank")
    await desk.nobody.end(token)
    await page.go_back()
    await expect(page.get_by_text("Your session has ended.")).to_be_visible()
    desk.forgive("status of 401")


GAPS = """phone => [...phone.children].map((group, index, all) => [
    group.textContent, index ? group.getBoundingClientRect().left - all[index - 1].getBoundingClientRect().right : 0,
])"""
SELECTED = """phone => {
    getSelection().selectAllChildren(phone);
    return getSelection().toString();
}"""


async def test_a_phone_number_is_read_in_groups_and_copied_and_searched_for_as_it_is(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await desk.new_seller("50.00")
    read = {
        PHONE: ["+1", "555", "010", "0001"],
        "+4915112345678": ["+49", "151", "123", "456", "78"],
        "+966501234567": ["+966", "501", "234", "567"],
    }
    for number in read:
        await seller.api.post("/v1/charges", {"phone_number": number, "amount": "1.00"})
    page = await desk.signed_in(seller.username)
    await page.get_by_role("link", name="History").first.click()
    for number, groups in read.items():
        phone = page.get_by_role("cell", name=number, exact=True).locator(".phone")
        gaps = dict(await phone.evaluate(GAPS))
        assert list(gaps) == groups
        assert all(gap > 2 for gap in list(gaps.values())[1:])
        assert await phone.evaluate(SELECTED) == number
    await page.get_by_role("link", name="+966501234567").click()
    receipt = page.locator(".receipt-card .phone")
    await page.emulate_media(media="print")
    assert [group for group, _ in await receipt.evaluate(GAPS)] == read["+966501234567"]
    await expect(receipt).to_have_text("+966501234567")
