"""What a person says of themself and how they want the product."""

import re
from functools import lru_cache
from typing import Any, TypedDict, Unpack
from uuid import UUID
from zoneinfo import available_timezones

import orjson
from django.db.models.functions import Now

from accounts.models import Mail, Profile, Theme
from wavelength.tenancy import tenant

NAME_LENGTH = 80
BIO_LENGTH = 500
PREFERENCES_BYTES = 16 * 1024  # as JSON

# The shape of RFC 5646 §2.1 without its grandfathered tags: language, script, region, variants,
# extensions, private use; or private use alone.
_LANGUAGE_TAG = re.compile(
    r"""
    (?: (?: [a-z]{2,3} (?: -[a-z]{3} ){0,3} | [a-z]{4,8} )
        (?: -[a-z]{4} )?
        (?: -(?: [a-z]{2} | [0-9]{3} ) )?
        (?: -(?: [a-z0-9]{5,8} | [0-9][a-z0-9]{3} ) )*
        (?: -[0-9a-wyz] (?: -[a-z0-9]{2,8} )+ )*
        (?: -x (?: -[a-z0-9]{1,8} )+ )?
      | x (?: -[a-z0-9]{1,8} )+
    )
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_LANGUAGE_LENGTH = 35


class PreferencesTooLargeError(ValueError):
    """Together with what is stored, the preferences would pass PREFERENCES_BYTES."""

    def __init__(self) -> None:
        super().__init__(f"Preferences may have at most {PREFERENCES_BYTES // 1024} KiB.")


class ProfileChanges(TypedDict, total=False):
    """What may change; an empty text clears a field, ``preferences`` are merged key by key or cleared by None."""

    display_name: str
    bio: str
    timezone: str
    language: str
    theme: Theme
    wanted_mails: list[Mail]
    preferences: dict[str, Any] | None


def change_profile(*, user_id: UUID, **changes: Unpack[ProfileChanges]) -> Profile:
    """Change what is given of a person's profile and answer it as it is then.

    The values have been through ``time_zone`` and ``language_tag``. Raises PreferencesTooLargeError.
    """
    with tenant(user_id):
        profile = Profile.objects.select_for_update().get(user_id=user_id)
        for name in ("display_name", "bio", "timezone", "language", "theme", "wanted_mails"):
            if name in changes:
                setattr(profile, name, changes[name])
        if "preferences" in changes:
            profile.preferences = merged(profile.preferences, changes["preferences"])
        return _saved(profile)


def choose_preferences(*, user_id: UUID, chosen: dict[str, Any]) -> Profile:
    """Change some of a person's preferences; one that is None goes. Raises PreferencesTooLargeError."""
    with tenant(user_id):
        profile = Profile.objects.select_for_update().get(user_id=user_id)
        together = merged(profile.preferences, chosen)
        profile.preferences = {
            name: value for name, value in together.items() if name not in chosen or value is not None
        }
        return _saved(profile)


def merge_preferences(*, user_id: UUID, preferences: dict[str, Any]) -> None:
    """Add to a person's preferences, key by key. Raises PreferencesTooLargeError."""
    change_profile(user_id=user_id, preferences=preferences)


def merged(stored: dict[str, Any], preferences: dict[str, Any] | None) -> dict[str, Any]:
    """Both together, the newer value of a key winning; None clears all. Raises PreferencesTooLargeError."""
    if preferences is None:
        return {}
    together = {**stored, **preferences}
    if len(orjson.dumps(together)) > PREFERENCES_BYTES:
        raise PreferencesTooLargeError
    return together


def known_time_zones() -> list[str]:
    """The time zones people know by name, in order: regions with a city, and UTC."""
    named = sorted(name for name in _time_zones() if "/" in name and not name.startswith(("Etc/", "SystemV/")))
    return ["UTC", *named]


def time_zone(name: str) -> str:
    """An IANA time zone's name as it was given, or empty. Raises ValueError with a sentence."""
    if name and name not in _time_zones():
        raise ValueError("This is not a time zone of the IANA list, such as Europe/Berlin.")
    return name


def language_tag(tag: str) -> str:
    """A language tag of BCP 47's shape as it was given, or empty. Raises ValueError with a sentence."""
    if tag and (len(tag) > _LANGUAGE_LENGTH or not _LANGUAGE_TAG.fullmatch(tag)):
        raise ValueError("This is not a language tag, such as en or pt-BR.")
    return tag


@lru_cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _saved(profile: Profile) -> Profile:
    profile.updated_at = Now()  # an expression, read back below
    profile.save()
    profile.refresh_from_db(fields=["updated_at"])
    return profile
