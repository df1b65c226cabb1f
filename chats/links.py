"""The pages around links to shared chats: making, seeing and withdrawing them, and what they show."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.transaction import non_atomic_requests
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.translation import get_language, get_language_bidi
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from chats.forms import PlaceForm, ShareForm
from chats.models import Chat, SharedLink
from chats.sharing import TooManyLinksError, all_links, links_of, open_link, share_chat, withdraw_link
from wavelength.addresses import absolute
from wavelength.portal import PageRequest


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@vary_on_headers("HX-Request")
def chat_sharing(request: PageRequest, chat_id: UUID) -> HttpResponse:
    """The links of one chat, and another one; the address of a new link is in this answer and in no other."""
    chat = get_object_or_404(Chat.objects.present(), pk=chat_id)
    form = ShareForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            token = share_chat(user_id=request.user.pk, chat_id=chat.pk, **form.cleaned_data)
        except TooManyLinksError:
            form.add_error(None, _("This chat has as many links as it can have. Withdraw one first."))
        else:
            return _panel(request, chat, ShareForm(), address=absolute(request, reverse("chats:shared", args=[token])))
    return _panel(request, chat, form)


@login_required
@require_safe
def link_list(request: PageRequest) -> HttpResponse:
    """Every link one has made, to whichever chat."""
    return render(request, "chats/links.html", {"links": all_links()})


@login_required
@require_POST
@vary_on_headers("HX-Request")
def link_withdrawal(request: PageRequest, link_id: UUID) -> HttpResponse:
    """Withdraw a link; whoever opens it from now on finds nothing."""
    try:
        chat_id = withdraw_link(user_id=request.user.pk, link_id=link_id)
    except SharedLink.DoesNotExist:
        raise Http404 from None
    chat = Chat.objects.present().filter(pk=chat_id).first()
    if request.htmx and chat is not None:
        return _panel(request, chat, ShareForm(), withdrawn=True)
    messages.success(request, _("The link is withdrawn. It shows nothing any more."))
    if request.POST.get("from") == "links" or chat is None:
        return redirect("chats:link-list")
    return redirect("chats:chat-sharing", chat.pk)


@non_atomic_requests
@require_safe
def shared_chat(request: HttpRequest, token: str) -> HttpResponse:
    """What a link shows: one chat, to anybody, and nothing of who asks or whose it is."""
    page = open_link(token=token, **PlaceForm(request.GET).place())
    context: dict[str, Any] = {"language": get_language(), "direction": "rtl" if get_language_bidi() else "ltr"}
    # Rendered without the request: nothing of a session, a person or a form gets into it.
    if page is None:
        response = HttpResponse(render_to_string("chats/shared_gone.html", context), status=404)
    else:
        context |= {
            "page": page,
            "earlier_page": f"{request.path}?before={page.earlier}",
            "later_page": f"{request.path}?after={page.later}",
        }
        response = HttpResponse(render_to_string("chats/shared.html", context))
    response["Cache-Control"] = "private, no-store"
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex, nofollow, noarchive"
    patch_vary_headers(response, ["Accept-Language"])
    return response


def _panel(request: PageRequest, chat: Chat, form: ShareForm, **context: Any) -> HttpResponse:
    context |= {"chat": chat, "form": form, "links": links_of(chat), "in_page": not request.htmx}
    response = render(request, f"chats/sharing.html{'#panel' if request.htmx else ''}", context)
    response["Cache-Control"] = "private, no-store"
    return response
