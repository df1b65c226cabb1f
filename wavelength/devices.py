"""Browsers and systems by the name people know them by, from what a User-Agent header says."""

from typing import Final

from django.utils.translation import gettext

LENGTH: Final = 64
# The first that is found counts: almost every browser also claims to be those further down.
_BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Vivaldi/", "Vivaldi"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("DuckDuckGo/", "DuckDuckGo"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("HeadlessChrome/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS: Final = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
    ("FreeBSD", "FreeBSD"),
)
_SYSTEM_NAMES: Final = frozenset(name for _mark, name in _SYSTEMS)


def device_of(user_agent: str) -> str:
    """`Firefox on Linux`, or the browser or the system alone; for a program its own name; empty for an empty header."""
    browser = _first(_BROWSERS, user_agent)
    system = _first(_SYSTEMS, user_agent)
    if browser and system:
        return f"{browser} on {system}"
    # A program names itself first: curl/8.9, python-httpx/0.28.
    name = "".join(letter for letter in user_agent.partition("/")[0].strip() if letter.isprintable())
    return (browser or system or name)[:LENGTH]


def device_name(device: str) -> str:
    """What `device_of` said, in the language of who reads it: `Firefox unter Linux`."""
    browser, on, system = device.partition(" on ")
    if not on or system not in _SYSTEM_NAMES:
        return device
    return gettext("%(browser)s on %(system)s") % {"browser": browser, "system": system}


def _first(names: tuple[tuple[str, str], ...], user_agent: str) -> str:
    return next((name for mark, name in names if mark in user_agent), "")
