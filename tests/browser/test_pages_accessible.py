"""axe-core finds nothing on any page: light and dark, wide and as narrow as a phone."""

import gzip
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from allauth.account.forms import default_token_generator
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.template.loader import render_to_string
from django.test import RequestFactory
from playwright.sync_api import Browser, Page, Response, expect

from accounts.deactivation import deactivate, reactivation_token
from accounts.models import ApiToken, User
from accounts.tokens import make_token
from apikeys import vault
from apikeys.models import ApiKey, KeyFlag
from chats.models import Chat, Handover, Source
from chats.sync import take_over
from tests.browser.addresses import INSIDE, OUTSIDE, PROTECTED, RECENT
from tests.browser.conftest import OPENAI_KEY, SAMPLES, Open
from tests.conftest import PASSWORD
from tests.processes import serve
from wavelength import collecting
from wavelength.envelope import Secret
from wavelength.styleguide import components
from wavelength.tenancy import tenant

AXE = (Path(__file__).parent / "axe.min.js").read_text()
# In the dark only colours are others: every rule in the light, contrast in both.
RUN = """async (scheme) => {
  const rules = scheme === "dark" ? {runOnly: {type: "rule", values: ["color-contrast", "link-in-text-block"]}} : {};
  const found = await axe.run(document, {resultTypes: ["violations"], ...rules});
  return found.violations.map(({id, nodes}) => `${id}: ${nodes.map(node => node.html).slice(0, 3).join("  ")}`);
}"""
SIZES = ((1280, 900), (360, 740))


# What is under way, or fading, has other colours.
CALM = """() => Promise.allSettled(document.getAnimations()
  .filter((it) => it.effect.getComputedTiming().iterations !== Infinity).map((it) => it.finished)).then(() => null)"""


def check(page: Page) -> list[str]:
    expect(page.locator("[aria-busy=true]:not([data-component] *)")).to_have_count(0)
    page.evaluate(CALM)
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
    """An account with chats and keys in every state; what the addresses' names stand for."""
    report = take_over(user_id=alice.pk, body=(SAMPLES / "rich.json").read_bytes(), source=Source.DEMO)
    assert report.migrated_chats
    for provider, secret in (("openai", "sk-proj-0f3a5b7c9d1e2f4a6b8c"), ("xai", "xai-0f3a5b7c9d1e2f4a6b8c")):
        vault.store_key(user_id=alice.pk, provider=provider, secret=Secret(secret), key_name="Mine")
    with tenant(alice.pk):
        key = ApiKey.objects.first()
        assert key is not None
        ApiKey.objects.filter(pk=key.pk).update(is_valid=False, validation_error="xAI does not know this key.")
        for reason, details in (("failing", {}), ("unusual", {"requests": 500, "usual": 7, "days": 14})):
            KeyFlag.objects.create(user=alice, key=key, reason=reason, details=details)
        make_token(user_id=alice.pk, name="Nightly report", days=None, read_only=True)
        make_token(user_id=alice.pk, name="An old laptop", days=-1, read_only=False)
        longest = Chat.objects.order_by("-message_count")[0]
        return {
            "chat": longest.pk,
            "key": key.pk,
            "import": Handover.objects.get().reference,
            "token": ApiToken.objects.latest("id").pk,
        }


@pytest.fixture
def links(alice: User, bob: User) -> dict[str, str]:
    """What stands in letters: to confirm an address, to set a new password, to have an account back."""
    unconfirmed = EmailAddress.objects.create(user=alice, email="new@example.com")
    return {
        "confirmation": EmailConfirmationHMAC(unconfirmed).key,
        "reset": f"{user_pk_to_url_str(alice)}-{default_token_generator.make_token(alice)}",
        "reactivation": reactivation_token(deactivate(user_id=bob.pk)),
    }


def test_it_works_signed_out(links: dict[str, str], open_page: Open) -> None:
    page = open_page("/")
    assert visit(page, OUTSIDE, check, links) == {}


def test_it_works_signed_in(full: dict[str, Any], alice: User, open_page: Open) -> None:
    page = open_page("/", person=alice)
    assert visit(page, INSIDE, check, full) == {}


def test_it_works_in_the_style_guide(browser: Browser, db: None) -> None:
    with serve(DEBUG="true") as server, closing(browser.new_page(base_url=server.url, reduced_motion="reduce")) as page:
        page.goto("/styleguide/")
        expect(page.locator("[data-component]")).to_have_count(len(components()))
        # Each stands there twice, light beside dark: so do landmarks.
        assert [fault for fault in check(page) if "landmark-unique" not in fault] == []


@pytest.mark.parametrize("template", ["400", "403", "403_csrf", "405", "429", "500", "503"])
def test_it_works_on_pages_that_refuse(template: str, open_page: Open, db: None) -> None:
    """As they are sent, at an address of the site, which their styles come from."""
    body = render_to_string(f"{template}.html", {"seconds": 90, "minutes": 2}, RequestFactory().get("/"))
    page = open_page("about:blank")
    page.route("**/refused/", lambda route: route.fulfill(body=body, content_type="text/html"))
    page.goto("/refused/")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert check(page) == []


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
    assert visit(page, PROTECTED, check, {"passkey": key.pk}) == {}


def test_it_works_at_the_second_step(alice: User, open_page: Open) -> None:
    TOTP.activate(alice, "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
    page = open_page("/accounts/login/")
    page.get_by_label("Email").fill(alice.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="Second step")).to_be_visible()
    assert check(page) == []


def test_it_works_for_administrators(alice: User, open_page: Open) -> None:
    """Of the admin, the page that is ours."""
    User.objects.filter(pk=alice.pk).update(is_staff=True)
    page = open_page("/", person=alice)
    assert visit(page, ["/admin/analytics/"], check) == {}
    vault.store_key(user_id=alice.pk, provider="openai", secret=Secret(OPENAI_KEY))
    collecting.collect()
    assert visit(page, ["/admin/analytics/?period=24h", "/admin/analytics/?period=90d"], check) == {}
    page.get_by_text("Figures of Registrations").click()
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


def test_a_first_visit_weighs_at_most_100_kb(
    full: dict[str, Any], links: dict[str, str], alice: User, open_page: Open
) -> None:
    """Compressed, as it is served in production, with nothing kept from the page before."""
    for paths, names, options in ((INSIDE, full, {"person": alice}), (OUTSIDE, links, {})):
        page = open_page("about:blank", **options)
        page.context.new_cdp_session(page).send("Network.setCacheDisabled", {"cacheDisabled": True})
        files: dict[str, int] = {}
        weights = {path: weigh(page, path.format(**names), files) for path in paths}
        assert [path for path, weight in weights.items() if not 10_000 < weight <= 100_000] == [], weights
        assert max(weights.values()) > 40_000, weights  # each brings all its files


def weigh(page: Page, path: str, weights: dict[str, int]) -> int:
    answers: list[Response] = []

    def keep(answer: Response) -> None:
        answers.append(answer)

    page.on("response", keep)
    page.goto(path, wait_until="load")
    page.wait_for_timeout(200)
    page.remove_listener("response", keep)
    # Charts are counted apart: their library comes after the page. The stream of versions has no end.
    apart = ("/vendor/chart.js/", "/live/")
    counted = [answer for answer in answers if not any(part in answer.url for part in apart)]
    # A file that an earlier page had may come from memory, whatever the cache: it weighs what it weighed.
    for answer in counted:
        if "/static/" not in answer.url or answer.url not in weights:
            weights[answer.url] = len(gzip.compress(answer.body()))
    return sum(weights[answer.url] for answer in counted)


def visit(
    page: Page, paths: Iterable[str], inspect: Callable[[Page], list[str]], names: Mapping[str, Any] | None = None
) -> dict[str, list[str]]:
    """The faults of these pages; `names` says what `{names}` in their addresses stand for."""
    found = {}
    for path in paths:
        page.goto(path.format(**(names or {})))
        if faults := inspect(page):
            found[path] = faults
    return found
