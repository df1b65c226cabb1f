"""Hand-overs and previews as the pages show them: faults by name, with what to do."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from apikeys.providers import PROVIDERS
from chats.models import Handover
from chats.previewing import Preview
from chats.wording import in_words, remark_in_words
from wavelength.names import provider_label

FAULTS_SHOWN = 200
SETTINGS = {
    "defaultModel": lambda: _("Default model"),
    "defaultProvider": lambda: _("Default provider"),
    "showReasoning": lambda: _("Show reasoning"),
    "showTokens": lambda: _("Show tokens"),
    "showCosts": lambda: _("Show costs"),
    "autoScroll": lambda: _("Scroll along"),
    "reasoningEffort": lambda: _("Reasoning effort"),
    "providers": lambda: _("Order of providers"),
}


@dataclass(frozen=True, slots=True)
class ShownFault:
    """Something that could not be taken: its name, where in it the fault is, and what is wrong.

    `provider` is set for keys of a provider that we know: where they can be entered by hand.
    """

    name: str
    where: str
    reason: str
    provider: str = ""


@dataclass(frozen=True, slots=True)
class ShownKey:
    """A provider whose key stands in a payload, and what would become of it."""

    provider: str
    label: str
    state: str


def shown_handover(handover: Handover) -> dict[str, Any]:
    """What the page of a hand-over says."""
    faults = [_fault(error) for error in handover.errors]
    return {
        "handover": handover,
        "state": handover.state,
        "faults": faults[:FAULTS_SHOWN],
        "more_faults": handover.error_count - len(faults[:FAULTS_SHOWN]),
        "any_keys_refused": any(fault.provider for fault in faults),
        "deleted_keys": [provider_label(provider) for provider in handover.deleted_keys],
        "warnings": [remark_in_words(remark) for remark in handover.warnings],
    }


def shown_preview(found: Preview) -> dict[str, Any]:
    """What the page says of what would come."""
    faults = [_fault(fault.as_kept()) for fault in [*found.faults, *found.keys.refused][:FAULTS_SHOWN]]
    return {
        "found": found,
        "keys": [
            *_keys(found.keys.new, "new"),
            *_keys(found.keys.here, "here"),
            *_keys(found.keys.deleted, "deleted"),
            *_keys(
                [str(fault.path[-2]) if len(fault.path) > 2 else "openrouter" for fault in found.keys.refused],
                "refused",
            ),
        ],
        "settings": [SETTINGS[name]() if name in SETTINGS else name for name in found.settings],
        "left_out": found.left_out,
        "faults": faults,
        "more_faults": len(found.faults) + len(found.keys.refused) - len(faults),
        "warnings": [remark_in_words(remark) for remark in found.warnings[:FAULTS_SHOWN]],
    }


def _keys(providers: Iterable[str], state: str) -> list[ShownKey]:
    return [ShownKey(provider, provider_label(provider), state) for provider in providers]


def _fault(error: str | Mapping[str, Any]) -> ShownFault:
    if isinstance(error, str):
        # As it was kept once: a sentence.
        return ShownFault("", "", error)
    path, subject, reason = list(error["path"]), str(error["subject"]), str(error["reason"])
    if path[:1] == ["config"]:
        provider = str(path[-2]) if len(path) > 2 else "openrouter"
        name = _("Key for %(provider)s") % {"provider": provider_label(provider)[:40]}
        return ShownFault(name, "", reason, provider if provider in PROVIDERS else "")
    inside = path[2:]
    reason = in_words(reason.removeprefix(".".join(map(str, inside))).strip())
    return ShownFault(subject, _where(inside), reason[:1].upper() + reason[1:])


def _where(inside: list[Any]) -> str:
    """The place in a chat, as a person counts."""
    if inside[:1] == ["messages"] and len(inside) > 1 and isinstance(inside[1], int):
        message = _("message %(number)d") % {"number": inside[1] + 1}
        return ", ".join([message, *map(str, inside[2:])])
    return ", ".join(map(str, inside))
