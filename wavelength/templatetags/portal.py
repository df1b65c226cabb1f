"""What every page of the portal shows around its content."""

import re
from dataclasses import dataclass

from django import template
from django.template.context import Context
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.html import conditional_escape, format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from wavelength.names import provider_label

register = template.Library()

# Providers with a mark of their own, by what stands before the slash in a model's name.
MARKS = {
    "openrouter": "openrouter",
    "openai": "openai",
    "anthropic": "anthropic",
    "google": "google",
    "xai": "xai",
    "x-ai": "xai",
}

SECTIONS: tuple[tuple[str, str | Promise, str], ...] = (
    ("home", _("Overview"), "overview"),
    ("chats:chat-list", _("Chats"), "chats"),
    ("usage:report", _("Usage"), "usage"),
    ("apikeys:key-list", _("Keys"), "key"),
    ("chats:import", _("Import"), "import"),
    ("accounts:profile", _("Profile"), "person"),
    ("accounts:security", _("Security"), "shield"),
)


@dataclass(frozen=True)
class Section:
    """One entry of the navigation; `here` when the page shown belongs to it."""

    url: str
    label: str | Promise
    icon: str
    here: bool


@register.simple_tag(takes_context=True)
def portal_sections(context: Context) -> list[Section]:
    """The portal's sections in order. allauth's own pages belong to Security."""
    path = context["request"].path if "request" in context else ""
    entries = []
    for name, label, icon in SECTIONS:
        url = reverse(name)
        here = path == url if name == "home" else path.startswith(url)
        here = here or (name == "accounts:security" and path.startswith("/accounts/"))
        entries.append(Section(url, label, icon, here))
    return entries


@register.filter
def model_mark(model: str | None) -> str:
    """Whose mark stands before a model: its maker's, else OpenRouter's, which serves the others."""
    return MARKS.get((model or "").partition("/")[0], "openrouter")


@register.filter
def provider_mark(provider: str) -> str:
    """Whose mark stands before a provider: its own, or that of any other."""
    return MARKS.get(provider, "other")


@register.filter
def provider_name(provider: str) -> str:
    """The name a provider goes by."""
    return provider_label(provider)


@register.filter
def model_name(model: str | None) -> str:
    """A model without its maker, whose mark stands before it."""
    return (model or "").rpartition("/")[2] or (model or "")


@register.filter
def marked(text: str, query: str) -> SafeString:
    """The text with the words of a search marked, wherever a word begins with one."""
    words = [re.escape(word) for word in re.findall(r"\w+", query)]
    if not words:
        return conditional_escape(text)
    pieces = re.split(rf"\b({'|'.join(words)})", text, flags=re.IGNORECASE)
    return format_html_join(
        "",
        "{}",
        ((format_html("<mark>{}</mark>", piece) if index % 2 else piece,) for index, piece in enumerate(pieces)),
    )


@register.filter
def initials(name: str | None) -> str:
    """One or two letters that stand for a person without a picture."""
    words = (name or "").replace("@", " ").replace(".", " ").split()
    return "".join(word[0] for word in words[:2]) or "?"
