"""The chats pages: the list with its search, one chat, and the page that brings chats here."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.shell import profile_of
from chats.changes import rename_chat
from chats.forms import END, PlaceForm, TitleForm
from chats.models import Chat
from chats.reading import BadCursorError
from chats.showing import address, list_context, shown_to
from chats.thread import show, window
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
