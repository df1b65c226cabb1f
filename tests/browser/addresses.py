"""Every page there is, by who can see it: what the browser tests go through.

`{chat}`, `{key}`, `{passkey}`, `{import}` and `{token}` stand for what is made for the test.
`test_addresses.py` walks the URL conf and fails for a page that stands in none of these lists.
"""

from typing import Final

# What people see signed in or not.
ANYWAY: Final = (
    "/accounts/3rdparty/login/cancelled/",
    "/accounts/3rdparty/login/error/",
    "/accounts/confirm-email/",
    "/accounts/confirm-email/nothing/",
    "/accounts/inactive/",
    "/accounts/password/reset/",
    "/accounts/password/reset/done/",
    "/accounts/password/reset/key/done/",
    "/accounts/password/reset/key/x-nothing/",
    "/accounts/reactivate/nothing/",
    "/mails/nothing/end/",
    "/nothing/",
    "/offline/",
    "/shared/nothing/",
)
OUTSIDE: Final = (
    "/",
    "/accounts/confirm-email/{confirmation}/",
    "/accounts/login/",
    "/accounts/password/reset/key/{reset}/",
    "/accounts/reactivate/{reactivation}/",
    "/accounts/signup/",
    *ANYWAY,
)
INSIDE: Final = (
    "/",
    "/accounts/email/",
    "/accounts/logout/",
    "/accounts/password/change/",
    "/accounts/reauthenticate/",
    "/chats/",
    "/chats/?q=zzzz",
    "/chats/deleted/",
    "/chats/links/",
    "/chats/{chat}/",
    "/chats/{chat}/sharing/",
    "/chats/{chat}/title/",
    "/developers/",
    "/developers/tokens/{token}/revocation/",
    "/import/",
    "/import/{import}/",
    "/keys/",
    "/keys/new/",
    "/keys/{key}/",
    "/keys/{key}/deletion/",
    "/keys/{key}/secret/",
    "/privacy/",
    "/profile/",
    "/security/",
    "/security/activity/",
    "/security/activity/?before=1.00000000000000000000000000000000",
    "/usage/?period=all",
    "/usage/?period=30days&by=provider",
    "/usage/?period=today&provider=zzzz",
    "/usage/?period=custom&from=2026-02-02&to=2026-02-01",
    "/usage/budgets/new/",
    *ANYWAY,
)
# Where one must have signed in just now. The last one lists this very browser.
RECENT: Final = (
    "/accounts/2fa/totp/activate/",
    "/accounts/2fa/webauthn/add/",
    "/accounts/3rdparty/",
    "/accounts/email/",
    "/developers/tokens/new/",
    "/privacy/deactivation/",
    "/privacy/erasure/",
    "/security/",
)
# With a second factor.
PROTECTED: Final = (
    "/accounts/2fa/recovery-codes/",
    "/accounts/2fa/recovery-codes/generate/",
    "/accounts/2fa/totp/deactivate/",
    "/accounts/2fa/webauthn/keys/{passkey}/edit/",
    "/accounts/2fa/webauthn/keys/{passkey}/remove/",
    "/accounts/2fa/reauthenticate/",
    "/security/",
    "/profile/",
)
# Routes whose pages need more than an address, and where they are looked at.
ELSEWHERE: Final = {
    "accounts/2fa/authenticate/": "The second step of a sign-in: test_it_works_at_the_second_step.",
    "accounts/2fa/webauthn/reauthenticate/": "A passkey of a browser's own: test_a_passkey.",
    "accounts/github/login/": "Where providers are configured: test_the_step_to_a_provider.",
    "accounts/google/login/": "Where providers are configured: test_the_step_to_a_provider.",
    "accounts/reauthenticate/code/": "Who came from a provider has nothing else to show: test_the_step_to_a_provider.",
    "accounts/password/set/": "Who came from a provider has no password yet: test_the_step_to_a_provider.",
    "styleguide/": "Only while developing: test_it_works_in_the_style_guide.",
}
# Routes that answer GET with no page: files, redirects, what programs read.
NO_PAGES: Final = {
    "accounts/2fa/": "Leads to the security page.",
    "accounts/2fa/recovery-codes/download/": "A file.",
    "accounts/2fa/webauthn/": "Leads to the security page.",
    "accounts/2fa/webauthn/login/": "JSON for the passkey's script.",
    "accounts/3rdparty/signup/": "Nobody is asked for more than the provider tells (accounts/social.py).",
    "accounts/github/login/callback/": "Where the provider leads back to.",
    "accounts/google/login/callback/": "Where the provider leads back to.",
    "accounts/google/login/token/": "Takes a token by POST; not used.",
    "accounts/login/code/confirm/": "Signing in by a mailed code is switched off: leads to signing in.",
    "accounts/sessions/": "Leads to the security page.",
    "accounts/social/connections/": "An old address of allauth's.",
    "accounts/social/login/cancelled/": "An old address of allauth's.",
    "accounts/social/login/error/": "An old address of allauth's.",
    "accounts/social/signup/": "An old address of allauth's.",
    "chats/<uuid:chat_id>/download.json": "A file.",
    "chats/<uuid:chat_id>/download.md": "A file.",
    "healthz": "For programs.",
    "live/": "For the page's script.",
    "media/avatars/<uuid:picture>.webp": "A picture.",
    "metrics": "For programs.",
    "privacy/archive/file/": "A file.",
    "readyz": "For programs.",
    "service-worker.js": "A script.",
    "usage/export/": "A file.",
}
