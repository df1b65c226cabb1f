"""What a browser's `config` asks for: keys for the vault, and settings that become preferences."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from uuid import UUID

import orjson
from django.utils.translation import gettext as _

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


@dataclass(slots=True)
class TakenKeys:
    """What became of a payload's keys. `here` and `deleted` are the providers of those that are, or were, here."""

    new: list[str] = field(default_factory=list)
    here: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    refused: list[Fault] = field(default_factory=list)


def store_keys(user_id: UUID, config: dict[str, object]) -> TakenKeys:
    """Puts every key into the vault, inside `tenant()`."""

    def store(key: HandedKey, secret: Secret) -> vault.Outcome:
        return vault.store_migrated_key(
            user_id=user_id, provider=key.provider, secret=secret, base_url=key.base_url, enabled=key.enabled
        )

    return _taken(config, store)


def foresee_keys(user_id: UUID, config: dict[str, object]) -> TakenKeys:
    """Answers what `store_keys` would, and stores nothing; inside `tenant()`."""
    seen: set[str] = set()

    def foresee(key: HandedKey, secret: Secret) -> vault.Outcome | None:
        outcome = vault.foresee_migrated_key(
            user_id=user_id, provider=key.provider, secret=secret, base_url=key.base_url
        )
        # The same secret in two places is one key.
        again = outcome.kind != "refused" and secret.reveal().strip() in seen
        seen.add(secret.reveal().strip())
        return None if again else outcome

    return _taken(config, foresee)


def foresee_preferences(user_id: UUID, config: dict[str, object]) -> tuple[list[str], list[str]]:
    """The names of settings that a hand-over would change, and of those it would leave out; inside `tenant()`."""
    settings, left_out = settings_of(config)
    wanted = _wanted(Handover(user_id=user_id, source=Source.MIGRATION), settings)
    preferences = Profile.objects.get(user_id=user_id).preferences
    merged = _merged(preferences, wanted)
    return [name for name in wanted if preferences.get(name) != merged[name]], left_out


def store_preferences(handover: Handover, config: dict[str, object]) -> list[str]:
    """Merges the settings into the profile, inside `tenant()`; answers warnings about those left out.

    A setting counts when it differs from what was handed over last: what was changed here since then stays.
    """
    settings, left_out = settings_of(config)
    warnings = [f"The setting {name} was not taken." for name in left_out]
    wanted = _wanted(handover, settings)
    handover.preferences = settings
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


def _taken(config: dict[str, object], take: Callable[[HandedKey, Secret], vault.Outcome | None]) -> TakenKeys:
    taken = TakenKeys()
    for key in _keys(config):
        subject = f"Key for {key.provider[:SHOWN_PROVIDER]}"
        if key.secret is None:
            taken.refused.append(Fault(key.path, subject, _("A key must be text.")))
            continue
        outcome = take(key, key.secret)
        if outcome is None:
            continue
        if outcome.kind == "stored":
            taken.new.append(key.provider)
        elif outcome.kind == "already there":
            taken.here.append(key.provider)
        elif outcome.kind == "deleted here":
            taken.deleted.append(key.provider)
        else:
            taken.refused.append(Fault(key.path, subject, outcome.sentence or _("It was refused.")))
    return taken


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


def _wanted(handover: Handover, settings: dict[str, object]) -> dict[str, object]:
    earlier = Handover.objects.filter(user_id=handover.user_id).exclude(pk=handover.pk).exclude(preferences=None)
    repeated = handover.source != Source.SYNC and earlier.filter(preferences=settings).exists()
    last = earlier.latest_first().values_list("preferences", flat=True).first() or {}
    return {} if repeated else _changed(settings, last)


def _changed(settings: dict[str, object], last: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in settings.items() if last.get(name) != value}


def _merged(preferences: dict[str, object], wanted: dict[str, object]) -> dict[str, object]:
    """Key by key, and provider by provider inside `providers`."""
    merged = {**preferences, **wanted}
    before, after = preferences.get("providers"), wanted.get("providers")
    if isinstance(before, dict) and isinstance(after, dict):
        merged["providers"] = {**before, **after}
    return merged
