"""What a person does to one chat or to several at once: delete, have back, download."""

from collections.abc import Iterator
from itertools import chain
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.transaction import non_atomic_requests
from django.http import Http404, HttpResponse, QueryDict, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers
from django_htmx.http import HttpResponseClientRedirect, reswap, retarget, trigger_client_event

from chats.changes import delete_chats, restore_chats
from chats.downloads import as_json, as_markdown, chats_of, note_download
from chats.models import KEPT, Chat
from chats.reading import BadCursorError
from chats.showing import address, list_context
from wavelength.portal import PageRequest
from wavelength.tenancy import tenant
from wavelength.toasts import ToastAction, offer

MAX_SELECTED = 200
SHOWN_DELETED = 200


@login_required
@require_POST
@vary_on_headers("HX-Request")
def deletion(request: PageRequest) -> HttpResponse:
    """Delete the chats that are ticked, after asking; it can be undone."""
    chats = _chosen(request)
    if not chats:
        return _nothing_chosen(request)
    if request.POST.get("sure") != "yes":
        return _ask(request, chats)
    if number := delete_chats(user_id=request.user.pk, chats=chats):
        sentence = ngettext("The chat is deleted.", "%(number)d chats are deleted.", number) % {"number": number}
        undo = {"chats": ",".join(str(chat) for chat in chats), "back": request.POST.get("back", "")}
        offer(request, sentence, ToastAction(_("Undo"), reverse("chats:restoration"), "#chats", undo))
    else:
        messages.info(request, _("That was deleted already."))
    return _back_to_list(request)


@login_required
@require_POST
@vary_on_headers("HX-Request")
def restoration(request: PageRequest) -> HttpResponse:
    """Take back the deletion of chats."""
    number = restore_chats(user_id=request.user.pk, chats=_chosen(request))
    if number:
        sentence = ngettext("The chat is back.", "%(number)d chats are back.", number) % {"number": number}
        messages.success(request, sentence)
    else:
        messages.warning(request, _("It is too late: what was deleted a day ago is gone for good."))
    if request.POST.get("from") == "deleted" and not request.htmx:
        return redirect("chats:deleted")
    return _back_to_list(request)


@login_required
@require_safe
def deleted_list(request: PageRequest) -> HttpResponse:
    """The deleted chats that can still be had back, the latest first."""
    chats = Chat.objects.restorable().order_by("-deleted_at", "-id")[:SHOWN_DELETED]
    return render(request, "chats/deleted.html", {"chats": chats, "hours": int(KEPT.total_seconds() // 3600)})


@non_atomic_requests
@login_required
@require_POST
def download_many(request: PageRequest) -> HttpResponseBase:
    """The chats that are ticked as one JSON file, which the import page takes."""
    chats = _chosen(request)
    if not chats:
        return _nothing_chosen(request)
    found = chats_of(user_id=request.user.pk, chats=chats)
    note_download(user_id=request.user.pk, chats=len(found))
    return _file(as_json(user_id=request.user.pk, chats=found), "application/json", "chats.json")


@non_atomic_requests
@login_required
@require_safe
def download_json(request: PageRequest, chat_id: UUID) -> HttpResponseBase:
    """One chat as JSON, which the import page takes."""
    chat = _one(request, chat_id)
    note_download(user_id=request.user.pk, chats=1)
    return _file(as_json(user_id=request.user.pk, chats=[chat]), "application/json", f"{_file_name(chat)}.json")


@non_atomic_requests
@login_required
@require_safe
def download_markdown(request: PageRequest, chat_id: UUID) -> HttpResponseBase:
    """One chat as Markdown."""
    chat = _one(request, chat_id)
    note_download(user_id=request.user.pk, chats=1)
    pieces = (piece.encode() for piece in as_markdown(user_id=request.user.pk, chat=chat))
    return _file(pieces, "text/markdown; charset=utf-8", f"{_file_name(chat)}.md")


def _chosen(request: PageRequest) -> list[UUID]:
    """The ids that a form names: `chat`, any number of times, or `chats`, commas between them."""
    names = chain(request.POST.getlist("chat"), request.POST.get("chats", "").split(","))
    found: dict[UUID, None] = {}
    for name in names:
        try:
            found[UUID(name)] = None
        except ValueError:
            continue
    return list(found)[:MAX_SELECTED]


def _ask(request: PageRequest, chats: list[UUID]) -> HttpResponse:
    there = Chat.objects.present().filter(pk__in=chats)
    number = there.count()
    context = {
        "title": ngettext("Delete this chat?", "Delete %(number)d chats?", number) % {"number": number},
        "text": _(
            "For 24 hours you can have it back; then it is gone for good. Links that share it stop working at once."
        ),
        "chats": chats,
        "back": request.POST.get("back", ""),
        "in_page": not request.htmx,
        "cancel": address(QueryDict(request.POST.get("back", ""))),
    }
    return render(request, f"chats/deletion.html{'#panel' if request.htmx else ''}", context)


def _nothing_chosen(request: PageRequest) -> HttpResponse:
    messages.warning(request, _("Nothing is ticked. Tick the chats first."))
    return _back_to_list(request)


def _back_to_list(request: PageRequest) -> HttpResponse:
    """The list as it was: in its place where htmx asked from there, else the page."""
    here = reverse("chats:chat-list")
    if not request.htmx:
        return redirect(address(QueryDict(request.POST.get("back", ""))))
    path, _question, query = (request.htmx.current_url_abs_path or "").partition("?")
    if path != here:
        return HttpResponseClientRedirect(here)
    response = render(request, "chats/chats.html#list", _list_of(request, query))
    return trigger_client_event(reswap(retarget(response, "#chats"), "outerHTML"), "dialog:done", after="swap")


def _list_of(request: PageRequest, query: str) -> dict[str, Any]:
    asked = QueryDict(query, mutable=True)
    try:
        return list_context(user_id=request.user.pk, asked=asked)
    except BadCursorError:
        # Nothing is left on that page.
        for name in ("after", "before"):
            asked.pop(name, None)
        return list_context(user_id=request.user.pk, asked=asked)


def _one(request: PageRequest, chat_id: UUID) -> Chat:
    with tenant(request.user.pk):
        chat = Chat.objects.present().filter(pk=chat_id).first()
    if chat is None:
        raise Http404
    return chat


def _file_name(chat: Chat) -> str:
    return slugify(chat.title, allow_unicode=True)[:60].strip("-") or "chat"


def _file(pieces: Iterator[bytes], kind: str, name: str) -> StreamingHttpResponse:
    response = StreamingHttpResponse(pieces, content_type=kind)
    response["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=name) or "attachment"
    response["Cache-Control"] = "private, no-store"
    return response
