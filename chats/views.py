"""The chats pages: the list with its search, one chat, and the page that brings chats here."""

from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.db.transaction import non_atomic_requests
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods, require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.shell import profile_of
from chats.changes import rename_chat
from chats.forms import END, ImportForm, PlaceForm, TitleForm
from chats.models import Chat, Source
from chats.payload import ShapeError, TooLargeError
from chats.reading import BadCursorError
from chats.scanning import NotJsonError
from chats.showing import address, list_context, shown_to
from chats.sync import Report, take_over
from chats.thread import show, window
from chats.uploads import FORM_MAX_BYTES, InMemoryHandler
from wavelength.portal import PageRequest


@login_required
@require_safe
@vary_on_headers("HX-Request")
def chat_list(request: PageRequest) -> HttpResponse:
    """One's chats: those that a search and filters leave, in the order wanted."""
    try:
        context = list_context(user_id=request.user.pk, asked=request.GET)
    except BadCursorError:
        return redirect(address(request.GET, "after", "before"))
    return render(request, f"chats/chats.html{'#list' if request.htmx else ''}", context)


@login_required
@require_safe
def chat_detail(request: PageRequest, chat_id: UUID) -> HttpResponse:
    """One chat, a window of its messages at a time: after or before a position, or around a message."""
    chat = get_object_or_404(Chat.objects.present(), pk=chat_id)
    place = PlaceForm(request.GET)
    part = window(chat=chat, **place.given())
    shown = shown_to(profile_of(request))
    here = reverse("chats:chat-detail", args=[chat.pk])
    context = {
        "chat": chat,
        "messages_shown": [show(message, shown) for message in part.messages],
        "shown": shown,
        "earlier_page": f"{here}?before={part.earlier}" if part.earlier is not None else None,
        "later_page": f"{here}?after={part.later}" if part.later is not None else None,
        "first_page": here,
        "last_page": f"{here}?before={END}",
    }
    return render(request, "chats/chat.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@vary_on_headers("HX-Request")
def chat_title(request: PageRequest, chat_id: UUID) -> HttpResponse:
    """Give a chat another title."""
    chat = get_object_or_404(Chat.objects.present(), pk=chat_id)
    form = TitleForm(request.POST or None, initial={"title": chat.title})
    if request.method == "POST" and form.is_valid():
        chat = rename_chat(user_id=request.user.pk, chat=chat.pk, title=form.cleaned_data["title"])
        if not request.htmx:
            return redirect("chats:chat-detail", chat.pk)
        return render(request, "chats/chat.html#heading", {"chat": chat, "renamed": True})
    context = {"chat": chat, "form": form}
    return render(request, f"chats/title.html{'#form' if request.htmx else ''}", context)


@csrf_exempt
@non_atomic_requests
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def chat_import(request: PageRequest) -> HttpResponse:
    """Bring chats here. With script the page sends them to the API by itself; without, a file arrives here."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > FORM_MAX_BYTES:
        return _import_page(
            request, problem=_("This file is larger than 100 MB. Split it, or leave chats out."), status=413
        )
    # Before anything reads the body (the CSRF check does), so that the file goes to memory and not to a disk.
    request.upload_handlers = [InMemoryHandler(request)]
    return _import_checked(request)


@csrf_protect
def _import_checked(request: PageRequest) -> HttpResponse:
    if request.method != "POST":
        return _import_page(request)
    form = ImportForm(request.POST, request.FILES)
    if not form.is_valid():
        return _import_page(request, problem=_("Choose a file first; an empty one holds nothing."))
    body = form.cleaned_data["file"].read()
    try:
        report = take_over(user_id=request.user.pk, body=body, source=Source.MIGRATION, store=True)
    except (NotJsonError, ShapeError):
        return _import_page(
            request,
            problem=_(
                "This file is neither a saved Wavelength store nor an export. It must be JSON with a list of chats."
            ),
        )
    except TooLargeError as error:
        return _import_page(request, problem=str(error))
    return _import_page(request, report=_shown_report(report))


def _import_page(request: PageRequest, *, status: int = 200, **context: Any) -> HttpResponse:
    return render(request, "chats/import.html", context, status=status)


def _shown_report(report: Report) -> dict[str, Any]:
    new = report.migrated_chats or report.migrated_messages or report.migrated_keys
    return {
        "state": "partial" if report.faults else "complete" if new else "unchanged",
        "migrated_chats": report.migrated_chats,
        "migrated_messages": report.migrated_messages,
        "migrated_api_keys": report.migrated_keys,
        "skipped_chats": report.skipped_chats,
        "errors": [fault.sentence() for fault in report.faults],
        "warnings": report.warnings,
    }
