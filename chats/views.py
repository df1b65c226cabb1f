"""The chats pages: the list with its search, one chat, and the page that brings chats here."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.db.models import IntegerField, Value
from django.db.models.functions import Cast, Left, Length
from django.db.transaction import non_atomic_requests
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods, require_safe
from django.views.decorators.vary import vary_on_headers

from chats.forms import ImportForm
from chats.models import Chat, Message, Role, Source
from chats.payload import ShapeError, TooLargeError
from chats.reading import BadCursorError
from chats.rendering import render_markdown
from chats.scanning import NotJsonError
from chats.showing import address, list_context
from chats.sync import Report, take_over
from chats.uploads import FORM_MAX_BYTES, InMemoryHandler
from wavelength.portal import PageRequest
from wavelength.templatetags.figures import compact, duration, money

MESSAGES_A_PAGE = 50
CHARACTERS_SHOWN = 100_000


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
    """One chat, a part of its messages at a time."""
    chat = get_object_or_404(Chat.objects.present(), pk=chat_id)
    after = request.GET.get("after", "")
    start = int(after) if after.isascii() and after.isdigit() and len(after) < 10 else -1
    messages = list(
        Message.objects.filter(chat=chat, position__gt=start)
        .defer("content", "reasoning")
        .annotate(text=_beginning("content"), thought=_beginning("reasoning"), length=Length("content"))
        .order_by("position")[: MESSAGES_A_PAGE + 1]
    )
    here = reverse("chats:chat-detail", args=[chat.pk])
    more = len(messages) > MESSAGES_A_PAGE
    context = {
        "chat": chat,
        "messages_shown": [_shown(message) for message in messages[:MESSAGES_A_PAGE]],
        "first_page": here if start >= 0 else None,
        "next_page": f"{here}?after={messages[MESSAGES_A_PAGE - 1].position}" if more else None,
    }
    return render(request, "chats/chat.html", context)


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


@dataclass(frozen=True, slots=True)
class ShownMessage:
    """A message as the page shows it; `text` and `reasoning` are harmless HTML.

    `length` is set where only the beginning is shown: the characters that it has.
    """

    role: str
    speaker: str
    model: str
    timestamp: Any
    text: SafeString
    reasoning: SafeString | None
    figures: list[str]
    length: int | None


def _beginning(field: str) -> Left:
    # A message may have 8 MiB, and a page has many. The cast because integers are bound as bigint.
    return Left(field, Cast(Value(CHARACTERS_SHOWN), IntegerField()))


def _shown(message: Any) -> ShownMessage:
    speakers = {Role.USER: _("You"), Role.ASSISTANT: _("Assistant"), Role.SYSTEM: _("System"), Role.TOOL: _("Tool")}
    counts = (
        (message.input_tokens, _("%s in")),
        (message.reasoning_tokens, _("%s reasoning")),
        (message.output_tokens, _("%s out")),
    )
    figures = [text % compact(number) for number, text in counts if number]
    if message.cost:
        figures.append(money(message.cost))
    if message.duration:
        figures.append(duration(message.duration))
    return ShownMessage(
        role=message.role,
        speaker=speakers[Role(message.role)],
        model=message.model or "",
        timestamp=message.sent_at,
        text=render_markdown(message.text),
        reasoning=render_markdown(message.thought) if message.thought else None,
        figures=figures,
        length=message.length if message.length > CHARACTERS_SHOWN else None,
    )


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
