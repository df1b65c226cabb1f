"""allauth's pages of which the audit trail should know more, or that must ask once more who one is."""

from typing import Any, cast
from uuid import UUID

from allauth.account.adapter import get_adapter
from allauth.account.decorators import reauthentication_required
from allauth.account.internal.flows.reauthentication import is_reauthentication_required
from allauth.account.views import PasswordSetView
from allauth.mfa.recovery_codes.views import DownloadRecoveryCodesView, ViewRecoveryCodesView
from allauth.mfa.webauthn.views import EditWebAuthnView
from allauth.socialaccount.views import ConnectionsView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.decorators import method_decorator
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache

from accounts import audit

PASSKEY_NAME_LENGTH = 100


@method_decorator(never_cache, name="dispatch")
class RecoveryCodes(ViewRecoveryCodesView):
    """The codes that are left."""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response: HttpResponse = super().get(request, *args, **kwargs)
        audit.record(_person(request), "recovery.viewed")
        return response


class RecoveryCodesFile(DownloadRecoveryCodesView):
    """The same as a file."""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response: HttpResponse = super().get(request, *args, **kwargs)
        audit.record(_person(request), "recovery.downloaded")
        return response


class PasskeyName(EditWebAuthnView):
    """A passkey's name, changed."""

    def form_valid(self, form: Any) -> HttpResponse:
        response: HttpResponse = super().form_valid(form)
        audit.record(_person(self.request), "passkey.renamed", name=form.cleaned_data["name"][:PASSKEY_NAME_LENGTH])
        return response


@method_decorator(reauthentication_required(app="allauth.socialaccount"), name="dispatch")
class Connections(ConnectionsView):
    """The providers one can sign in with."""


class FirstPassword(PasswordSetView):
    """A password for somebody who signs in with a provider."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # Not allauth's decorator, which keeps what was posted in the session until then: here that is a password.
        if request.user.is_authenticated and is_reauthentication_required(request, app="allauth.account"):
            methods = get_adapter().get_reauthentication_methods(request.user)
            return HttpResponseRedirect(f"{methods[0]['url']}?{urlencode({'next': request.path})}")
        return cast("HttpResponseBase", super().dispatch(request, *args, **kwargs))


def _person(request: HttpRequest) -> UUID:
    return cast("UUID", request.user.pk)
