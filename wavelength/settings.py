"""Every setting, in one file: the environment is read at the top, with safe defaults.

With DEBUG off, anything unsafe stops the start with a sentence (here for what the environment says,
in wavelength/startup.py for what the database says). `.env.example` documents every name read here.
"""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django_stubs_ext
import environ
from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from wavelength import embedded

# Lets Django's generic classes be subscripted at run time (`ModelAdmin[User]`), as the types want.
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")


def _rate(text: str) -> tuple[int, int] | None:
    """`30/m`, `5/10s`: so many in so many seconds, minutes, hours or days; None where it says `off`."""
    if text.strip().lower() in ("off", "0", ""):
        return None
    found = re.fullmatch(r"\s*(\d+)/(\d*)([smhd])\s*", text)
    if found is None or int(found[1]) == 0 or found[2] == "0":
        raise ImproperlyConfigured(f"{text!r} is no rate: write so many in a time, such as 30/m or 5/10s, or off.")
    return int(found[1]), int(found[2] or 1) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[found[3]]


def _by_address(rate: tuple[int, int] | None, *more: str) -> str:
    """A rate as allauth reads it, and further ones."""
    return ",".join([*([f"{rate[0]}/{rate[1]}s/ip"] if rate else []), *more])


# ── The environment ──────────────────────────────────────────────────────────────────────────

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="") or env.str("NEXTAUTH_SECRET", default="")
PORT = env.int("PORT", default=8000)  # of `make run`; gunicorn.conf.py reads the same name
SITE_URL = (
    env.str("SITE_URL", default="")
    or env.str("NEXTAUTH_URL", default="")
    or (f"http://localhost:{PORT}" if DEBUG else "")
).rstrip("/")
TRUSTED_ORIGINS = [origin.rstrip("/") for origin in env.list("TRUSTED_ORIGINS", default=[])]
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[]) or [
    host for host in {urlsplit(SITE_URL).hostname, *(["localhost", "127.0.0.1"] if DEBUG else [])} if host
]
BEHIND_PROXY = env.bool("BEHIND_PROXY", default=False)
# Whose forwarded headers are believed; gunicorn.conf.py reads the same name.
FORWARDED_ALLOW_IPS = env.list("FORWARDED_ALLOW_IPS", default=[]) or ["127.0.0.1", "::1"]
# How many proxies stand in a row, where their addresses cannot all be told; 0 is to go by the addresses.
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", default=0)

API_KEY_ENCRYPTION_KEY = env.str("API_KEY_ENCRYPTION_KEY", default="")
API_KEY_ENCRYPTION_OLD_KEYS = env.list("API_KEY_ENCRYPTION_OLD_KEYS", default=[])

GOOGLE_CLIENT_ID = env.str("GOOGLE_CLIENT_ID", default="")
GOOGLE_CLIENT_SECRET = env.str("GOOGLE_CLIENT_SECRET", default="")
GITHUB_CLIENT_ID = env.str("GITHUB_CLIENT_ID", default="")
GITHUB_CLIENT_SECRET = env.str("GITHUB_CLIENT_SECRET", default="")

EMAIL_URL = env.str("EMAIL_URL", default="")
DEFAULT_FROM_EMAIL = env.str("EMAIL_FROM", default="Wavelength <no-reply@localhost>")
REDIS_URL = env.str("REDIS_URL", default="")
# Where each provider's API is; a company's own proxy can stand in its place.
PROVIDER_BASE_URLS = {
    "openrouter": env.str("OPENROUTER_BASE_URL", default="https://openrouter.ai/api/v1"),
    "openai": env.str("OPENAI_BASE_URL", default="https://api.openai.com/v1"),
    "anthropic": env.str("ANTHROPIC_BASE_URL", default="https://api.anthropic.com/v1"),
    "google": env.str("GOOGLE_BASE_URL", default="https://generativelanguage.googleapis.com/v1beta"),
    "xai": env.str("XAI_BASE_URL", default="https://api.x.ai/v1"),
}
PROVIDER_TIMEOUT = env.float("PROVIDER_TIMEOUT", default=10.0)  # seconds for one answer
# Lets a person's own base URL lead to this machine or a private network: for development only.
ALLOW_PRIVATE_PROVIDER_ADDRESSES = env.bool("ALLOW_PRIVATE_PROVIDER_ADDRESSES", default=False)
# Messages a day from one network address, of all browsers without an account together.
ANONYMOUS_ADDRESS_DAILY_LIMIT = env.int("ANONYMOUS_ADDRESS_DAILY_LIMIT", default=200)
# How often what may be done: so many in so many seconds of one person, address or key; None is as often as one likes.
RATE_LIMITS: dict[str, tuple[int, int] | None] = {
    # Calls of the API; of whoever is not signed in by address. What records usage is apart: it was used already.
    "api": _rate(env.str("RATE_LIMIT_API", default="3000/m")),
    "token": _rate(env.str("RATE_LIMIT_TOKEN", default="1500/m")),
    "failed_tokens": _rate(env.str("RATE_LIMIT_FAILED_TOKENS", default="60/m")),
    "recording": _rate(env.str("RATE_LIMIT_RECORDING", default="off")),
    "key_writes": _rate(env.str("RATE_LIMIT_KEY_WRITES", default="60/m")),
    "validation": _rate(env.str("RATE_LIMIT_VALIDATION", default="30/m")),
    "key_validation": _rate(env.str("RATE_LIMIT_KEY_VALIDATION", default="10/m")),
    "handover": _rate(env.str("RATE_LIMIT_HANDOVER", default="60/m")),
    "mailed_codes": _rate(env.str("RATE_LIMIT_MAILED_CODES", default="6/h")),
    # By address: allauth counts these.
    "signin": _rate(env.str("RATE_LIMIT_SIGNIN", default="30/m")),
    "signup": _rate(env.str("RATE_LIMIT_SIGNUP", default="20/m")),
    "reset": _rate(env.str("RATE_LIMIT_RESET", default="20/m")),
}
# Who may read /metrics: networks, separated by commas.
METRICS_ALLOW_IPS = env.list("METRICS_ALLOW_IPS", default=[]) or ["127.0.0.0/8", "::1/128"]
WORKER_METRICS_PORT = env.int("WORKER_METRICS_PORT", default=0)
LOG_REQUESTS = env.bool("LOG_REQUESTS", default=True)
# How often each process adds what it tallied to the analytics, and so how much of it a SIGKILL loses; 0 is never.
TALLY_SECONDS = env.float("TALLY_SECONDS", default=20)
SLOW_QUERY_SECONDS = env.int("SLOW_QUERY_MS", default=500) / 1000
SENTRY_DSN = env.str("SENTRY_DSN", default="")
# Who is told when something is wrong (wavelength/conditions.py), and from when on it is.
ALERT_EMAILS = env.list("ALERT_EMAILS", default=[])
ALERT_WEBHOOK_URL = env.str("ALERT_WEBHOOK_URL", default="")
ALERT_WEBHOOK_SECRET = env.str("ALERT_WEBHOOK_SECRET", default="")
ALERT_QUEUE_MINUTES = env.int("ALERT_QUEUE_MINUTES", default=15)
ALERT_HANDOVER_FAILURE_PERCENT = env.int("ALERT_HANDOVER_FAILURE_PERCENT", default=20)
ALERT_SIGNIN_FAILURES = env.int("ALERT_SIGNIN_FAILURES", default=100)  # in an hour
# People a day whose envelopes are opened to see whether they do.
ALERT_ENVELOPE_SAMPLE = env.int("ALERT_ENVELOPE_SAMPLE", default=1000)
# Open pages that one process keeps up to date by a stream, which takes one of its threads: never more than half of
# them (gunicorn.conf.py reads the same name). The others ask.
LIVE_STREAMS = min(env.int("LIVE_STREAMS", default=3), env.int("WEB_THREADS", default=8) // 2)
S3_BUCKET = env.str("S3_BUCKET", default="")
S3_ENDPOINT_URL = env.str("S3_ENDPOINT_URL", default="")
DATA_DIR = embedded.data_directory(BASE_DIR, env.ENVIRON)

if ALERT_WEBHOOK_URL and len(ALERT_WEBHOOK_SECRET) < 32:
    raise ImproperlyConfigured("ALERT_WEBHOOK_SECRET must be at least 32 random characters: it signs every alert.")
if not DEBUG:
    if len(SECRET_KEY) < 32:
        raise ImproperlyConfigured("SECRET_KEY (or NEXTAUTH_SECRET) must be set to at least 32 random characters.")
    if not ALLOWED_HOSTS or "*" in ALLOWED_HOSTS:
        raise ImproperlyConfigured(
            "Set SITE_URL to the public address, such as https://account.example.com"
            " (or ALLOWED_HOSTS to the host names served; never *)."
        )
    if len(API_KEY_ENCRYPTION_KEY) != 64:
        raise ImproperlyConfigured(
            "API_KEY_ENCRYPTION_KEY must be 64 hex characters: `python manage.py generate_encryption_key` makes one."
        )

# ── The database: one, under three roles ─────────────────────────────────────────────────────

# How long the server lets wl_app work on one statement, wait for one lock, and leave a transaction lying. Kept with
# the role by `setup_database`: nothing is said for it when a connection begins, and poolers need not know.
DATABASE_STATEMENT_TIMEOUT = env.int("DATABASE_STATEMENT_TIMEOUT", default=60)  # seconds; 0 is no limit
DATABASE_LOCK_TIMEOUT = env.int("DATABASE_LOCK_TIMEOUT", default=30)
DATABASE_IDLE_TRANSACTION_TIMEOUT = env.int("DATABASE_IDLE_TRANSACTION_TIMEOUT", default=60)
# How long a thread waits for a connection, and for a server that is silent because the network is gone.
_connect = env.int("DATABASE_CONNECT_TIMEOUT", default=5)
_silence = env.int("DATABASE_NETWORK_TIMEOUT", default=30)
DATABASE_NETWORK: dict[str, Any] = {
    "connect_timeout": _connect,
    "keepalives_idle": max(_silence // 2, 1),
    "keepalives_interval": max(_silence // 6, 1),
    "keepalives_count": 3,
    "tcp_user_timeout": _silence * 1000,
}

# Whether the PostgreSQL that `make run` starts is the one in use.
EMBEDDED = not env.str("DATABASE_URL", default="") and not env.str("DATABASE_OWNER_URL", default="")
_embedded = embedded.urls(DATA_DIR) or {} if EMBEDDED else {}


def _database(url: str, engine: str, **options: Any) -> dict[str, Any]:
    config: dict[str, Any] = env.db_url_config(url, engine=engine)
    # What the URL itself says of the network goes first.
    config["OPTIONS"] = {**DATABASE_NETWORK, **config.get("OPTIONS", {}), **options}
    # A pool and connections that stay with their thread exclude each other.
    max_age = 0 if options.get("pool") else None
    return {**config, "CONN_MAX_AGE": max_age, "CONN_HEALTH_CHECKS": True}


def _pool(value: str) -> bool | dict[str, int]:
    """DATABASE_POOL: true, or the most connections that one process may hold."""
    if value.isdecimal() and int(value) > 0:
        return {"min_size": 1, "max_size": int(value)}
    return value.lower() in ("true", "yes", "on")


# Prepared statements on the server: worth 35–85 % (DESIGN.md §1). Off only behind a pooler that
# cannot carry them (PgBouncer before 1.22 in transaction mode).
_bound: dict[str, Any] = (
    {"server_side_binding": True, "prepare_threshold": 0}
    if env.bool("DATABASE_PREPARED_STATEMENTS", default=True)
    else {"server_side_binding": True}
)
_urls = {
    "default": env.str("DATABASE_URL", default="") or _embedded.get("DATABASE_URL", ""),
    "operator": env.str("DATABASE_OPERATOR_URL", default="") or _embedded.get("DATABASE_OPERATOR_URL", ""),
    "owner": env.str("DATABASE_OWNER_URL", default="") or _embedded.get("DATABASE_OWNER_URL", ""),
    "backup": env.str("DATABASE_BACKUP_URL", default="") or _embedded.get("DATABASE_BACKUP_URL", ""),
}
DATABASES: dict[str, dict[str, Any]] = {
    # The web, the API and the worker, as wl_app.
    "default": _database(
        _urls["default"], "wavelength.tenancy", pool=_pool(env.str("DATABASE_POOL", default="false")), **_bound
    )
    | {"ATOMIC_REQUESTS": True, "TEST": {"MIRROR": "owner"}},
}
if _urls["operator"]:
    # The admin and operator commands, as wl_operator.
    DATABASES["operator"] = _database(_urls["operator"], "wavelength.tenancy", **_bound) | {"TEST": {"MIRROR": "owner"}}
if _urls["owner"]:
    # Schema migrations. Neither server-side binding nor prepared statements: migrations send
    # several statements at once.
    DATABASES["owner"] = _database(_urls["owner"], "django.db.backends.postgresql", assume_role="wl_owner") | {
        "TEST": {"DEPENDENCIES": []}
    }
BACKUP_DATABASE: dict[str, Any] | None = env.db_url_config(_urls["backup"]) if _urls["backup"] else None
DATABASE_ROUTERS = ["wavelength.tenancy.routing.RoleRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# ── Applications and middleware ──────────────────────────────────────────────────────────────

INSTALLED_APPS = [
    "wavelength",
    "accounts",
    "usage",
    "apikeys",
    "chats",
    "wavelength.admin.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",  # allauth's list of sessions uses it
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.google",
    "allauth.socialaccount.providers.github",
    "allauth.mfa",
    "allauth.usersessions",
    "corsheaders",
    "csp",
    "django_htmx",
    "template_partials",
    "procrastinate.contrib.django",
    "ninja",
]
MIDDLEWARE = [
    # Outside all else: what it sees, it logs and counts.
    "wavelength.watching.WatchingMiddleware",
    # Before all that refuses, so that a web client on a listed origin can read refusals too.
    "wavelength.middleware.OriginMiddleware",
    "wavelength.middleware.ApiEnvelopeMiddleware",
    "wavelength.middleware.CrossOriginMiddleware",
    "accounts.limiting.ApiLimitMiddleware",
    "wavelength.middleware.ApiMiddleware",
    # Calls of the JSON API are answered by now: what follows is for pages.
    "django.middleware.security.SecurityMiddleware",
    # Outside all that may fail, so that pages of faults have them too.
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "wavelength.middleware.PermissionsPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "accounts.middleware.PersonMiddleware",
    "apikeys.middleware.SpilledKeyMiddleware",
    "accounts.browsers.LastSeenMiddleware",
    "accounts.shell.PersonalPageMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "wavelength.refusals.TooOftenMiddleware",
    "wavelength.refusals.FormsOnlyMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "wavelength.urls"
WSGI_APPLICATION = "wavelength.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
                "accounts.shell.shell",
            ],
        },
    }
]

# ── People ───────────────────────────────────────────────────────────────────────────────────

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
# The address is unique without regard to case, by a constraint on lower(email) that the check cannot see.
# HSTS speaks for this host alone: its subdomains and browsers' preload lists are the operator's to decide.
SILENCED_SYSTEM_CHECKS = ["auth.W004", "security.W005", "security.W021"]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_UNIQUE_EMAIL = True
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_CONFIRM_EMAIL_ON_GET = False
ACCOUNT_LOGIN_ON_EMAIL_CONFIRMATION = True
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
# Beside these allauth has its own for signed-in people. It counts in the cache, with what wavelength/sharing.py shares.
ACCOUNT_RATE_LIMITS = {
    "login": _by_address(RATE_LIMITS["signin"]),
    # Wrong passwords and codes: a third of the tries of an address, and five in five minutes for one account.
    "login_failed": _by_address(
        RATE_LIMITS["signin"] and (max(1, RATE_LIMITS["signin"][0] // 3), RATE_LIMITS["signin"][1]), "5/300s/key"
    ),
    "signup": _by_address(RATE_LIMITS["signup"]),
    "reset_password": _by_address(RATE_LIMITS["reset"], "5/m/key"),
    "reset_password_from_key": _by_address(RATE_LIMITS["reset"]),
    "confirm_email": "1/180s/key",
}
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_DEFAULT_HTTP_PROTOCOL = urlsplit(SITE_URL).scheme or "https"
SOCIALACCOUNT_ADAPTER = "accounts.social.SocialAccountAdapter"
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_AUTO_SIGNUP = True
# An address that a provider vouches for opens the account it belongs to; accounts/social.py has the rules.
SOCIALACCOUNT_EMAIL_AUTHENTICATION = SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = True
SOCIALACCOUNT_PROVIDERS: dict[str, dict[str, Any]] = {
    provider: {"APPS": [{"client_id": client_id, "secret": secret}] if client_id else [], "OAUTH_PKCE_ENABLED": True}
    for provider, client_id, secret in (
        ("google", GOOGLE_CLIENT_ID, GOOGLE_CLIENT_SECRET),
        ("github", GITHUB_CLIENT_ID, GITHUB_CLIENT_SECRET),
    )
}
# Days in which a deactivated account can be had back; then it is erased.
DEACTIVATED_RETENTION_DAYS = env.int("DEACTIVATED_RETENTION_DAYS", default=30)
# Days for which it is kept that a browser without an account was here, and how many messages it sent.
ANONYMOUS_RETENTION_DAYS = env.int("ANONYMOUS_RETENTION_DAYS", default=90)
# Days for which the figures of the whole service are kept that the analytics in the admin show; they tell of nobody.
ANALYTICS_RETENTION_DAYS = env.int("ANALYTICS_RETENTION_DAYS", default=400)
# Days in which an archive of one's data can be downloaded; then it is deleted.
ARCHIVE_RETENTION_DAYS = env.int("ARCHIVE_RETENTION_DAYS", default=7)
# Days for which the trail of an account is kept; the database itself lets nobody prune what is younger than 90.
AUDIT_RETENTION_DAYS = max(90, env.int("AUDIT_RETENTION_DAYS", default=730))
# Days for which a closed reservation can still be settled late or again, at least a week.
RESERVATION_RETENTION_DAYS = max(7, env.int("RESERVATION_RETENTION_DAYS", default=90))
# Days for which it is kept what each day and month of a limit came to; two months and more tell which comes next.
WINDOW_RETENTION_DAYS = max(70, env.int("WINDOW_RETENTION_DAYS", default=400))
# Days for which a repeat under an Idempotency-Key gets the first one's answer. The key itself is kept.
ANSWER_RETENTION_DAYS = max(1, env.int("ANSWER_RETENTION_DAYS", default=90))
# Days for which it is kept what a hand-over brought and what it could not.
HANDOVER_RETENTION_DAYS = max(1, env.int("HANDOVER_RETENTION_DAYS", default=365))
# Days for which a shared link is still listed after it ended.
LINK_RETENTION_DAYS = max(0, env.int("LINK_RETENTION_DAYS", default=30))
# Days for which jobs that are done can be looked at; those that failed stay.
JOB_RETENTION_DAYS = max(0, env.int("JOB_RETENTION_DAYS", default=3))
# Setting up or giving up a way in asks for the password or a second factor once more, unless that was minutes ago.
ACCOUNT_REAUTHENTICATION_REQUIRED = True
MFA_ADAPTER = "accounts.mfa.MFAAdapter"
# Nobody is signed in without a confirmed address, so an unconfirmed one is a change that is under way: whoever has a
# second factor may change their address, too.
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "Wavelength"
MFA_FORMS = {
    "add_webauthn": "accounts.signin_forms.NewPasskeyForm",
    "authenticate_webauthn": "accounts.signin_forms.PasskeyForm",
    "login_webauthn": "accounts.signin_forms.SigninPasskeyForm",
    "reauthenticate_webauthn": "accounts.signin_forms.ConfirmingPasskeyForm",
}
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]

SESSION_ENGINE = "accounts.sessions"
SESSION_COOKIE_AGE = 30 * 24 * 60 * 60  # seconds
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# ── The web ──────────────────────────────────────────────────────────────────────────────────

_https = SITE_URL.startswith("https://")
SESSION_COOKIE_NAME = "__Host-wl-session" if _https else "wl-session"
CSRF_COOKIE_NAME = "__Host-wl-csrf" if _https else "wl-csrf"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _https
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
CSRF_TRUSTED_ORIGINS = TRUSTED_ORIGINS
SECURE_SSL_REDIRECT = _https and not DEBUG
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$"]
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60 if _https and not DEBUG else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = False
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        # Signing in with a provider posts here and is redirected there.
        "form-action": [SELF, "https://accounts.google.com", "https://github.com"],
    }
}
# What a page may ask of a device: nothing, but to copy to the clipboard and to use passkeys.
_features_off = """
    accelerometer autoplay browsing-topics camera clipboard-read display-capture encrypted-media fullscreen
    gamepad geolocation gyroscope hid identity-credentials-get idle-detection keyboard-map local-fonts magnetometer
    microphone midi otp-credentials payment picture-in-picture screen-wake-lock serial storage-access usb
    window-management xr-spatial-tracking
"""
_features_on = "clipboard-write publickey-credentials-create publickey-credentials-get"
PERMISSIONS_POLICY = ", ".join(
    [f"{name}=()" for name in _features_off.split()] + [f"{name}=(self)" for name in _features_on.split()]
)
CORS_ALLOWED_ORIGINS = TRUSTED_ORIGINS
CORS_ALLOW_CREDENTIALS = True
CORS_URLS_REGEX = r"^/api/"
CORS_ALLOW_HEADERS = [
    "accept",
    "authorization",
    "content-type",
    "idempotency-key",
    "x-anonymous-id",
    "x-auth-return-redirect",
    "x-csrf-token",
]
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024  # bytes; the hand-over streams its own body
DEFAULT_EXCEPTION_REPORTER_FILTER = "wavelength.reporting.AlwaysFiltered"

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
# After `manage.py collectstatic`, files are served compressed, under names that may be cached for ever.
_collected = not DEBUG and (STATIC_ROOT / "staticfiles.json").exists()
STATICFILES_DIRS = [BASE_DIR / "static"]
MEDIA_URL = "/media/"
MEDIA_ROOT = DATA_DIR / "media"
STORAGES: dict[str, Any] = {
    "default": {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": S3_BUCKET,
            "endpoint_url": S3_ENDPOINT_URL or None,
            # What is read from there waits in memory up to this, and in a temporary file beyond.
            "max_memory_size": 8 * 1024 * 1024,
        },
    }
    if S3_BUCKET
    else {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if _collected
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = not _collected
WHITENOISE_AUTOREFRESH = DEBUG

# What the portal speaks: the profile's language decides, then the browser's. The JSON API speaks English.
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("es", "Español")]
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = "wavelength.formats"
TIME_ZONE = "UTC"
USE_I18N = USE_TZ = True

# ── Mail, cache, jobs, logs ──────────────────────────────────────────────────────────────────

# Without EMAIL_URL mails are printed where the server runs: enough to click a link, loses nothing.
vars().update(env.email_url_config(EMAIL_URL or "consolemail://"))
EMAIL_TIMEOUT = 15  # seconds; without one, a server that says nothing would hold the worker for ever
CACHES = {
    "default": {"BACKEND": "wavelength.sharing.SharedCache"},
    # What each process may know for itself.
    "process": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
}
PROCRASTINATE_DATABASE_ALIAS = "default"
PROCRASTINATE_ON_APP_READY = "wavelength.jobs.prepare"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {"()": "wavelength.logs.JsonFormatter"},
        "request": {"()": "wavelength.logs.RequestFormatter"},
        "line": {"()": "wavelength.logs.LineFormatter", "format": "%(asctime)s %(levelname)s %(name)s %(message)s"},
    },
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "line" if DEBUG else "json"},
        "requests": {"class": "wavelength.logs.LaterHandler", "formatter": "line" if DEBUG else "request"},
    },
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django.server": {"handlers": [], "level": "WARNING", "propagate": True},
        "wavelength.requests": {"handlers": ["requests"], "propagate": False},
        "procrastinate": {"level": "WARNING"},
        # A line for each try to reach a server that is gone; whoever needs the connection says so too.
        "psycopg.pool": {"level": "ERROR"},
    },
}
