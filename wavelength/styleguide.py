"""`/styleguide/`: every component in its states, light beside dark. Not there in production."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.messages import constants
from django.contrib.messages.storage.base import Message
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from wavelength.toasts import ToastAction, message_with

COMPONENTS = Path(settings.BASE_DIR) / "templates" / "components"
SCHEMES = ("light", "dark")


@dataclass(frozen=True, slots=True)
class Specimen:
    """A component: what it takes, and how it looks in each colour scheme."""

    name: str
    takes: str
    shown: list[tuple[str, SafeString]]


@require_safe
def styleguide(request: HttpRequest) -> HttpResponse:
    """Each component by `templates/styleguide/<its name>.html`. 404 unless DEBUG."""
    if not settings.DEBUG:
        raise Http404
    return render(request, "styleguide/styleguide.html", {"specimens": [_specimen(name) for name in components()]})


def components() -> list[str]:
    """The names of all components; what begins with an underscore is a part of one."""
    return sorted(path.stem for path in COMPONENTS.glob("[!_]*.html"))


def takes(name: str) -> str:
    """What a component takes, as its first line says."""
    first = (COMPONENTS / f"{name}.html").read_text().partition("\n")[0]
    return first.partition("{#")[2].partition("#}")[0].strip()


def _specimen(name: str) -> Specimen:
    template = f"styleguide/{name}.html"
    shown = [(scheme, render_to_string(template, {"scheme": scheme, **_samples(scheme)})) for scheme in SCHEMES]
    return Specimen(name, takes(name), shown)


class _SampleForm(forms.Form):
    name = forms.CharField(label="Name", help_text="As others see it.", initial="Ada")
    about = forms.CharField(label="About", required=False, widget=forms.Textarea)
    provider = forms.ChoiceField(label="Provider", choices=[("openai", "OpenAI"), ("google", "Google")])
    limit = forms.IntegerField(label="Requests a day", min_value=1)
    agree = forms.BooleanField(label="Tell me before a quota ends", help_text="By e-mail.", required=False)
    picture = forms.FileField(label="Picture", required=False)


def _samples(scheme: str) -> dict[str, Any]:
    """What the specimens show; ids differ between the schemes, for they stand on one page."""
    wrong = _SampleForm({"name": "Ada", "provider": "openai", "limit": "-3"}, auto_id=f"wrong-{scheme}-%s")
    heights = [18, 44, 62, 30, 0, 84, 120, 71, 52, 97, 23, 66]
    bars = [
        SimpleNamespace(name=f"{n} June", value=Decimal(h) / 100, x=n * 50 + 8, start=n * 50, y=120 - h, height=h)
        for n, h in enumerate(heights)
    ]
    now = datetime.now(UTC)
    undo = ToastAction(label="Undo", url="/styleguide/")
    return {
        "form": _SampleForm(auto_id=f"form-{scheme}-%s"),
        "wrong": wrong,
        "chart": SimpleNamespace(
            bars=bars, most=Decimal("1.20"), slot=50, bar=34, first="1 June", last="12 June", value=None
        ),
        "amounts": [Decimal("1234.5"), Decimal("0.42"), Decimal("0.00042"), Decimal(0), None],
        "counts": [0, 950, 12_345, 4_560_000, None],
        "moments": [now, now - timedelta(hours=3), now - timedelta(days=9), now - timedelta(days=90), None],
        "later": [now + timedelta(minutes=20), now + timedelta(hours=7), now + timedelta(days=6)],
        "sums": SimpleNamespace(requests=365, tokens=713_000, cost=Decimal("2.30")),
        "tabs": [
            {"label": "Limits", "url": "#tabs", "here": True},
            {"label": "Budgets", "url": "#tabs", "here": False, "count": 3},
            {"label": "History", "url": "#tabs", "here": False},
        ],
        "choices": [{"label": label, "url": "#switch", "here": label == "Month"} for label in ("Day", "Week", "Month")],
        "head": [
            {"label": "Model", "url": "?sort=model"},
            {"label": "Requests", "url": "?sort=requests"},
            {"label": "Tokens", "url": "?sort=tokens"},
            {"label": "Cost", "url": "?sort=cost", "order": "descending"},
        ],
        "icons": [part.partition('"')[0] for part in _sheet().split('<symbol id="')[1:]],
        "messages": [
            Message(constants.SUCCESS, "Your profile is saved."),
            Message(constants.INFO, "Nothing was changed."),
            Message(constants.WARNING, "The key could not be checked. Try again in a moment."),
            Message(constants.ERROR, "That did not work. Reload the page and try again."),
            message_with("The chat is deleted.", undo),
        ],
        "providers": ["openrouter", "openai", "anthropic", "google", "xai", "other"],
    }


def _sheet() -> str:
    return (Path(settings.BASE_DIR) / "static" / "img" / "icons.svg").read_text()
