"""axe-core finds nothing on any page: light and dark, wide and as narrow as a phone."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from playwright.sync_api import Page, Response, expect

from accounts.models import User
from apikeys import vault
from apikeys.models import ApiKey
from chats.models import Chat, Source
from chats.sync import take_over
from tests.browser.conftest import OPENAI_KEY, SAMPLES, Open
from tests.conftest import PASSWORD
from wavelength.envelope import Secret
from wavelength.tenancy import tenant

AXE = (Path(__file__).parent / "axe.min.js").read_text()
# In the dark only colours are others: every rule in the light, contrast in both.
RUN = """async (scheme) => {
  const rules = scheme === "dark" ? {runOnly: {type: "rule", values: ["color-contrast", "link-in-text-block"]}} : {};
  const found = await axe.run(document, {resultTypes: ["violations"], ...rules});
  return found.violations.map(({id, nodes}) => `${id}: ${nodes.map(node => node.html).slice(0, 3).join("  ")}`);
}"""
SIZES = ((1280, 900), (360, 740))
OUTSIDE = (
    "/",
    "/accounts/login/",
    "/accounts/signup/",
    "/accounts/password/reset/",
    "/nothing/",
    "/offline/",
    "/shared/nothing/",
    "/mails/nothing/end/",
)
INSIDE = (
    "/",
    "/chats/",
    "/chats/?q=zzzz",
    "/chats/deleted/",
    "/chats/links/",
    "chat",
    "/usage/?period=all",
    "/usage/?period=30days&by=provider",
    "/usage/?period=today&provider=zzzz",
    "/usage/?period=custom&from=2026-02-02&to=2026-02-01",
    "/usage/budgets/new/",
    "/keys/",
    "/keys/new/",
    "/import/",
    "/profile/",
    "/security/",
    "/security/activity/",
    "/security/activity/?before=1.00000000000000000000000000000000",
    "/privacy/",
    "/accounts/email/",
    "/accounts/password/change/",
    "/accounts/logout/",
    "/nothing/",
)
# The last one lists this very browser.
RECENT = (
    "/accounts/2fa/totp/activate/",
    "/accounts/2fa/webauthn/add/",
    "/accounts/3rdparty/",
    "/accounts/email/",
    "/privacy/deactivation/",
    "/privacy/erasure/",
    "/security/",
)
PROTECTED = (
    "/accounts/2fa/recovery-codes/",
    "/accounts/2fa/recovery-codes/generate/",
    "/accounts/2fa/totp/deactivate/",
    "/accounts/2fa/webauthn/keys/KEY/edit/",
    "/accounts/2fa/webauthn/keys/KEY/remove/",
    "/accounts/2fa/reauthenticate/",
    "/security/",
    "/profile/",
)


def check(page: Page) -> list[str]:
    page.evaluate(AXE)
    faults = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            found: list[str] = page.evaluate(RUN, scheme)
            faults += [f"{scheme} {width}: {fault}" for fault in found]
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                faults.append(f"{width}: the page scrolls sideways")
    return faults


@pytest.fixture
def full(alice: User) -> dict[str, Any]:
    """An account with chats and keys in every state."""
    take_over(user_id=alice.pk, body=(SAMPLES / "rich.json").read_bytes(), source=Source.DEMO)
    for provider, secret in (("openai", "sk-proj-0f3a5b7c9d1e2f4a6b8c"), ("xai", "xai-0f3a5b7c9d1e2f4a6b8c")):
        vault.store_key(user_id=alice.pk, provider=provider, secret=Secret(secret), key_name="Mine")
    with tenant(alice.pk):
        key = ApiKey.objects.first()
        assert key is not None
        ApiKey.objects.filter(pk=key.pk).update(is_valid=False, validation_error="xAI does not know this key.")
        return {"chat": f"/chats/{Chat.objects.order_by('-message_count')[0].pk}/"}


def test_it_works_signed_out(open_page: Open, db: None) -> None:
    page = open_page(OUTSIDE[0])
    faults = visit(page, OUTSIDE, check)
    assert faults == {}


def test_it_works_signed_in(full: dict[str, Any], alice: User, open_page: Open) -> None:
    page = open_page("/", person=alice)
    faults = visit(page, [full.get(path, path) for path in INSIDE], check)
    assert faults == {}


def test_it_works_where_one_must_have_signed_in_just_now(alice: User, open_page: Open) -> None:
    page = open_page("/accounts/login/?next=/accounts/2fa/")
    page.get_by_label("Email").fill(alice.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.goto(RECENT[0])
    assert check(page) == []
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    expect(page.locator("img.qr")).to_be_visible()
    assert visit(page, RECENT, check) == {}
    expect(page.locator("#browsers .settings > li")).to_have_count(1)


def test_it_works_with_a_second_factor(alice: User, open_page: Open) -> None:
    TOTP.activate(alice, "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
    code = RecoveryCodes.activate(alice).get_unused_codes()[0]
    key = Authenticator.objects.create(
        user=alice,
        type=Authenticator.Type.WEBAUTHN,
        data={"name": "Phone", "credential": {"clientExtensionResults": {"credProps": {"rk": True}}}},
    )
    EmailAddress.objects.create(user=alice, email="new@example.com")
    page = open_page("/profile/", person=alice)
    page.goto("/accounts/2fa/reauthenticate/?next=/security/")
    page.get_by_label("Code").fill(code)
    page.get_by_role("button", name="Confirm").click()
    assert visit(page, [path.replace("KEY", str(key.pk)) for path in PROTECTED], check) == {}


def test_it_works_at_the_second_step(alice: User, open_page: Open) -> None:
    TOTP.activate(alice, "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
    page = open_page("/accounts/login/")
    page.get_by_label("Email").fill(alice.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="Second step")).to_be_visible()
    assert check(page) == []


def test_it_works_on_an_empty_account(bob: User, open_page: Open) -> None:
    page = open_page("/", person=bob)
    assert visit(page, ["/", "/chats/", "/keys/", "/usage/?period=all"], check) == {}


def test_it_works_in_a_dialog_and_with_the_menu_open(full: dict[str, Any], alice: User, open_page: Open) -> None:
    page = open_page("/keys/", person=alice, viewport={"width": 360, "height": 740})
    page.get_by_role("button", name="Menu").click()
    page.evaluate(AXE)
    assert page.evaluate(RUN) == []
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Add a key").click()
    page.get_by_role("dialog").wait_for()
    assert page.evaluate(RUN) == []
    for secret in ("sk-ant-of-another-house-0000", "sk-proj-wrong-0f3a5b7c9d1e2f4a0000", OPENAI_KEY):
        page.locator("label", has_text="OpenAI").click()
        page.get_by_label("Key", exact=True).fill(secret)
        page.get_by_role("button", name="Test").click()
        page.locator("#key-said > *").wait_for()
        assert check(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="More for").first.click()
    assert check(page) == []


def test_a_first_visit_weighs_at_most_100_kb(full: dict[str, Any], alice: User, open_page: Open) -> None:
    """Compressed, as it is served in production."""
    for path in ("/", "/chats/", "/usage/?period=all", "/keys/", "/import/", full["chat"]):
        assert 10_000 < weigh(open_page("about:blank", person=alice), path) <= 100_000, path
    for path in ("/", "/accounts/signup/"):
        assert 10_000 < weigh(open_page("about:blank"), path) <= 100_000, path


def weigh(page: Page, path: str) -> int:
    answers: list[Response] = []

    def keep(answer: Response) -> None:
        answers.append(answer)

    page.on("response", keep)
    page.goto(path, wait_until="networkidle")
    # Charts are counted apart: their library comes after the page. The stream of versions has no end.
    apart = ("/vendor/chart.js/", "/live/")
    return sum(len(gzip.compress(answer.body())) for answer in answers if not any(part in answer.url for part in apart))


def visit(page: Page, paths: Any, inspect: Callable[[Page], list[str]]) -> dict[str, list[str]]:
    found = {}
    for path in paths:
        page.goto(path)
        if faults := inspect(page):
            found[path] = faults
    return found
