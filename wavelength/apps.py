from django.apps import AppConfig
from django.conf import settings


class WavelengthConfig(AppConfig):
    name = "wavelength"

    def ready(self) -> None:
        from wavelength import jobs_admin, startup  # noqa: F401  (register a page and checks)

        if settings.SENTRY_DSN:
            from wavelength.sentry import report_errors

            report_errors(settings.SENTRY_DSN)
