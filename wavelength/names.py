"""How others are called by their own names."""

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


def provider_label(provider: str) -> str:
    """The name a provider goes by; any other stays as it was sent."""
    return _LABELS.get(provider, provider)
