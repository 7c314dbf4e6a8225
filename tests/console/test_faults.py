"""What a person sees, and what is not sold twice, when answers are lost and the service goes away."""

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.console.conftest import PASSWORD, PHONE, Desk

if TYPE_CHECKING:
    from playwright.async_api import Page, Route

pytestmark = pytest.mark.asyncio(loop_scope="session")


END_TOKEN = """() => fetch('/v1/auth/token', {
    method: 'DELETE', headers: {Authorization: `Bearer ${JSON.parse(sessionStorage['charge-shop.session']).token}`},
})"""
"""As from elsewhere: the page itself hears nothing of it."""


async def hold_back_all_but(page: "Page", *operations: str) -> None:
    """Whatever else the page asks, the stream or a list that it refreshes, could be the first to tell it something. So
    it is not answered yet."""

    async def passed(route: "Route") -> None:
        asked = f"{route.request.method} {urlsplit(route.request.url).path}"
        if any(map(asked.endswith, operations)):
            await route.continue_()

    await page.route("**/v1/**", passed)


async def sell(page: "Page", amount: str) -> None:
    await page.get_by_label("Phone number").fill(PHONE)
    await page.get_by_label("Amount", exact=True).fill(amount)
    await page.get_by_role("button", name="Sell", exact=True).click()


async def test_a_lost_answer_is_asked_for_again_under_the_same_key(desk: Desk) -> None:
    """The service sold; its answer never arrived. The page gets it, and it was sold once."""
    from playwright.async_api import expect

    seller = await desk.new_seller("50.00")
    page = await desk.signed_in(seller.username)
    keys = []

    async def lose_the_first(route: "Route") -> None:
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) == 1:
            await route.fetch()
            await route.abort()
        else:
            await route.continue_()

    await page.route(
        "**/v1/charges", lambda route: lose_the_first(route) if route.request.method == "POST" else route.continue_()
    )
    await sell(page, "20")
    await expect(page.locator(".receipt-done")).to_have_text("Sold")
    await expect(page.locator(".balance-figure")).to_have_text("$30.00")
    assert len(keys) >= 2
    assert len(set(keys)) == 1
    assert len(await seller.charges()) == 1
    desk.forgive("ERR_FAILED")


async def test_a_sale_that_is_asked_again_is_never_sold_for_whoever_signed_in_meanwhile(desk: Desk) -> None:
    from playwright.async_api import expect

    one, other = await desk.new_seller("50.00"), await desk.new_seller("50.00")
    page = await desk.signed_in(one.username)
    statuses: list[int] = []

    async def busy_at_first(route: "Route") -> None:
        if route.request.method != "POST":
            return await route.continue_()
        if not statuses:
            statuses.append(503)
            headers = {"Content-Type": "application/problem+json", "Retry-After": "4"}
            return await route.fulfill(status=503, headers=headers, body='{"code": "overloaded"}')
        answer = await route.fetch()
        statuses.append(answer.status)
        return await route.fulfill(response=answer)

    await page.route("**/v1/charges", busy_at_first)
    await sell(page, "20")
    await expect(page.get_by_text("Nothing was sold yet")).to_be_visible()
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_label("Username").fill(other.username)
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.locator(".balance-figure")).to_have_text("$50.00")
    async with asyncio.timeout(10):
        while len(statuses) < 2:
            await asyncio.sleep(0.05)
    assert statuses == [503, 401]
    await expect(page.get_by_role("heading", name="Sell")).to_be_visible()  # nobody was signed out by that
    assert await one.charges() == []
    assert await other.charges() == []
    desk.forgive("status of 401", "status of 503")


async def test_a_sale_that_a_reload_cut_off_is_finished_under_its_key(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await desk.new_seller("50.00")
    page = await desk.signed_in(seller.username)
    reached = asyncio.Event()

    async def sold_but_never_answered(route: "Route") -> None:
        if route.request.method != "POST" or reached.is_set():
            return await route.continue_()
        await route.fetch()
        reached.set()
        return None

    await page.route("**/v1/charges", sold_but_never_answered)
    await sell(page, "20")
    async with asyncio.timeout(10):
        await reached.wait()
    await page.reload()
    await expect(page.locator(".receipt-done")).to_have_text("Sold")
    assert len(await seller.charges()) == 1


async def test_a_dialog_stays_while_its_command_is_under_way_so_that_nobody_gives_it_twice(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await desk.new_seller("50.00")
    charge = await seller.api.post("/v1/charges", {"phone_number": PHONE, "amount": "20.00"})
    page = await desk.admin_page()
    await page.goto(f"{desk.service.url}/console/#/charges/{charge['id']}")
    answered = asyncio.Event()

    async def slowly(route: "Route") -> None:
        await answered.wait()
        await route.continue_()

    await page.route("**/refund", slowly)
    await page.get_by_role("button", name="Refund").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Amount").fill("5")
    await dialog.get_by_label("Reason").fill("wrong number")
    await dialog.get_by_role("button", name="Refund").click()
    for _ in range(3):
        await page.keyboard.press("Escape")
    for name in ("Cancel", "Close"):
        await expect(dialog.get_by_role("button", name=name)).to_be_disabled()
    await expect(dialog).to_be_visible()
    answered.set()
    await expect(dialog).to_be_hidden()
    await expect(page.locator(".receipt-head")).to_contain_text("Partly refunded")
    [charge] = await seller.charges()
    assert charge["refunded_amount"] == "5.00"


async def test_a_decline_is_said_in_words_with_what_is_available(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await desk.new_seller("5.00")
    page = await desk.signed_in(seller.username)
    await sell(page, "20")
    await expect(page.get_by_role("alert")).to_contain_text("Only $5.00 is available")
    admin = await desk.admin()
    await admin.patch(f"/v1/sellers/{seller.id}", {"credit_limit": "7.50"})
    await page.get_by_role("link", name="Credit", exact=True).first.click()
    await expect(page.locator(".stats")).to_contain_text("$7.50")
    await page.get_by_role("link", name="Sell", exact=True).first.click()
    await sell(page, "20")
    await expect(page.get_by_role("alert")).to_contain_text("Only $12.50 is available")  # with what the limit allows
    await page.get_by_label("Phone number").fill("12")
    await page.get_by_label("Amount", exact=True).fill("1.999")
    await page.get_by_role("button", name="Sell", exact=True).click()
    await expect(page.get_by_text("Use at most 2 decimals.")).to_be_visible()
    desk.forgive("status of 402")


async def lose_the_first_answer(page: "Page", path: str) -> None:
    """What is made there is made; nobody hears of it."""
    lost: list[str] = []

    async def lose(route: "Route") -> None:
        if route.request.method != "POST" or lost:
            return await route.continue_()
        lost.append(route.request.url)
        await route.fetch()
        return await route.abort()

    await page.route(f"**{path}", lose)


async def test_who_was_made_though_the_answer_was_lost_is_not_called_somebody_else(desk: Desk) -> None:
    from playwright.async_api import expect

    page = await desk.admin_page()
    for link, path, username in (("Sellers", "/v1/sellers", "lost-seller"), ("Admins", "/v1/admins", "lost-admin")):
        await lose_the_first_answer(page, path)
        await page.get_by_role("link", name=link, exact=True).first.click()
        await page.get_by_role("button", name=f"New {link[:-1].lower()}").click()
        dialog = page.get_by_role("dialog")
        if link == "Sellers":
            await dialog.get_by_label("Name", exact=True).fill(username)
        await dialog.get_by_label("Username", exact=True).fill(username)
        await dialog.get_by_label("First password", exact=True).fill(PASSWORD)
        await dialog.get_by_role("button", name="Create", exact=True).click()
        await expect(page.get_by_text(f"{username} was made, though the answer was lost")).to_be_visible()
        await expect(dialog).to_be_hidden()
    desk.forgive("ERR_FAILED")


async def test_a_key_whose_secret_was_lost_on_its_way_is_shown_as_one_to_be_revoked(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await desk.new_seller()
    page = await desk.signed_in(seller.username)
    await lose_the_first_answer(page, "/v1/api-keys")
    await page.get_by_role("link", name="API keys").first.click()
    await page.get_by_label("Name").fill("Till 3")
    await page.get_by_role("button", name="Make the key").click()
    await expect(page.get_by_role("alert")).to_contain_text("A key may have been made whose secret nobody has seen")
    await expect(page.get_by_role("cell", name="Till 3", exact=True)).to_be_visible()
    desk.forgive("ERR_FAILED")


async def test_what_is_typed_wrong_is_said_beside_its_field(desk: Desk) -> None:
    from playwright.async_api import expect

    page = await desk.admin_page()
    await page.get_by_role("link", name="Admins").first.click()
    await page.get_by_role("button", name="New admin").click()
    await page.get_by_label("Username", exact=True).fill("two words")
    await page.get_by_label("First password", exact=True).fill("short")
    await page.get_by_role("button", name="Create", exact=True).click()
    for label, words in (("Username", "Letters, digits and @"), ("First password", "Use at least 10 characters.")):
        field = page.get_by_label(label, exact=True)
        await expect(field).to_have_attribute("aria-invalid", "true")
        await expect(field).to_have_accessible_description(re.compile(words))


async def test_the_page_outlives_a_restart_of_the_service_and_says_so(desk: Desk) -> None:
    """kill -9 in the middle: what was sold meanwhile is sold once, and what happens later is shown live again."""
    from playwright.async_api import expect

    seller = await desk.new_seller("50.00")
    page = await desk.signed_in(seller.username)
    await desk.service.kill()
    await expect(page.get_by_text("The service does not answer.")).to_be_visible()
    await sell(page, "20")
    await expect(page.get_by_text("Nothing was sold yet")).to_be_visible()
    # Nothing of it may look changed while it is under way.
    for control in (page.get_by_role("button", name="$5", exact=True), page.get_by_role("radio", name="Hold first")):
        await expect(control).to_be_disabled()
    await desk.service.start()
    await expect(page.get_by_text("The service is back")).to_be_visible()
    await expect(page.locator(".receipt-done")).to_have_text("Sold")
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    assert len(await seller.charges()) == 1
    await seller.api.post("/v1/charges", {"phone_number": PHONE, "amount": "7.00"})
    await expect(page.locator(".balance-figure")).to_have_text("$23.00")
    # The browser itself notes each attempt that nobody answered.
    desk.forgive("Failed to load resource")


async def test_a_sale_that_nobody_waits_for_is_dropped_where_nothing_was_sold(desk: Desk) -> None:
    """Whether the service said so, or could not be asked at all."""
    from playwright.async_api import expect

    seller = await desk.new_seller("50.00")
    page = await desk.signed_in(seller.username)
    problem = {"status": 503, "headers": {"Content-Type": "application/problem+json", "Retry-After": "5"}}
    await page.route(
        "**/v1/charges",
        lambda route: (
            route.fulfill(**problem, body='{"code": "overloaded"}')
            if route.request.method == "POST"
            else route.continue_()
        ),
    )
    await sell(page, "20")
    await page.get_by_role("button", name="Stop asking").click()
    await expect(page.get_by_text("You stopped asking, and nothing was sold.")).to_be_visible()
    await expect(page.get_by_label("Amount", exact=True)).to_have_value("20")
    await page.unroute("**/v1/charges")
    await desk.service.kill()
    await expect(page.get_by_text("The service does not answer.")).to_be_visible()
    await page.get_by_role("button", name="Sell", exact=True).click()
    for name in ("Holds", "Sell"):  # which the page that is left goes on asking for
        await page.get_by_role("link", name=name, exact=True).first.click()
    await page.get_by_role("button", name="Stop asking").click()
    await expect(page.get_by_text("You stopped asking, and nothing was sold.")).to_be_visible()
    await expect(page.get_by_label("Phone number")).to_be_focused()
    await desk.service.start()
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    await page.reload()
    await expect(page.get_by_text("Nothing sold yet")).to_be_visible()
    assert await seller.charges() == []
    desk.forgive("Failed to load resource")


async def test_a_sale_that_may_have_been_sold_stays_listed_when_nobody_waits_for_it(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await desk.new_seller("90.00")
    page = await desk.signed_in(seller.username)
    keys = []

    async def answer_nothing(route: "Route") -> None:
        if route.request.method != "POST":
            return await route.continue_()
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) == 1:  # this one is sold
            await route.fetch()
        return await route.abort()

    await page.route("**/v1/charges", answer_nothing)
    for amount in ("20", "10"):
        await sell(page, amount)
        await expect(page.get_by_text("No certain answer yet.")).to_be_visible()
        await page.get_by_role("button", name="Stop asking").click()
        await expect(page.get_by_text("It may have been sold all the same")).to_be_visible()
        await expect(page.get_by_label("Amount", exact=True)).to_have_value("")
    await page.unroute("**/v1/charges")
    await page.reload()
    listed = page.get_by_role("table", name="Not finished")
    unsold = listed.get_by_role("row", name=re.compile(r"\$10\.00"))
    await unsold.get_by_role("button", name="Look it up").click()
    await expect(unsold).to_contain_text("Not sold by now.")
    await unsold.get_by_role("button", name="Ask again").click()
    await expect(page.locator(".receipt-done")).to_have_text("Sold")
    assert sorted(charge["amount"] for charge in await seller.charges()) == ["10.00", "20.00"]
    await listed.get_by_role("row", name=re.compile(r"\$20\.00")).get_by_role("button", name="Look it up").click()
    await expect(page.get_by_role("heading", name="Charge", exact=True)).to_be_visible()
    await page.go_back()
    await expect(page.get_by_role("heading", name="Sell")).to_be_visible()
    await expect(listed).to_have_count(0)
    assert len(await seller.charges()) == 2
    desk.forgive("ERR_FAILED")


async def test_a_sale_of_long_ago_is_not_sent_again_before_somebody_says_so(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await desk.new_seller("50.00")
    page = await desk.signed_in(seller.username)
    body = {"phone_number": PHONE, "amount": "20.00"}
    for sale, words in (
        ({"maybeSold": True}, "Whether these were sold is not known."),
        ({"maybeSold": False}, "This was begun more than ten minutes ago, and was not sold."),
    ):
        await page.evaluate(
            "([id, sale]) => { sessionStorage[`charge-shop.sale.${id}`] = "
            "JSON.stringify({...sale, at: Date.now() - 11 * 60000}); }",
            [seller.id, {"key": f"long-ago-{sale['maybeSold']}", "body": body, **sale}],
        )
        await page.reload()
        await expect(page.get_by_text(words)).to_be_visible()
        await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    assert await seller.charges() == []
    await page.get_by_role("button", name="Ask again").click()
    await expect(page.locator(".receipt-done")).to_have_text("Sold")
    [charge] = await seller.charges()
    assert charge["amount"] == "20.00"


async def test_without_a_stream_the_page_asks_every_few_seconds(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await desk.new_seller("50.00")
    page = await desk.signed_in(seller.username)
    await page.context.route("**/v1/events", lambda route: route.fulfill(status=404))
    await page.reload()
    await expect(page.get_by_text("Updating", exact=True)).to_be_visible()
    await seller.api.post("/v1/charges", {"phone_number": PHONE, "amount": "7.00"})
    await expect(page.locator(".balance-figure")).to_have_text("$43.00")
    desk.forgive("status of 404")


async def test_a_session_that_ended_elsewhere_leads_to_signing_in_and_back(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await desk.new_seller()
    page = await desk.signed_in(seller.username)
    await page.get_by_role("link", name="Statement").first.click()
    admin = await desk.admin()
    await admin.post(f"/v1/sellers/{seller.id}/password", {"new_password": "another long password"})
    await expect(page.get_by_text("Your session has ended.")).to_be_visible()
    await page.get_by_label("Username").fill(seller.username)
    await page.get_by_label("Password", exact=True).fill("another long password")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", name="Statement")).to_be_visible()
    desk.forgive("status of 401")


async def test_a_session_that_ended_is_not_called_a_wrong_password_and_leaves_no_news_behind(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await desk.new_seller()
    await seller.api.post("/v1/credit-requests", {"amount": "41.00"})
    page = await desk.admin_page()
    await page.get_by_role("link", name=re.compile("Credit requests")).first.click()
    await page.get_by_role("option", name=re.compile(r"\$41\.00")).click()
    await hold_back_all_but(page, "DELETE /v1/auth/token", "/approve")
    await page.evaluate(END_TOKEN)
    async with page.expect_response(re.compile("/approve$")) as refused:
        await page.get_by_role("button", name="Approve").click()
    assert (await refused.value).status == 401
    await expect(page.get_by_text("Your session has ended.")).to_have_count(1)
    await asyncio.sleep(0.5)  # the news would come after it
    assert await page.get_by_text("The username or the password is not right.").count() == 0
    assert await page.locator(".toast").count() == 0
    desk.forgive("status of 401")


async def test_what_was_asked_after_the_session_had_ended_is_not_sold_by_signing_in_again(desk: Desk) -> None:
    """It may be hours later, and whoever bought may have gone."""
    from playwright.async_api import expect

    seller = await desk.new_seller("50.00")
    page = await desk.signed_in(seller.username)
    await hold_back_all_but(page, "DELETE /v1/auth/token", "POST /v1/charges")
    await page.evaluate(END_TOKEN)
    await sell(page, "20")
    await expect(page.get_by_text("Your session has ended.")).to_be_visible()
    await page.unroute("**/v1/**")
    await page.get_by_label("Username").fill(seller.username)
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_text("so this was not sold.")).to_be_visible()
    await expect(page.get_by_label("Amount", exact=True)).to_have_value("20")
    assert await seller.charges() == []
    await page.get_by_role("button", name="Sell", exact=True).click()
    await expect(page.locator(".receipt-done")).to_have_text("Sold")
    assert len(await seller.charges()) == 1
    desk.forgive("status of 401")


async def test_what_was_typed_to_ask_for_credit_outlives_the_session_for_its_user_only(desk: Desk) -> None:
    """Typed, it stands there again; sent without an answer, it is asked for once when it is sent again."""
    from playwright.async_api import expect

    seller, other = await desk.new_seller(), await desk.new_seller()
    page = await desk.signed_in(seller.username)

    async def sign_in(username: str) -> None:
        await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        await page.get_by_label("Username").fill(username)
        await page.get_by_label("Password", exact=True).fill(PASSWORD)
        await page.get_by_role("button", name="Sign in").click()

    amount, note = page.get_by_label("Amount", exact=True), page.get_by_label("Note optional")
    await page.get_by_role("link", name="Credit", exact=True).first.click()
    await amount.fill("120")
    await note.fill("slip 120")
    await page.evaluate(END_TOKEN)
    await sign_in(other.username)
    await expect(amount).to_have_value("")
    await expect(note).to_have_value("")
    await page.evaluate(END_TOKEN)
    await sign_in(seller.username)
    await expect(amount).to_have_value("120")
    await expect(note).to_have_value("slip 120")
    is_losing = True

    async def lose(route: "Route") -> None:
        if route.request.method != "POST" or not is_losing:
            return await route.continue_()
        await route.fetch()
        return await route.abort()

    await page.route("**/v1/credit-requests", lose)
    await page.get_by_role("button", name="Request credit").click()
    await expect(page.get_by_text("No answer yet; asking again.")).to_be_visible()
    await page.evaluate(END_TOKEN)
    await sign_in(seller.username)
    await expect(page.get_by_text("This may not have been requested")).to_be_visible()
    await expect(note).to_have_value("slip 120")
    is_losing = False
    await page.get_by_role("button", name="Request credit").click()
    await expect(page.get_by_text("Asked. You will see the decision here.")).to_be_visible()
    await expect(amount).to_have_value("")
    assert [one["amount"] for one in (await seller.api.get("/v1/credit-requests"))["data"]] == ["120.00"]
    await page.reload()
    await expect(page.get_by_role("cell", name="slip 120")).to_be_visible()
    await expect(amount).to_have_value("")
    desk.forgive("status of 401", "ERR_FAILED")


async def test_a_token_is_nowhere_but_in_the_tab_and_ends_with_signing_out(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await desk.new_seller()
    page = await desk.signed_in(seller.username)
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    token = await page.evaluate("JSON.parse(sessionStorage.getItem('charge-shop.session')).token")
    for name in ("Holds", "Credit", "Statement", "API keys"):
        await page.get_by_role("link", name=name, exact=True).first.click()
    assert token not in await page.evaluate("JSON.stringify({...localStorage}) + document.cookie + location.href")
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    await expect(page).to_have_url(f"{desk.service.url}/console/#/")  # the next one may be no seller
    assert addresses
    assert not any(token in address for address in addresses)
    status = await page.evaluate(
        "token => fetch('/v1/auth/me', {headers: {Authorization: `Bearer ${token}`}}).then(answer => answer.status)",
        token,
    )
    assert status == 401
    desk.forgive("status of 401")


async def test_what_a_busy_service_does_not_answer_is_asked_again_by_itself_when_it_said_so(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await desk.new_seller("50.00")
    for number in range(3):
        charge = {"phone_number": PHONE, "amount": "0.10", "reference": f"till {number}"}
        await seller.api.post("/v1/charges", charge)
    page = await desk.signed_in(seller.username)
    refusals: list[tuple[int, str]] = []
    asked = 0

    async def refuse(route: "Route") -> None:
        nonlocal asked
        asked += 1
        if refusals and re.search("limit=25|cursor=", route.request.url):
            status, code = refusals.pop(0)
            headers = {"Content-Type": "application/problem+json", "Retry-After": "1"}
            return await route.fulfill(status=status, headers=headers, body=f'{{"code": "{code}"}}')
        url = route.request.url.replace("limit=100", "limit=1")  # of the file: a charge each
        return await route.continue_(url=url)

    await page.route(re.compile(r"/v1/charges\?.*limit=(25|100)"), refuse)
    busy = page.get_by_text("The service is very busy.")
    for refusal in ((429, "rate_limited"), (503, "overloaded")):
        refusals[:] = [refusal] * 2
        asked = 0
        await page.goto(f"{desk.service.url}/console/#/charges")
        await expect(busy).to_be_visible()
        await expect(page.get_by_role("row", name="till 2")).to_be_visible()
        await expect(busy).to_be_hidden()
        assert asked <= 4  # it is as busy as it is: nobody is to make it busier
        await page.goto(f"{desk.service.url}/console/#/account")
    await page.goto(f"{desk.service.url}/console/#/charges")
    await expect(page.get_by_role("row", name="till 2")).to_be_visible()
    refusals[:] = [(429, "rate_limited")]
    async with page.expect_download() as saving:
        await page.get_by_role("button", name="CSV").click()
    assert refusals == []
    text = Path(await (await saving.value).path()).read_text()
    assert [number for number in range(3) if f"till {number}" in text] == [0, 1, 2]
    desk.forgive("status of 429", "status of 503")
