"""allauth's pages of which the audit trail should know more, or that must ask once more who one is."""

import logging
from typing import Any, cast
from uuid import UUID

from allauth.account.adapter import get_adapter
from allauth.account.decorators import reauthentication_required
from allauth.account.internal.flows.login import record_authentication
from allauth.account.internal.flows.reauthentication import is_reauthentication_required
from allauth.account.views import BaseReauthenticateView, PasswordSetView
from allauth.mfa.recovery_codes.views import DownloadRecoveryCodesView, ViewRecoveryCodesView
from allauth.mfa.webauthn.views import EditWebAuthnView
from allauth.socialaccount.views import ConnectionsView
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.decorators import method_decorator
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from accounts import audit
from accounts.mailed_codes import is_code_out, mail_code
from accounts.models import User
from accounts.signin_forms import MailedCodeForm
from wavelength.limits import TooOftenError

logger = logging.getLogger(__name__)
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


@method_decorator([login_required, never_cache], name="dispatch")
class MailedCode(BaseReauthenticateView):
    """A code by mail, for people who have nothing else to show that it is them; mailed when they say so."""

    form_class = MailedCodeForm
    template_name = "account/reauthenticate_by_code.html"

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if "mail" not in request.POST:
            return cast("HttpResponse", super().post(request, *args, **kwargs))
        try:
            mail_code(request, cast("User", request.user))
        except TooOftenError:
            messages.error(request, _("Codes were asked for too often. Wait an hour, then have another one mailed."))
        except OSError:
            logger.exception("a code could not be mailed")
            messages.error(request, _("The mail could not be sent. Try again in some minutes."))
        else:
            messages.success(request, _("The code is on its way."))
        return HttpResponseRedirect(self.passthrough_next_url(request.path))

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "request": self.request}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**kwargs)
        return {**context, "is_code_mailed": is_code_out(self.request) or context["form"].is_bound}

    def form_valid(self, form: MailedCodeForm) -> HttpResponse:
        record_authentication(self.request, self.request.user, method="code", reauthenticated=True)
        return cast("HttpResponse", super().form_valid(form))


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
