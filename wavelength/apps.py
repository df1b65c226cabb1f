from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


class WavelengthConfig(AppConfig):
    name = "wavelength"

    def ready(self) -> None:
        from wavelength import jobs_admin, startup  # noqa: F401  (register a page and checks)

        if settings.SENTRY_DSN:
            report_errors(settings.SENTRY_DSN)


def report_errors(dsn: str) -> None:
    """Send errors to Sentry, through the same filter as the log. Raises ImproperlyConfigured without its package."""
    try:
        import sentry_sdk
    except ImportError as error:
        raise ImproperlyConfigured("SENTRY_DSN is set: install requirements-extras.txt, or leave it empty.") from error
    from wavelength.logs import scrubbed_event

    sentry_sdk.init(
        dsn,
        before_send=scrubbed_event,
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
    )
