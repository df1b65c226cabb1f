"""Making a token, using it and revoking it, with script and without."""

import re

import httpx
import pytest
from playwright.sync_api import expect

from accounts.models import User
from tests.browser.conftest import Open, Site
from tests.browser.test_pages_accessible import check
from tests.conftest import PASSWORD


@pytest.mark.parametrize("script", [True, False])
def test_it_works(script: bool, site: Site, alice: User, open_page: Open) -> None:
    page = open_page("/", person=alice, script=script, viewport={"width": 1280, "height": 800})
    page.get_by_role("link", name="Developers").click()
    page.get_by_role("link", name="Make a token").click()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    page.get_by_label("Name").fill("Nightly report")
    page.get_by_role("button", name="Make a token").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Your new token")
    token = page.get_by_role("textbox", name="API token").input_value()
    assert re.fullmatch(r"wl_[A-Za-z0-9_-]{43}", token)
    expect(page.get_by_role("button", name="Copy")).to_be_visible(visible=script)
    if script:
        assert check(page) == []
    shown = {"Authorization": f"Bearer {token}"}
    answer = httpx.get(f"{site.url}/api/profile", headers=shown)
    assert (answer.status_code, answer.json()["data"]["user"]["email"]) == (200, alice.email)

    page.get_by_role("link", name="Done").click()
    expect(page.locator("#tokens .settings > li")).to_have_count(1)
    page.get_by_role("link", name="Revoke Nightly report").click()
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("The token is revoked.")).to_be_visible()
    expect(page.get_by_role("heading", name="No tokens")).to_be_visible()
    assert httpx.get(f"{site.url}/api/profile", headers=shown).status_code == 401
