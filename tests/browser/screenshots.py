"""Draws docs/screenshots anew: `make screenshots`, with the demo account, on a database of its own."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser

from tests.browser.chromium import chromium
from tests.database import SETTINGS
from wavelength.embedded import Server

TARGET = Path(__file__).resolve().parent.parent.parent / "docs" / "screenshots"
WIDE = {"width": 1280, "height": 860}
PHONE = {"width": 390, "height": 844}
SHOTS = (
    # name, path, colour scheme, size, the whole page
    ("overview-light", "/", "light", WIDE, False),
    ("overview-dark", "/", "dark", WIDE, False),
    ("overview-phone-light", "/", "light", PHONE, False),
    ("overview-phone-dark", "/", "dark", PHONE, False),
    ("chats-light", "/chats/", "light", WIDE, False),
    ("keys-dark", "/keys/", "dark", WIDE, False),
)


@contextmanager
def demo_site() -> Iterator[tuple[str, dict[str, str]]]:
    """A server with the demo account: its address, and the cookie of somebody signed in as them."""
    with Server.temporary() as database:
        os.environ.update(SETTINGS, **database.urls, DJANGO_SETTINGS_MODULE="wavelength.settings")
        import django

        django.setup()
        from django.conf import settings
        from django.core.management import call_command
        from django.db import connections

        from accounts.models import User
        from tests.conftest import signed_in
        from tests.processes import serve

        call_command("setup_database", verbosity=0)
        call_command("migrate", verbosity=0)
        call_command("seed_demo")
        with serve() as running:
            cookie = signed_in(User.objects.earliest("created_at")).cookies[settings.SESSION_COOKIE_NAME]
            connections.close_all()
            yield running.url, {"name": cookie.key, "value": cookie.value, "url": running.url}


def draw(browser: Browser, url: str, cookie: dict[str, str]) -> None:
    """Every shot, at twice the resolution."""
    TARGET.mkdir(parents=True, exist_ok=True)
    for name, path, scheme, size, whole in SHOTS:
        phone = size is PHONE
        context = browser.new_context(
            base_url=url,
            color_scheme="dark" if scheme == "dark" else "light",
            viewport=size,  # type: ignore[arg-type]  # a ViewportSize
            device_scale_factor=2,
            is_mobile=phone,
            has_touch=phone,
            reduced_motion="reduce",
        )
        context.add_cookies([cookie])  # type: ignore[list-item]  # a SetCookieParam
        page = context.new_page()
        page.goto(path, wait_until="networkidle")
        page.screenshot(path=TARGET / f"{name}.png", full_page=whole)
        context.close()
        sys.stdout.write(f"docs/screenshots/{name}.png\n")


if __name__ == "__main__":
    with demo_site() as (address, session), chromium() as started:
        draw(started, address, session)
