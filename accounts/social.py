"""Signing in with Google and GitHub: whose account it is, and what may never be taken over.

The rules (DESIGN.md §11), in order: the provider's person was here before; or the provider vouches
for an e-mail address that is an account's own; or a new account is made. An address that the
provider does not vouch for neither links nor creates: whoever made such an account could wait in it
for the address's owner to confirm it.
"""

import logging
from typing import Any, ClassVar

from allauth.account.internal.flows.reauthentication import is_reauthentication_required
from allauth.account.models import EmailAddress
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount, SocialLogin
from allauth.socialaccount.providers.base import AuthError, AuthProcess, Provider
from allauth.socialaccount.providers.github.views import GitHubOAuth2Adapter
from allauth.socialaccount.providers.google.views import GoogleOAuth2Adapter
from allauth.socialaccount.providers.oauth2.views import OAuth2Adapter
from django.contrib import messages
from django.db import IntegrityError, transaction
from django.db.models.functions import Lower
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from accounts import audit
from accounts.models import Session, User
from accounts.people import create_person
from wavelength.addresses import absolute
from wavelength.tenancy import tenant

logger = logging.getLogger(__name__)


class _OneRedirectAddress:
    """Where providers send people back: NextAuth's address, so that one registration serves portal and web client."""

    provider_id: str

    def get_callback_url(self, request: HttpRequest, app: object) -> str:
        return absolute(request, reverse("nextauth:callback", args=[self.provider_id]))


class GoogleAdapter(_OneRedirectAddress, GoogleOAuth2Adapter):
    """Google."""


class GitHubAdapter(_OneRedirectAddress, GitHubOAuth2Adapter):
    """GitHub."""


OAUTH_ADAPTERS: dict[str, type[OAuth2Adapter]] = {"google": GoogleAdapter, "github": GitHubAdapter}


class SocialAccountAdapter(DefaultSocialAccountAdapter):
    """What allauth asks of us about people who come from a provider."""

    error_messages: ClassVar[dict[str, Any]] = DefaultSocialAccountAdapter.error_messages | {
        "disconnect_last": _("This is your only way to sign in. Set a password first, then disconnect it."),
        "connected_other": _("That account is connected to another account here. Disconnect it there first."),
        "no_password": _("Without a password you could no longer sign in. Set one first, then disconnect it."),
        "no_verified_email": _("Confirm your e-mail address first, then disconnect it."),
    }
    # NextAuth's names for what went wrong, for the web client, beside the sentence for the person.
    errors: ClassVar[dict[str, str]] = {AuthError.CANCELLED: "AccessDenied"}

    def get_provider(self, request: HttpRequest, provider: str, client_id: str | None = None) -> Provider:
        """The provider, sending people back to our one redirect address."""
        found = super().get_provider(request, provider, client_id=client_id)
        found.oauth2_adapter_class = OAUTH_ADAPTERS.get(found.id, found.oauth2_adapter_class)
        return found

    def populate_user(self, request: HttpRequest, sociallogin: SocialLogin, data: dict[str, Any]) -> User:
        """Fill the new person with what the provider tells of them."""
        user: User = super().populate_user(request, sociallogin, data)
        parts = [data.get("first_name"), data.get("last_name")]
        user.name = (data.get("name") or " ".join(part for part in parts if part))[:150]
        return user

    def authenticate_by_email(self, sociallogin: SocialLogin) -> tuple[User, str] | None:
        """The account that one of the addresses the provider vouches for belongs to, with that address."""
        for address in _vouched_for(sociallogin):
            if owner := owner_of(address.email):
                return owner, address.email
        return None

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Before anybody is signed in or created: apply the rules on top of this file."""
        if sociallogin.state.get("process") == AuthProcess.CONNECT:
            if is_reauthentication_required(request, app="allauth.socialaccount"):
                # allauth would keep the provider's answer, token included, in the session until the person confirmed.
                raise self._refusal(request, _CONFIRM, "OAuthAccountNotLinked", sociallogin.state)
            return
        provider = sociallogin.account.provider
        if email := sociallogin._did_authenticate_by_email:  # noqa: SLF001  # allauth has no other name for it
            _admit_by_email(sociallogin.user, email=email, provider=provider)
        elif not sociallogin.is_existing:
            vouched_for = _vouched_for(sociallogin)
            if not vouched_for:
                name = sociallogin.account.get_provider().name
                raise self._refusal(
                    request, str(_UNVERIFIED).format(provider=name), "OAuthCreateAccount", sociallogin.state
                )
            # One address an account: the one the person uses at the provider.
            sociallogin.email_addresses = vouched_for[:1]
            sociallogin.user.email = vouched_for[0].email
            _release(vouched_for[0].email)

    def save_user(self, request: HttpRequest, sociallogin: SocialLogin, form: object = None) -> User:
        """Make the account with all it needs, and the link to the provider, all or nothing."""
        user: User = sociallogin.user
        user.set_unusable_password()
        try:
            with tenant(user.pk):
                create_person(user, way=sociallogin.account.provider)
                sociallogin.save(request)
        except IntegrityError:
            # The same person in two tabs, or the address taken a moment ago: the next try finds the account.
            raise self._refusal(request, _RACE, "OAuthCreateAccount", sociallogin.state) from None
        return user

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Provider,
        error: str | None = None,
        exception: Exception | None = None,
        extra_context: dict[str, Any] | None = None,
    ) -> None:
        """Refused consent, a lost state, a provider that does not answer: a sentence on the sign-in page."""
        cancelled = error == AuthError.CANCELLED
        if not cancelled:
            # The exception's text may hold what the provider answered, so only its kind is logged.
            logger.warning(
                "Signing in with %s failed: %s", provider.id, type(exception).__name__ if exception else error
            )
        sentence = str(_CANCELLED if cancelled else _FAILED).format(provider=provider.name)
        code = "AccessDenied" if cancelled else "OAuthCallback"
        raise self._refusal(request, sentence, code, (extra_context or {}).get("state") or {})

    def _refusal(
        self, request: HttpRequest, sentence: str | Promise, code: str, state: dict[str, Any]
    ) -> ImmediateHttpResponse:
        messages.error(request, str(sentence))
        if state.get("process") == AuthProcess.CONNECT:
            return ImmediateHttpResponse(HttpResponseRedirect(reverse("socialaccount_connections")))
        return ImmediateHttpResponse(HttpResponseRedirect(signin_page(state.get("next"), error=code)))


_CONFIRM = _("Confirm that it is you, then connect the account once more.")
_CANCELLED = _("You chose not to sign in with {provider}. Nothing was changed: try again, or sign in another way.")
_FAILED = _("{provider} could not tell us who you are. Please try again, or sign in another way.")
_UNVERIFIED = _(
    "{provider} has not confirmed that your e-mail address is yours."
    " Confirm it there first, or sign in here with your e-mail address and password."
)
_RACE = _("That could not be finished just now. Please try again.")


def signin_page(return_to: str | None = None, *, error: str | None = None) -> str:
    """The path of the sign-in page: where it leads afterwards, and NextAuth's name of what went wrong."""
    # allauth reads `next`; `callbackUrl` is NextAuth's name of the same.
    asked = {"error": error, "callbackUrl": return_to, "next": return_to}
    query = urlencode({name: value for name, value in asked.items() if value})
    return f"{reverse('account_login')}?{query}" if query else reverse("account_login")


def owner_of(email: str) -> User | None:
    """The person whose own address this is: confirmed, or theirs alone and nothing else of theirs confirmed.

    An address that somebody with another, confirmed address merely claims (a change of e-mail not
    yet confirmed) is not theirs.
    """
    confirmed = EmailAddress.objects.filter(email=email.lower(), verified=True).select_related("user").first()
    if confirmed is not None:
        confirmed_owner: User = confirmed.user
        return confirmed_owner
    claimant = User.objects.alias(lowered=Lower("email")).filter(lowered=email.lower()).first()
    if claimant is None or EmailAddress.objects.filter(user=claimant, verified=True).exists():
        return None
    return claimant


def _vouched_for(sociallogin: SocialLogin) -> list[EmailAddress]:
    return [address for address in sociallogin.email_addresses if address.verified]


def _admit_by_email(user: User, *, email: str, provider: str) -> None:
    """Let the owner of `email` in, after throwing out whoever might have made the account before them."""
    with tenant(user.pk):
        taken_over = not EmailAddress.objects.filter(user=user, email=email.lower(), verified=True).exists()
        if taken_over:
            user.set_unusable_password()
            user.save(update_fields=["password"])
            Session.objects.filter(user=user).delete()
            SocialAccount.objects.filter(user=user).delete()
            Authenticator.objects.filter(user=user).delete()
            EmailAddress.objects.filter(user=user).delete()
            EmailAddress.objects.create(user=user, email=email.lower(), verified=True, primary=True)
        audit.record(user.pk, "social.connected", provider=provider, password_wiped=taken_over)


def _release(email: str) -> None:
    """Drop what others claimed without confirming, now that a provider says whose address it is."""
    with transaction.atomic():
        EmailAddress.objects.filter(email=email.lower(), verified=False).delete()
