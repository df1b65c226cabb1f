"""A person's chats as the pages show them."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from django.urls import reverse

from accounts.models import Profile
from chats.forms import ListForm
from chats.listing import COUNTED, list_chats, models_of
from chats.thread import Shown

PARTS: Final = ("q", "provider", "model", "since", "until", "sort", "after", "before")


def address(asked: Mapping[str, Any], *but: str, **changed: str) -> str:
    """The list's address with these parts, without some, and with others changed."""
    parts = {name: str(value) for name, value in (*asked.items(), *changed.items()) if name in PARTS and value}
    for name in but:
        parts.pop(name, None)
    here = reverse("chats:chat-list")
    return f"{here}?{urlencode(parts)}" if parts else here


def list_context(*, user_id: UUID, asked: Mapping[str, Any]) -> dict[str, Any]:
    """What the list's template shows of the query `asked`. Raises BadCursorError."""
    models = models_of(user_id=user_id)
    form = ListForm(asked, models=models)
    wanted = form.wanted(after=asked.get("after", ""), before=asked.get("before", ""))
    listing = list_chats(user_id=user_id, wanted=wanted)
    given = form.given()
    narrowed = sorted(given.keys() - {"q", "sort"})
    return {
        "form": form,
        "listing": listing,
        "query": given.get("q", ""),
        "narrowed": narrowed,
        "any_chats": bool(listing.rows or given or models),
        "counted": COUNTED,
        "back": address(asked).partition("?")[2],
        "everything": address({}),
        "unfiltered": address(given, *narrowed),
        "previous_page": address(given, before=listing.previous) if listing.previous else None,
        "next_page": address(given, after=listing.next) if listing.next else None,
    }


def shown_to(profile: Profile) -> Shown:
    """What a person wants to see beside the text of messages; all of it where they never said."""
    wants = profile.preferences if isinstance(profile.preferences, dict) else {}
    return Shown(**{name: wants.get(f"show{name.title()}") is not False for name in ("reasoning", "tokens", "costs")})
