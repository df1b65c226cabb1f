"""What Sentry is told where SENTRY_DSN is set: what the log calls an error, in fewer parts and through its filter."""

import logging
import re
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured

from wavelength.caller import current_caller
from wavelength.logs import HIDDEN, scrubbed
from wavelength.watching import route_of

# All that is sent of an event. What the SDK knows beside, in this version or a later one, is left out: the request,
# the person, breadcrumbs, arguments, the process's command line.
TOLD: Final = (
    "event_id", "timestamp", "platform", "level", "logger", "logentry", "exception", "release", "environment",
    "server_name", "sdk",
)  # fmt: skip
# What the log may hold and a message to others need not: people's addresses, what pages were asked for, and what
# PostgreSQL quotes of statements and rows.
_PERSONAL: Final = re.compile(
    r"""
      [^\s@"'<>()\[\]{},;:=]+@[^\s@"'<>()\[\]{},;:=]+\.\w+
    | (?<=\?)[^\s"'?]*=[^\s"']*
    | (?<=:\ )".*"
    | (?<=\n)(?:LINE\ \d+|DETAIL|CONTEXT|QUERY):(?s:.*)
    """,
    re.VERBOSE,
)


def report_errors(dsn: str) -> None:
    """Send errors to Sentry, from a thread beside, so that nobody waits for it.

    What is logged as an error is reported, and what ends the process. Nothing is noted of requests and queries, so that
    these cost what they did. Raises ImproperlyConfigured without its package.
    """
    try:
        import sentry_sdk
        from sentry_sdk.integrations.atexit import AtexitIntegration
        from sentry_sdk.integrations.dedupe import DedupeIntegration
        from sentry_sdk.integrations.excepthook import ExcepthookIntegration
        from sentry_sdk.integrations.logging import LoggingIntegration, ignore_logger
    except ImportError as error:
        raise ImproperlyConfigured("SENTRY_DSN is set: install requirements-extras.txt, or leave it empty.") from error

    # Anybody who sends a strange request makes these: no fault of ours.
    ignore_logger("django.security.*")
    sentry_sdk.init(
        dsn,
        before_send=told,
        # Nothing makes these, and nothing of them would be sent.
        before_breadcrumb=_nothing,
        before_send_transaction=_nothing,
        before_send_log=_nothing,
        before_send_metric=_nothing,
        max_breadcrumbs=0,
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[
            LoggingIntegration(level=None, event_level=logging.ERROR, sentry_logs_level=None),
            ExcepthookIntegration(),
            DedupeIntegration(),
            AtexitIntegration(callback=_nothing),
        ],
        include_local_variables=False,
        max_request_body_size="never",
        auto_session_tracking=False,
        send_client_reports=False,
        enable_backpressure_handling=False,
        propagate_traces=False,
        spotlight=False,
        debug=False,
        shutdown_timeout=2,  # seconds that the end of a process waits for what is not sent yet
    )


def told(event: Any, hint: dict[str, Any]) -> Any:
    """For Sentry's `before_send`: the parts in `TOLD`, every text filtered, and what request or job it was.

    None, which is nothing sent, for a status that was answered on purpose, such as 503 of `/readyz`.
    """
    if event.get("logger") == "django.request" and "exception" not in event:
        return None
    kept = {part: event[part] for part in TOLD if part in event}
    if "logentry" in kept:
        kept["logentry"] = {name: _impersonal(kept["logentry"].get(name)) for name in ("message", "formatted")}
    for exception in kept.get("exception", {}).get("values", []):
        exception["value"] = _impersonal(exception.get("value"))
        for frame in (exception.get("stacktrace") or {}).get("frames", []):
            frame.pop("vars", None)
    return _filtered(kept | _whereabouts(hint))


def _whereabouts(hint: dict[str, Any]) -> dict[str, Any]:
    caller = current_caller()
    if caller is not None:
        route = route_of(caller.request)
        return {
            "transaction": route,
            "tags": {"request": caller.request_id, "method": caller.request.method, "route": route},
        }
    job = getattr(hint.get("log_record"), "job", None)
    if isinstance(job, dict):
        return {"transaction": job.get("task_name"), "tags": {"job": job.get("id"), "task": job.get("task_name")}}
    return {}


def _impersonal(text: str | None) -> str:
    return _PERSONAL.sub(HIDDEN, text or "")


def _filtered(value: Any) -> Any:
    if isinstance(value, str):
        return scrubbed(value)
    if isinstance(value, dict):
        return {name: _filtered(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_filtered(inner) for inner in value]
    return value


def _nothing(*_: Any) -> None:
    return None
