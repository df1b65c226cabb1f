"""How others are called by their own names."""

import unicodedata
from collections.abc import Mapping
from typing import Final

_LABELS: Final[Mapping[str, str]] = {
    "openrouter": "OpenRouter",
    "openai": "OpenAI",
    "anthropic": "Anthropic",
    "google": "Google",
    "xai": "xAI",
    "github": "GitHub",
}

# What turns the text around it, beside control characters: marks, embeddings, overrides and isolates.
_TURNING: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def plain(name: str) -> str:
    """A name that somebody chose, without control characters and those that turn text around.

    For lines in which no element keeps it apart: pages of ours do so by <bdi>, and show names whole.
    """
    return "".join(letter for letter in name if letter not in _TURNING and unicodedata.category(letter) != "Cc")


def provider_label(provider: str) -> str:
    """The name a provider goes by; any other stays as it was sent."""
    return _LABELS.get(provider, provider)
