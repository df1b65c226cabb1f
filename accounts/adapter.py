"""What allauth asks of us about local accounts."""

from typing import Any, ClassVar

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY
from allauth.account.internal.flows.signup import prevent_enumeration
from allauth.account.models import EmailAddress
from allauth.core.exceptions import ImmediateHttpResponse
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from accounts import arrivals, audit
from accounts.deactivation import send_reactivation_link
from accounts.mailed_codes import FLOW
from accounts.models import User
from accounts.people import create_person
from wavelength.addresses import client_address


class AccountAdapter(DefaultAccountAdapter):
    error_messages: ClassVar[dict[str, Any]] = DefaultAccountAdapter.error_messages | {
        "email_password_mismatch": _("The e-mail address or the password is wrong. Try again, or reset the password."),
        "too_many_login_attempts": _("Too many failed attempts to sign in. Wait a few minutes, or reset the password."),
    }

    # allauth's own words, in our voice.
    reauthentication_words: ClassVar[dict[str, Any]] = {
        "reauthenticate": _("Use your password"),
        "mfa_reauthenticate": _("Use a code from the app"),
        "mfa_reauthenticate:webauthn": _("Use a passkey"),
    }

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        """The ways to show that it is still them, as the page names them."""
        methods: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        words = self.reauthentication_words
        told = [{**method, "description": words.get(method["id"], method["description"])} for method in methods]
        if not told and user.is_authenticated:
            told = [
                {"id": FLOW, "description": _("Use a code by mail"), "url": reverse("account_reauthenticate_by_code")}
            ]
        return told

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        """Fill the new person from the sign-up form and create the account with all it needs."""
        super().save_user(request, user, form, commit=False)
        if commit:
            try:
                create_person(user, way="signup")
            except IntegrityError:
                # Somebody took the address between the form's check and now: answered as if before.
                raise ImmediateHttpResponse(prevent_enumeration(request, email=user.email)) from None
        return user

    def pre_login(self, request: HttpRequest, user: User, **login: Any) -> HttpResponse | None:
        """Remember in the person's trail when who showed all there is to show is refused, the account being off."""
        if not user.is_active:
            audit.record_for(user.pk, "session.failed", way=_way_in(request), reason="inactive")
        response: HttpResponse | None = super().pre_login(request, user, **login)
        return response

    def post_login(self, request: HttpRequest, user: User, **login: Any) -> HttpResponse:
        """Remember in the person's trail that they signed in, and how; claim what their browser was before."""
        audit.record_for(user.pk, "session.started", way=_way_in(request))
        arrivals.arrive(request, user.pk)
        response: HttpResponse = super().post_login(request, user, **login)
        return response

    def respond_user_inactive(self, request: HttpRequest, user: User) -> HttpResponse:
        """Refuse with a page; an account that its owner deactivated is also mailed the way back.

        Reached only after the right password or provider, so it tells strangers nothing.
        """
        send_reactivation_link(request, user)
        response: HttpResponse = super().respond_user_inactive(request, user)
        return response

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send allauth's mails, except that a deactivated account is not called unknown to its owner."""
        if template_prefix == "account/email/unknown_account":
            deactivated = User.objects.filter(email__iexact=email, deactivated_at__isnull=False).first()
            if deactivated is not None:
                send_reactivation_link(self.request, deactivated)
                return
        super().send_mail(template_prefix, email, context)

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """Confirm an address; where it replaces another one, the trail remembers both."""
        before = User.objects.values_list("email", flat=True).get(pk=email_address.user_id)
        confirmed: bool = super().confirm_email(request, email_address)
        if confirmed and email_address.email != before:
            audit.record_for(email_address.user_id, "email.changed", before=before, after=email_address.email)
        return confirmed

    def get_client_ip(self, request: HttpRequest) -> str:
        """From where, as everywhere here: what allauth limits by address is the browser's, not the proxy's."""
        address = client_address(request)
        return address or str(super().get_client_ip(request))

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """Remember a wrong password in the trail of whose it would have been; nobody is told whether there is one."""
        if isinstance(request.user, User):
            audit.record(request.user.pk, "confirmation.failed", way="password")
        elif email := credentials.get("email"):
            audit.record_failed_signin(str(email), way="password")


def _way_in(request: HttpRequest) -> str:
    """How the person just signed in: `password`, `passkey`, a provider's id, or where a link led them."""
    # allauth keeps what they showed, in order; a second factor comes after what it seconds.
    shown: list[dict[str, Any]] = request.session.get(AUTHENTICATION_METHODS_SESSION_KEY, [])
    first = shown[0] if shown else {}
    if first.get("method") == "mfa":
        return "passkey"
    return str(first.get("provider") or first.get("method") or "link")
