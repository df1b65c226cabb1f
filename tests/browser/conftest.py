"""A server, a browser, and pages that are watched: no console error, no other host, nothing the policy refuses."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response

from accounts.models import User
from tests.browser.chromium import chromium
from tests.conftest import signed_in
from tests.needed import lacking
from tests.processes import Running, serve
from tests.servers.providers import SERVERS, ProviderServer
from tests.servers.smtp import MailServer

SAMPLES = Path(__file__).parent.parent / "samples"
REFUSALS = ("status of 401", "status of 404", "status of 410")
OPENAI_KEY = "sk-proj-browser-0f3a5b7c9d1e2f4a6b8c"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test here sees what the server committed."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"]))


@dataclass(frozen=True, slots=True)
class Site:
    """The running product and what is around it."""

    url: str
    mail: MailServer
    openai: ProviderServer


@pytest.fixture(scope="session")
def site(django_db_setup: None) -> Iterator[Site]:
    with ExitStack() as stack:
        mail = stack.enter_context(MailServer())
        openai = stack.enter_context(SERVERS["openai"](OPENAI_KEY))
        running: Running = stack.enter_context(
            serve(EMAIL_URL=mail.url, OPENAI_BASE_URL=openai.base_url, GOOGLE_CLIENT_ID="", GITHUB_CLIENT_ID="")
        )
        yield Site(running.url, mail, openai)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with ExitStack() as stack:
        try:
            started = stack.enter_context(chromium())
        except FileNotFoundError as missing:
            lacking(str(missing))
        yield started


Open = Callable[..., Page]


@pytest.fixture
def open_page(site: Site, browser: Browser) -> Iterator[Open]:
    """Opens a watched page: `open_page(path, person=…, script=…)`; what it noticed fails the test at its end."""
    contexts: list[BrowserContext] = []
    noticed: list[str] = []

    def open_it(path: str, *, person: User | None = None, script: bool = True, **options: Any) -> Page:
        context = browser.new_context(base_url=site.url, java_script_enabled=script, reduced_motion="reduce", **options)
        contexts.append(context)
        context.set_default_timeout(10_000)
        if person is not None:
            cookie = signed_in(person).cookies[settings.SESSION_COOKIE_NAME]
            context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": site.url}])
        page = context.new_page()
        watch(page, site.url, noticed)
        page.goto(path)
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert noticed == []


@pytest.fixture(scope="session")
def small_store() -> str:
    """What the web client keeps in localStorage."""
    return (SAMPLES / "small.json").read_text()


@pytest.fixture(scope="session")
def small_counts(small_store: str) -> dict[str, int]:
    chats = json.loads(small_store)["state"]["chats"]
    return {"chats": len(chats), "messages": sum(len(chat["messages"]) for chat in chats)}


def watch(page: Page, url: str, noticed: list[str], *others: str) -> None:
    """Keep in `noticed` what a page of this site may not do; it may ask `others`, too."""
    hosts = {urlsplit(address).netloc for address in (url, *others)}

    def console(message: ConsoleMessage) -> None:
        # A page that is asked for may be one that says no; what it needs may not.
        refused = message.location["url"] == page.url and any(code in message.text for code in REFUSALS)
        if message.type in ("error", "warning") and not refused:
            noticed.append(f"console: {message.text}")

    def requested(request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme in ("http", "https", "ws", "wss") and address.netloc not in hosts:
            noticed.append(f"another host: {request.url}")

    def answered(response: Response) -> None:
        if response.status >= 500:
            noticed.append(f"{response.status}: {response.url}")

    page.on("console", console)
    page.on("pageerror", lambda error: noticed.append(f"script: {error}"))
    page.on("request", requested)
    page.on("response", answered)
