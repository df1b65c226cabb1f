"""The pages that bring chats here: what would come, how far it is, what became of it.

With script the browser sends what it has as it is, as the body of a request of its own, and follows the hand-over by a
reference that it chose; without, a form brings a file. Either goes to memory and nowhere else, because it carries keys.
What was sent is kept nowhere: a hand-over that stopped is sent again, and what is here by then is passed over.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.db import IntegrityError
from django.db.transaction import non_atomic_requests
from django.http import Http404, HttpResponse, JsonResponse, UnreadablePostError
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from chats import sync
from chats.forms import ImportForm
from chats.import_showing import shown_handover, shown_preview
from chats.models import Handover, Source
from chats.payload import ShapeError, TooLargeError
from chats.previewing import preview
from chats.scanning import Buffer, NotJsonError
from chats.sync import BodyTooLargeError
from chats.uploads import FORM_MAX_BYTES, InMemoryHandler
from chats.wording import in_words
from wavelength.ids import uuid7
from wavelength.limits import TooOftenError, spend
from wavelength.portal import PageRequest
from wavelength.tenancy import tenant

RECENT = 5


class UnusableError(Exception):
    """What arrived cannot be looked at; its text is a sentence, `status` goes with it."""

    def __init__(self, sentence: str, status: int = 400) -> None:
        super().__init__(sentence)
        self.status = status


@csrf_exempt
@non_atomic_requests
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def chat_import(request: PageRequest) -> HttpResponse:
    """Bring chats here: a page that finds what this browser holds, or takes a file."""
    return _bounded(request, _import_checked)


@csrf_exempt
@non_atomic_requests
@login_required
@require_POST
def import_preview(request: PageRequest) -> HttpResponse:
    """Say what a store or a file would bring, and store nothing."""
    return _bounded(request, _preview_checked)


@login_required
@require_safe
@vary_on_headers("HX-Request")
def import_detail(request: PageRequest, reference: UUID) -> HttpResponse:
    """How far a hand-over is, or what became of it; nothing to whoever follows one of which nothing is stored yet."""
    handover = Handover.objects.filter(reference=reference).first()
    if handover is None:
        if request.htmx:
            return HttpResponse(status=204)
        raise Http404
    template = f"chats/handover.html{'#state' if request.htmx else ''}"
    return render(request, template, shown_handover(handover))


def _bounded(request: PageRequest, view: Callable[[PageRequest], HttpResponse]) -> HttpResponse:
    """What must hold before anything reads the body, as the check for other sites does: its size, and where it goes."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > FORM_MAX_BYTES:
        return _unusable(request, _too_large())
    # A file goes to memory and not to a disk.
    request.upload_handlers = [InMemoryHandler(request)]
    try:
        return view(request)
    except TooOftenError as refused:
        if not _is_raw(request):
            raise
        problem = {"problem": _("Too many requests. Wait a moment and try again.")}
        return JsonResponse(problem, status=429, headers={"Retry-After": str(refused.seconds)})


@csrf_protect
def _import_checked(request: PageRequest) -> HttpResponse:
    if request.method != "POST":
        return _page(request)
    spend("handover", request.user.pk)
    reference = _reference(request)
    try:
        with _arrived(request) as body:
            if not _is_known(request, reference):
                sync.take_over(
                    user_id=request.user.pk, body=body, source=Source.MIGRATION, store=True, reference=reference
                )
    except UnusableError as unusable:
        return _unusable(request, unusable)
    except IntegrityError:
        # Sent twice at once under one name: the other one does it.
        if not _is_known(request, reference):
            raise
    url = reverse("chats:import-detail", args=[reference])
    return JsonResponse({"url": url}) if _is_raw(request) else redirect(url)


@csrf_protect
def _preview_checked(request: PageRequest) -> HttpResponse:
    spend("handover", request.user.pk)
    try:
        with _arrived(request) as body:
            found = preview(user_id=request.user.pk, body=body)
    except UnusableError as unusable:
        if _is_raw(request):
            # An answer like any other to what would come: nothing can.
            return JsonResponse({"problem": str(unusable)})
        return _unusable(request, unusable)
    shown = shown_preview(found)
    if _is_raw(request):
        return render(request, "chats/import.html#preview", {"preview": shown, "scripted": True})
    return _page(request, preview=shown)


@contextmanager
def _arrived(request: PageRequest) -> Iterator[Buffer]:
    """What was sent, in memory. Raises UnusableError, also for what goes wrong with it inside."""
    try:
        if _is_raw(request):
            length = int(request.META.get("CONTENT_LENGTH") or 0)
            with sync.read_body(cast("BinaryIO", request), length) as body:
                yield body
        else:
            yield _file(request)
    except (NotJsonError, ShapeError):
        raise UnusableError(
            _("This file is neither a saved Wavelength store nor an export. It must be JSON with a list of chats.")
        ) from None
    except (BodyTooLargeError, TooLargeError) as error:
        raise _too_large(str(error)) from None
    except UnreadablePostError:
        raise UnusableError(_("It did not arrive whole. Send it again.")) from None


def _too_large(why: str = "") -> UnusableError:
    sentence = f"{in_words(why)}." if why else _("This file is larger than 100 MB.")
    return UnusableError(f"{sentence} {_('Split it, or leave chats out.')}", status=413)


def _file(request: PageRequest) -> bytes:
    form = ImportForm(request.POST, request.FILES)
    if not form.is_valid():
        raise UnusableError(_("Choose a file first; an empty one holds nothing."))
    body: bytes = form.cleaned_data["file"].read()
    return body


def _is_raw(request: PageRequest) -> bool:
    return request.content_type == "application/json"


def _reference(request: PageRequest) -> UUID:
    try:
        return UUID(request.GET.get("reference", ""))
    except ValueError:
        return uuid7()


def _is_known(request: PageRequest, reference: UUID) -> bool:
    with tenant(request.user.pk):
        return Handover.objects.filter(reference=reference).exists()


def _unusable(request: PageRequest, unusable: UnusableError) -> HttpResponse:
    if _is_raw(request):
        return JsonResponse({"problem": str(unusable)}, status=unusable.status)
    return _page(request, status=200 if unusable.status == 400 else unusable.status, problem=str(unusable))


def _page(request: PageRequest, *, status: int = 200, **context: Any) -> HttpResponse:
    with tenant(request.user.pk):
        context["recent"] = list(Handover.objects.brought().latest_first()[:RECENT])
        return render(request, "chats/import.html", _with_unfinished(context), status=status)


def _with_unfinished(context: dict[str, Any]) -> dict[str, Any]:
    """The latest hand-over stands on top while it is under way, and when it stopped."""
    latest = context["recent"][0] if context["recent"] else None
    if latest is not None and latest.finished_at is None:
        context |= shown_handover(latest)
    return context
