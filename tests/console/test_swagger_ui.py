"""Swagger UI loads in a browser under its policy, and a call that is tried there works."""

import pytest

from tests.console.conftest import Desk

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_call_is_tried_in_swagger_ui(desk: Desk) -> None:
    from playwright.async_api import expect

    page = await desk.page("/swagger/")
    operation = page.locator(".opblock", has=page.locator("[data-path='/readyz']"))
    await operation.locator(".opblock-summary").click()
    await operation.get_by_role("button", name="Try it out").click()
    await operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table .response")
    await expect(answer).to_contain_text("200")
    await expect(answer).to_contain_text('"ready"')
