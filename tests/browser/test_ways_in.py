"""Getting into an account: providers, a second factor, a passkey; and out of it again."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from accounts.models import User
from tests.browser.conftest import watch
from tests.browser.test_pages_accessible import check
from tests.conftest import PASSWORD
from tests.processes import free_port, serve
from tests.servers.oauth import GitHub, Google, OAuthServer
from tests.servers.smtp import MailServer

PROVIDERS = {"google": "Google", "github": "GitHub"}


@dataclass(frozen=True, slots=True)
class Doors:
    """A site with both providers, at a name for which browsers allow passkeys without https."""

    url: str
    mail: MailServer
    providers: dict[str, OAuthServer]


@pytest.fixture(scope="module")
def doors(django_db_setup: None) -> Iterator[Doors]:
    port = free_port()
    url = f"http://localhost:{port}"
    with ExitStack() as stack:
        mail = stack.enter_context(MailServer())
        google = stack.enter_context(Google(f"{url}/api/auth/callback/google"))
        github = stack.enter_context(GitHub(f"{url}/api/auth/callback/github"))
        stack.enter_context(
            serve(
                port=port,
                SITE_URL=url,
                ALLOWED_HOSTS="localhost,127.0.0.1",
                EMAIL_URL=mail.url,
                DJANGO_SETTINGS_MODULE="tests.servers.settings",
                GOOGLE_CLIENT_ID=google.client_id,
                GOOGLE_CLIENT_SECRET=google.client_secret,
                LOCAL_GOOGLE=json.dumps(google.settings),
                GITHUB_CLIENT_ID=github.client_id,
                GITHUB_CLIENT_SECRET=github.client_secret,
                LOCAL_GITHUB=json.dumps(github.settings),
                LOCAL_PROVIDERS=f"{google.url} {github.url}",
            )
        )
        yield Doors(url, mail, {"google": google, "github": github})


class Visitor:
    """A browser of its own, and what a person does in it."""

    def __init__(self, context: BrowserContext, page: Page) -> None:
        self.context = context
        self.page = page

    def sign_in(self, person: User, password: str = PASSWORD) -> None:
        self.page.goto("/accounts/login/")
        self.page.get_by_label("Email").fill(person.email)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in", exact=True).click()

    def confirm(self) -> None:
        expect(self.page.get_by_role("heading", name="Is it you?")).to_be_visible()
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Confirm").click()

    def confirm_by_mail(self, mail: MailServer, address: str) -> None:
        self.page.get_by_role("button", name="Mail the code").click()
        self.type_mailed_code(mail, address)

    def type_mailed_code(self, mail: MailServer, address: str) -> None:
        field = self.page.get_by_label("Code from the mail")
        expect(field).to_be_visible()
        code = re.search(r"\b[A-Z]{4}-[A-Z]{4}\b", mail.letter_to(address).text)
        assert code is not None
        field.fill(code[0])
        self.page.get_by_role("button", name="Confirm").click()

    def sign_out(self) -> None:
        self.page.goto("/accounts/logout/")
        self.page.locator("main").get_by_role("button", name="Sign out").click()

    def is_in(self) -> bool:
        self.page.goto("/security/")
        return "/accounts/login/" not in self.page.url

    def setting(self, title: str) -> Locator:
        return self.page.locator(".settings > li").filter(has=self.page.get_by_role("heading", name=title))


@pytest.fixture
def visit(doors: Doors, browser: Browser) -> Iterator[Any]:
    """Opens watched browsers: `visit(script=…)`."""
    opened: list[BrowserContext] = []
    noticed: list[str] = []

    def open_it(*, script: bool = True, **options: Any) -> Visitor:
        context = browser.new_context(
            base_url=doors.url, java_script_enabled=script, reduced_motion="reduce", **options
        )
        context.set_default_timeout(10_000)
        opened.append(context)
        page = context.new_page()
        watch(page, doors.url, noticed, *(provider.url for provider in doors.providers.values()))
        return Visitor(context, page)

    yield open_it
    for context in opened:
        context.close()
    assert noticed == []


def code_now(secret: str) -> str:
    return str(format_hotp_value(hotp_value(secret, next(yield_hotp_counters_from_time()))))


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_it_works_with_a_provider(provider: str, script: bool, doors: Doors, visit: Any) -> None:
    person = doors.providers[provider].become(subject="4711", email="dana@example.com", name="Dana Provider")
    visitor = visit(script=script)
    page = visitor.page
    page.goto("/accounts/login/")
    page.get_by_role("button", name=f"Continue with {PROVIDERS[provider]}").click()
    expect(page.get_by_role("heading", name="Welcome")).to_be_visible()

    assert visitor.is_in()
    expect(visitor.setting(PROVIDERS[provider])).to_contain_text("Connected")
    expect(visitor.setting("Password")).to_contain_text("None set")
    expect(page.locator("#activity")).to_contain_text(f"Signed in with {PROVIDERS[provider]}")
    expect(page.locator("#browsers")).to_contain_text("This one")
    assert User.objects.get().email == person.email
    # The only way in stays.
    page.goto("/accounts/3rdparty/")
    visitor.confirm_by_mail(doors.mail, person.email)
    page.get_by_role("button", name=f"Disconnect {PROVIDERS[provider]}").click()
    expect(page.locator(".errorlist")).to_contain_text("password")


def test_the_step_to_a_provider(doors: Doors, visit: Any) -> None:
    """From a link to a provider, and by a mailed code to the first password of who came from one: pages as others."""
    doors.providers["github"].become(subject="7", email="erin@example.com", login="erin")
    visitor = visit()
    page = visitor.page
    for provider, name in PROVIDERS.items():
        page.goto(f"/accounts/{provider}/login/")
        expect(page.get_by_role("heading", name=f"Continue with {name}?")).to_be_visible()
        assert check(page) == []
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="Welcome")).to_be_visible()
    page.goto("/accounts/password/set/")
    expect(page.get_by_role("heading", name="Is it you?")).to_be_visible()
    assert check(page) == []
    page.get_by_role("button", name="Mail the code").click()
    page.get_by_label("Code from the mail").fill("BBBB-BBBB")
    page.get_by_role("button", name="Confirm").click()
    expect(page.locator(".errorlist")).to_contain_text("not the code")
    assert check(page) == []
    visitor.type_mailed_code(doors.mail, "erin@example.com")
    expect(page.get_by_label("Password", exact=True)).to_be_visible()
    assert check(page) == []
    page.goto("/accounts/github/login/?process=connect")
    expect(page.get_by_role("heading", name="Connect GitHub?")).to_be_visible()
    assert check(page) == []


@pytest.mark.parametrize("script", [True, False])
def test_a_provider_is_connected_and_disconnected(script: bool, alice: User, doors: Doors, visit: Any) -> None:
    doors.providers["github"].become(subject="42", email="alice@github.example", login="alice")
    visitor = visit(script=script)
    page = visitor.page
    visitor.sign_in(alice)
    page.goto("/security/")
    visitor.setting("GitHub").get_by_role("link", name="Connect").click()
    visitor.confirm()
    page.get_by_role("button", name="Connect GitHub").click()
    expect(page.get_by_role("button", name="Disconnect GitHub")).to_be_visible()
    page.get_by_role("button", name="Disconnect GitHub").click()
    expect(page.get_by_text("None yet.")).to_be_visible()
    page.goto("/security/activity/")
    expect(page.locator("main")).to_contain_text("Sign-in with a provider disconnected GitHub")


@pytest.mark.parametrize("script", [True, False])
def test_a_second_factor(script: bool, alice: User, visit: Any) -> None:
    visitor = visit(script=script)
    page = visitor.page
    visitor.sign_in(alice)
    page.goto("/security/")
    visitor.setting("Authenticator app").get_by_role("link", name="Set up").click()
    visitor.confirm()
    expect(page.locator("img.qr")).to_be_visible()
    secret = page.get_by_label("Secret for the app").input_value()
    page.get_by_label("Authenticator code").fill("000000")
    page.get_by_role("button", name="Switch on").click()
    expect(page.locator(".errorlist")).to_contain_text("code")
    page.get_by_label("Authenticator code").fill(code_now(secret))
    page.get_by_role("button", name="Switch on").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    codes = page.locator(".codes li").all_inner_texts()
    assert len(codes) == 10

    visitor.sign_out()
    visitor.sign_in(alice)
    # There is none to offer.
    expect(page.get_by_role("button", name="Use a passkey")).to_have_count(0)
    page.get_by_label("Code").fill("111111")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.locator(".errorlist")).to_be_visible()
    page.get_by_label("Code").fill(code_now(secret))
    page.get_by_role("button", name="Sign in", exact=True).click()
    assert visitor.is_in()

    visitor.sign_out()
    visitor.sign_in(alice)
    page.get_by_label("Code").fill(codes[0])
    page.get_by_role("button", name="Sign in", exact=True).click()
    assert visitor.is_in()
    expect(visitor.setting("Recovery codes")).to_contain_text("9 are left")
    expect(page.locator("#activity")).to_contain_text("Failed attempt to sign in with a code")

    visitor.setting("Authenticator app").get_by_role("link", name="Switch off").click()
    visitor.confirm()
    page.get_by_role("button", name="Switch off").click()
    page.goto("/security/")
    expect(visitor.setting("Authenticator app")).to_contain_text("Off")


def test_a_passkey(alice: User, visit: Any) -> None:
    visitor = visit()
    page = visitor.page
    devtools = visitor.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    key = {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
        "isUserVerified": True, "automaticPresenceSimulation": True,
    }  # fmt: skip
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": key})
    visitor.sign_in(alice)
    page.goto("/security/")
    page.get_by_role("link", name="Add a passkey").click()
    visitor.confirm()
    expect(page.get_by_label("Name")).to_have_value("Chrome on Linux")
    page.get_by_label("Name").fill("Laptop")
    page.get_by_role("button", name="Add passkey").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()

    visitor.sign_out()
    page.goto("/accounts/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("heading", level=1)).not_to_have_text("Sign in")
    assert visitor.is_in()
    expect(page.locator("#activity")).to_contain_text("Signed in with a passkey")

    visitor.sign_out()
    visitor.sign_in(alice)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", level=1)).not_to_have_text("Second step")
    assert visitor.is_in()
    page.goto("/accounts/2fa/webauthn/reauthenticate/")
    assert check(page) == []
    page.goto("/security/")

    visitor.setting("Laptop").get_by_role("link", name="Rename").click()
    visitor.confirm()
    page.get_by_label("Name").fill("Old laptop")
    page.get_by_role("button", name="Save").click()
    visitor.setting("Old laptop").get_by_role("link", name="Remove").click()
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("None yet. A passkey")).to_be_visible()


def test_a_passkey_that_is_refused_is_said(db: None, visit: Any) -> None:
    visitor = visit()
    page = visitor.page
    page.goto("/accounts/login/")
    page.evaluate("() => { navigator.credentials.get = () => Promise.reject(new DOMException('', 'NotAllowedError')) }")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("could not be used")


@pytest.mark.parametrize("script", [True, False])
def test_another_browser_is_signed_out(script: bool, alice: User, visit: Any) -> None:
    here = visit(script=script)
    there = visit(user_agent="Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
    third = visit(user_agent="Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/139.0 Safari/537.36")
    for visitor in (there, third, here):
        visitor.sign_in(alice)
        assert visitor.is_in()
    expect(here.setting("Firefox on Linux")).to_contain_text("127.0.0.1")
    here.setting("Firefox on Linux").get_by_role("button", name="Sign out").click()
    here.confirm()
    expect(here.page.get_by_text("That browser is signed out.")).to_be_visible()
    assert [visitor.is_in() for visitor in (here, there, third)] == [True, False, True]
    here.page.get_by_role("button", name="Sign out everywhere else").click()
    expect(here.page.get_by_text("1 other browser is signed out.")).to_be_visible()
    assert [visitor.is_in() for visitor in (here, third)] == [True, False]


@pytest.mark.parametrize("script", [True, False])
def test_leaving_and_coming_back(script: bool, alice: User, doors: Doors, visit: Any) -> None:
    visitor = visit(script=script)
    page = visitor.page
    visitor.sign_in(alice)
    page.goto("/privacy/")
    page.get_by_role("link", name="Deactivate").click()
    visitor.confirm()
    page.get_by_label("Your e-mail address, to confirm").fill("someone@example.com")
    page.get_by_role("button", name="Deactivate").click()
    expect(page.locator(".errorlist")).to_contain_text("not the address of this account")
    page.get_by_label("Your e-mail address, to confirm").fill(alice.email)
    page.get_by_role("button", name="Deactivate").click()
    expect(page.get_by_text("Your account is deactivated.")).to_be_visible()
    visitor.sign_in(alice)
    expect(page.get_by_role("heading", name="This account is deactivated")).to_be_visible()

    letters = [letter for letter in doors.mail.letters if "/reactivate/" in letter.text]
    link = re.search(r"http\S+/reactivate/\S+", letters[-1].text)
    assert link is not None
    page.goto(link[0])
    page.get_by_role("button", name="Activate my account").click()
    visitor.sign_in(alice)
    assert visitor.is_in()
