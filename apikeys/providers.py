"""The providers whose keys are kept: where each is, and how it wants to be asked.

Sources: OpenAI, xAI and OpenRouter take a bearer token; Anthropic `x-api-key` with a version
(docs.anthropic.com, API versioning); Google `x-goog-api-key` (ai.google.dev). A key never stands in
an address, where logs would keep it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.utils.translation import gettext as _

from wavelength.envelope import Secret
from wavelength.names import provider_label

MIN_LENGTH: Final = 8
MAX_LENGTH: Final = 512
ANTHROPIC_VERSION: Final = "2023-06-01"

Headers = dict[str, str]


class KeyRefusedError(Exception):
    """A key, or what was said with it, cannot be taken. Its text is a sentence and holds no secret.

    `field` names what to correct: `secret`, `key_name`, `base_url`, `provider`. `code` is the API's.
    """

    def __init__(self, field: str, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field
        self.code = code


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a provider said of a key: `works` is None when it could not be told. `sentence` says why not."""

    works: bool | None
    sentence: str | None = None


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider. `models_paths` are tried in order while the one before does not exist there.

    `refusal` is a phrase by which a 400 means that the key is wrong, where the provider does so.
    """

    name: str
    keys_url: str
    authenticate: Callable[[Secret], Headers]
    prefixes: tuple[str, ...] = ()
    models_paths: tuple[str, ...] = ("/models",)
    models_field: str = "data"
    refusal: str | None = None

    @property
    def label(self) -> str:
        """The name it goes by."""
        return provider_label(self.name)

    @property
    def keys_place(self) -> str:
        """Where its keys are made, as one reads it: the address without its scheme."""
        return self.keys_url.removeprefix("https://")

    @property
    def default_base_url(self) -> str:
        """Its own address, or the one that the settings put in its place."""
        return str(settings.PROVIDER_BASE_URLS[self.name])


def _bearer(secret: Secret) -> Headers:
    return {"Authorization": f"Bearer {secret.reveal()}"}


def _anthropic(secret: Secret) -> Headers:
    return {"x-api-key": secret.reveal(), "anthropic-version": ANTHROPIC_VERSION}


def _google(secret: Secret) -> Headers:
    return {"x-goog-api-key": secret.reveal()}


PROVIDERS: Final[Mapping[str, Provider]] = {
    provider.name: provider
    for provider in (
        Provider(
            "openrouter",
            "https://openrouter.ai/settings/keys",
            _bearer,
            prefixes=("sk-or-",),
            # Its /models is public and says yes to any key; a proxy in its place may know only that.
            models_paths=("/models/user", "/models"),
        ),
        Provider("openai", "https://platform.openai.com/api-keys", _bearer),
        Provider(
            "anthropic",
            "https://console.anthropic.com/settings/keys",
            _anthropic,
            prefixes=("sk-ant-",),
        ),
        Provider(
            "google",
            "https://aistudio.google.com/apikey",
            _google,
            prefixes=("AIza",),
            models_field="models",
            refusal="API_KEY_INVALID",
        ),
        Provider(
            "xai",
            "https://console.x.ai",
            _bearer,
            prefixes=("xai-",),
            refusal="Incorrect API key",
        ),
    )
}


def provider_named(name: str) -> Provider:
    """Answer a provider by its name. Raises KeyRefusedError when there is none of that name."""
    try:
        return PROVIDERS[name]
    except KeyError:
        raise KeyRefusedError("provider", "unknown_provider", _("We keep no keys for this provider.")) from None


def check_format(provider: Provider, secret: Secret) -> None:
    """Raise KeyRefusedError when a secret cannot be this provider's key: 8 to 512 printable ASCII

    characters without spaces, and not with the well-known beginning of another provider's keys.
    """
    text = secret.reveal()
    if not MIN_LENGTH <= len(text) <= MAX_LENGTH:
        sentence = _("A key has %(least)d to %(most)d characters. Check that it was copied whole.")
        bounds = {"least": MIN_LENGTH, "most": MAX_LENGTH}
        raise KeyRefusedError("secret", "invalid_key_format", sentence % bounds)
    if not all("!" <= character <= "~" for character in text):
        sentence = _("A key has no spaces and no special characters. Check that only the key was copied.")
        raise KeyRefusedError("secret", "invalid_key_format", sentence)
    for other in PROVIDERS.values():
        if other is not provider and text.startswith(other.prefixes):
            sentence = _("This looks like a key for %(other)s, not for %(provider)s.")
            labels = {"other": other.label, "provider": provider.label}
            raise KeyRefusedError("secret", "invalid_key_format", sentence % labels)
