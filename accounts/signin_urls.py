"""allauth's addresses that lead to pages of ours; found before allauth's own."""

from django.urls import path, reverse_lazy
from django.views.generic import RedirectView

from accounts.signin_views import (
    Connections,
    FirstPassword,
    MailedCode,
    PasskeyName,
    RecoveryCodes,
    RecoveryCodesFile,
)

urlpatterns = [
    path("reauthenticate/code/", MailedCode.as_view(), name="account_reauthenticate_by_code"),
    path("password/set/", FirstPassword.as_view()),
    path("2fa/", RedirectView.as_view(pattern_name="accounts:security")),
    path("2fa/recovery-codes/", RecoveryCodes.as_view()),
    path("2fa/recovery-codes/download/", RecoveryCodesFile.as_view()),
    path("2fa/webauthn/", RedirectView.as_view(pattern_name="accounts:security")),
    path("2fa/webauthn/keys/<int:pk>/edit/", PasskeyName.as_view(success_url=reverse_lazy("accounts:security"))),
    path("3rdparty/", Connections.as_view()),
    path("sessions/", RedirectView.as_view(pattern_name="accounts:security")),
]
