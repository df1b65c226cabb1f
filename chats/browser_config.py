"""What a browser's `config` asks for: keys for the vault, and settings that become preferences."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from uuid import UUID

import orjson

from accounts.models import Profile
from apikeys import vault
from apikeys.providers import PROVIDERS
from chats.models import Handover, Source
from chats.payload import Fault
from chats.validation import Path
from wavelength.envelope import Secret

MAX_PREFERENCES_BYTES = 16 * 1024
MAX_SETTINGS = 100
MAX_PROVIDERS = 50
MAX_NAME = 100
MAX_VALUE = 1_000
NOT_SETTINGS = frozenset({"apiKey", "baseUrl", "providers"})
# A client of tomorrow may keep another key in a field of its own; that must not end among the preferences.
SECRET_ENDINGS = ("key", "keys", "secret", "token", "password", "credential", "credentials")
SHOWN_PROVIDER = 40


@dataclass(frozen=True, slots=True)
class HandedKey:
    """A key as the browser kept it; `secret` is None where something else stood in its place."""

    provider: str
    path: Path
    secret: Secret | None
    base_url: str | None
    enabled: bool


def store_keys(user_id: UUID, config: dict[str, object]) -> tuple[int, list[Fault]]:
    """Puts every key into the vault, inside `tenant()`; answers how many were new and which were refused."""
    stored = 0
    faults: list[Fault] = []
    for key in _keys(config):
        subject = f"Key for {key.provider[:SHOWN_PROVIDER]}"
        if key.secret is None:
            faults.append(Fault(key.path, subject, "A key must be text."))
            continue
        outcome = vault.store_migrated_key(
            user_id=user_id, provider=key.provider, secret=key.secret, base_url=key.base_url, enabled=key.enabled
        )
        stored += outcome.kind == "stored"
        if outcome.kind == "refused":
            faults.append(Fault(key.path, subject, outcome.sentence or "It was refused."))
    return stored, faults


def store_preferences(handover: Handover, config: dict[str, object]) -> list[str]:
    """Merges the settings into the profile, inside `tenant()`; answers warnings about those left out.

    A setting counts when it differs from what was handed over last: what was changed here since then stays.
    """
    settings, left_out = settings_of(config)
    warnings = [f"The setting {name} was not taken." for name in left_out]
    earlier = Handover.objects.filter(user_id=handover.user_id).exclude(pk=handover.pk).exclude(preferences=None)
    repeated = handover.source != Source.SYNC and earlier.filter(preferences=settings).exists()
    last = earlier.order_by("-started_at", "-id").values_list("preferences", flat=True).first() or {}
    handover.preferences = settings
    wanted = {} if repeated else _changed(settings, last)
    if not wanted:
        return warnings
    profile = Profile.objects.select_for_update().get(user_id=handover.user_id)
    merged = _merged(profile.preferences, wanted)
    if len(orjson.dumps(merged)) > MAX_PREFERENCES_BYTES:
        return [*warnings, "The settings were not taken: together with yours they are larger than 16 KiB."]
    if merged != profile.preferences:
        profile.preferences = merged
        profile.save(update_fields=["preferences"])
    return warnings


def settings_of(config: dict[str, object]) -> tuple[dict[str, object], list[str]]:
    """The part of `config` that is neither key nor address, and the names of what can't be kept."""
    settings: dict[str, object] = {}
    left_out: list[str] = []
    for name, value in list(config.items())[: MAX_SETTINGS + len(NOT_SETTINGS)]:
        if name in NOT_SETTINGS or value is None:
            continue
        if _is_plain(value) and len(name) <= MAX_NAME and not name.lower().endswith(SECRET_ENDINGS):
            settings[name] = value
        else:
            left_out.append(name[:MAX_NAME])
    providers = {
        name: chosen
        for name, entry in _providers(config)
        if name in PROVIDERS
        and (chosen := {part: entry[part] for part in ("enabled", "priority") if _is_plain(entry.get(part))})
    }
    if providers:
        settings["providers"] = providers
    return settings, left_out


def _keys(config: dict[str, object]) -> Iterator[HandedKey]:
    for provider, entry in _providers(config):
        yield from _key(provider, ("config", "providers", provider, "apiKey"), entry)
    # From the time when the client knew one provider only.
    yield from _key("openrouter", ("config", "apiKey"), config)


def _key(provider: str, path: Path, entry: dict[str, object]) -> Iterator[HandedKey]:
    value = entry.get("apiKey")
    if value is None or value == "" or (isinstance(value, str) and not value.strip()):
        return
    base_url = entry.get("baseUrl")
    yield HandedKey(
        provider=provider,
        path=path,
        secret=Secret(value) if isinstance(value, str) else None,
        base_url=base_url if isinstance(base_url, str) else None,
        enabled=entry.get("enabled") is not False,
    )


def _providers(config: dict[str, object]) -> Iterator[tuple[str, dict[str, object]]]:
    providers = config.get("providers")
    if isinstance(providers, dict):
        for name, entry in islice(providers.items(), MAX_PROVIDERS):
            if isinstance(entry, dict):
                yield name, entry


def _is_plain(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, int):
        return abs(value) < 2**53
    return isinstance(value, str) and len(value) <= MAX_VALUE


def _changed(settings: dict[str, object], last: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in settings.items() if last.get(name) != value}


def _merged(preferences: dict[str, object], wanted: dict[str, object]) -> dict[str, object]:
    """Key by key, and provider by provider inside `providers`."""
    merged = {**preferences, **wanted}
    before, after = preferences.get("providers"), wanted.get("providers")
    if isinstance(before, dict) and isinstance(after, dict):
        merged["providers"] = {**before, **after}
    return merged
