"""What every page of the portal shows around its content."""

from dataclasses import dataclass

from django import template
from django.contrib.messages.storage.base import Message
from django.template.context import Context
from django.urls import reverse
from django.utils.functional import Promise

from wavelength.names import plain, provider_label
from wavelength.portal import SECTIONS, Section
from wavelength.toasts import ToastAction, action_of

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


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the navigation as it is drawn; `here` when the page shown belongs to it."""

    url: str
    label: str | Promise
    icon: str
    here: bool


@register.simple_tag(takes_context=True)
def portal_sections(context: Context) -> list[tuple[str | Promise, list[Entry]]]:
    """The portal's sections in their groups, in order."""
    path = context["request"].path if "request" in context else ""
    return [(title, [_entry(section, path) for section in sections]) for title, sections in SECTIONS]


def _entry(section: Section, path: str) -> Entry:
    url = reverse(section.name)
    here = path == url if section.name == "home" else path.startswith(url)
    return Entry(url, section.label, section.icon, here or bool(section.also and path.startswith(section.also)))


@register.filter
def toast_action(message: Message) -> ToastAction | None:
    """What a message offers to do about itself."""
    return action_of(message)


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
def initials(name: str | None) -> str:
    """One or two letters that stand for a person without a picture."""
    words = plain(name or "").replace("@", " ").replace(".", " ").split()
    return "".join(word[0] for word in words[:2]) or "?"
