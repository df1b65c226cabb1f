"""Draws docs/screenshots anew: `make screenshots`, with the demo account, on a database of its own."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from uuid import UUID

from PIL import Image
from playwright.sync_api import Browser

from tests.browser.chromium import chromium
from tests.database import SETTINGS
from wavelength.embedded import Server

TARGET = Path(__file__).resolve().parent.parent.parent / "docs" / "screenshots"
WIDE = {"width": 1280, "height": 860}
PHONE = {"width": 390, "height": 844}
SHOTS = (
    # name, path, colour scheme, size
    ("overview-light-wide", "/", "light", WIDE),
    ("overview-dark-wide", "/", "dark", WIDE),
    ("overview-light-phone", "/", "light", PHONE),
    ("overview-dark-phone", "/", "dark", PHONE),
    ("chats-light-wide", "/chats/", "light", WIDE),
    ("usage-light-wide", "/usage/", "light", WIDE),
    ("usage-dark-phone", "/usage/", "dark", PHONE),
    ("keys-dark-wide", "/keys/", "dark", WIDE),
)


@contextmanager
def demo_site() -> Iterator[tuple[str, dict[str, str]]]:
    """A server with the demo account: its address, and the cookie of somebody signed in as them."""
    with Server.temporary() as database:
        os.environ.update(SETTINGS, **database.urls, DJANGO_SETTINGS_MODULE="wavelength.settings")
        # The demo account is made only while developing.
        os.environ["DEBUG"] = "true"
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
        person = User.objects.earliest("created_at")
        add_keys(person.pk)
        with serve(DEBUG="false") as running:
            cookie = signed_in(person).cookies[settings.SESSION_COOKIE_NAME]
            connections.close_all()
            yield running.url, {"name": cookie.key, "value": cookie.value, "url": running.url}


def add_keys(user_id: UUID) -> None:
    """Keys that open nothing, in the states a key can be in."""
    from django.utils import timezone

    from apikeys.models import ApiKey
    from apikeys.vault import store_key
    from wavelength.envelope import Secret
    from wavelength.tenancy import tenant

    refused = "xAI does not know this key. Check that it was copied whole and not revoked."
    for provider, secret, name, works in (
        ("xai", "xai-made-up-for-a-picture-77aa", "", False),
        ("google", "AIzaMadeUpForAPictureOnly31cQ", "Side project", None),
        ("anthropic", "sk-ant-made-up-for-a-picture-kP2d", "", True),
        ("openai", "sk-proj-made-up-for-a-picture-x8Qw", "Work", True),
        ("openrouter", "sk-or-v1-made-up-for-a-picture-9f3a", "", True),
    ):
        key = store_key(user_id=user_id, provider=provider, secret=Secret(secret), key_name=name, daily_limit=500)
        asked = None if works is None else timezone.now() - timedelta(hours=3)
        with tenant(user_id):
            ApiKey.objects.filter(pk=key.pk).update(
                is_valid=works, validation_error=refused if works is False else None, last_validated=asked
            )


def draw(browser: Browser, url: str, cookie: dict[str, str]) -> None:
    """Every shot, at twice the resolution."""
    TARGET.mkdir(parents=True, exist_ok=True)
    for name, path, scheme, size in SHOTS:
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
        picture = Image.open(BytesIO(page.screenshot())).convert("RGB")
        # 256 colours show no difference here, and weigh a third.
        picture.quantize(256).save(TARGET / f"{name}.png", optimize=True)
        context.close()
        sys.stdout.write(f"docs/screenshots/{name}.png\n")


if __name__ == "__main__":
    with demo_site() as (address, session), chromium() as started:
        draw(started, address, session)
