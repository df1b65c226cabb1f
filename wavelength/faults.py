"""How the JSON API reads bodies, and how it tells what is wrong with them."""

import logging
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import orjson
from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.parser import Parser

from wavelength.contract import ApiError, Failure, failure
from wavelength.limits import TooOftenError
from wavelength.middleware import SENTENCES
from wavelength.refusals import WHILE_DOWN, is_database_away, too_many_requests

logger = logging.getLogger(__name__)

# Statuses with which any operation may refuse; those of some operations alone stand at these.
ANYWHERE: Final = (400, 401, 403, 413, 415, 429, 500, 503)

MAX_DEPTH = 64  # levels of nesting in a body; the contract's own shapes need seven


class StrictParser(Parser):
    """orjson (no NaN, no lone surrogate), without NUL and with a bounded depth."""

    def parse_body(self, request: HttpRequest) -> Any:
        body = orjson.loads(request.body)
        if not isinstance(body, dict):
            raise TypeError("every body of the contract is an object")
        _refuse_unstorable(body, MAX_DEPTH)
        return body


def tell_faults(api: NinjaAPI) -> None:
    """Answer every exception of an operation with the failure envelope."""
    told: dict[type[Exception], Callable[..., HttpResponse]] = {
        ApiError: _told,
        TooOftenError: _too_often,
        Http404: _not_found,
        RequestDataTooBig: _too_big,
        HttpError: _http_error,
        ValidationError: _invalid,
        Exception: _unexpected,
    }
    for kind, tell in told.items():
        api.add_exception_handler(kind, tell)


def declare_faults(document: dict[str, Any]) -> None:
    """Write into an OpenAPI document that every operation may answer with the failure envelope."""
    envelope = Failure.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas = document["components"]["schemas"]
    for name, shape in {**envelope.pop("$defs"), "Failure": envelope}.items():
        schemas.setdefault(name, shape)
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Failure"}}}
    for methods in document["paths"].values():
        for operation in methods.values():
            for status in ANYWHERE:
                told = {"description": HTTPStatus(status).phrase, "content": content}
                operation["responses"].setdefault(status, told)


def _refuse_unstorable(value: object, depth: int) -> None:
    if depth == 0:
        raise ValueError("nested too deeply")
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("NUL cannot be stored")
    elif isinstance(value, dict):
        for key, inner in value.items():
            _refuse_unstorable(key, depth)
            _refuse_unstorable(inner, depth - 1)
    elif isinstance(value, list):
        for inner in value:
            _refuse_unstorable(inner, depth - 1)


def _told(request: HttpRequest, exc: ApiError) -> HttpResponse:
    return failure(
        exc.status, exc.code, exc.error, details=exc.details, data=exc.data, url=exc.url, headers=exc.headers
    )


def _too_often(request: HttpRequest, exc: TooOftenError) -> HttpResponse:
    return too_many_requests(request, exc.seconds)


def _not_found(request: HttpRequest, exc: Http404) -> HttpResponse:
    return failure(404, "not_found", "There is nothing here.")


def _too_big(request: HttpRequest, exc: RequestDataTooBig) -> HttpResponse:
    return failure(413, "body_too_large", "The request is too large. Send less at once.")


def _http_error(request: HttpRequest, exc: HttpError) -> HttpResponse:
    if exc.status_code == 401:
        return failure(401, "not_signed_in", "Sign in first.")
    if exc.status_code == 400:
        # The one HttpError(400) that ninja raises itself: its parser could not read the body.
        return failure(
            400, "malformed_json", "The body must be a JSON object, without NaN, NUL characters and broken text."
        )
    return failure(exc.status_code, f"http_{exc.status_code}", "The request could not be served.")


def _invalid(request: HttpRequest, exc: ValidationError) -> HttpResponse:
    details = [{"path": _path(error["loc"]), "message": sentence_of(error)} for error in exc.errors]
    first = details[0]
    named = ".".join(str(part) for part in first["path"])
    sentence = f"{named}: {first['message']}" if named else str(first["message"])
    return failure(400, "invalid_request", sentence, details=details)


def _unexpected(request: HttpRequest, exc: Exception) -> HttpResponse:
    logger.error("%s %s failed", request.method, request.path, exc_info=exc)
    if is_database_away(exc):
        return failure(503, *SENTENCES[503], headers={"Retry-After": str(WHILE_DOWN)})
    return failure(500, *SENTENCES[500])


# pydantic's error types, in a person's words.
_SENTENCES = {
    "missing": "This field is required.",
    "string_type": "This must be text.",
    "string_too_long": "This is too long: at most {max_length} characters.",
    "string_too_short": "This is too short: at least {min_length} characters.",
    "int_type": "This must be a whole number.",
    "int_parsing": "This must be a whole number.",
    "int_from_float": "This must be a whole number.",
    "bool_type": "This must be true or false.",
    "bool_parsing": "This must be true or false.",
    "dict_type": "This must be an object.",
    "list_type": "This must be a list.",
    "model_attributes_type": "This must be an object.",
    "model_type": "This must be an object.",
    "greater_than": "This must be more than {gt}.",
    "greater_than_equal": "This must be at least {ge}.",
    "less_than_equal": "This must be at most {le}.",
    "less_than": "This must be less than {lt}.",
    "finite_number": "This must be a finite number.",
    "uuid_parsing": "This is not an id.",
    "uuid_type": "This is not an id.",
    "enum": "This must be one of {expected}.",
    "literal_error": "This must be one of {expected}.",
    "string_pattern_mismatch": "This holds a character that cannot be stored.",
    "dict_attributes_type": "This must be an object.",
    "too_long": "At most {max_length} entries.",
}


def sentence_of(error: Mapping[str, Any]) -> str:
    """One of pydantic's errors in a person's words."""
    if error["type"] == "value_error":
        # A validator of ours spoke: its ValueError holds a sentence.
        return str(error["ctx"]["error"])
    sentence = _SENTENCES.get(error["type"])
    return sentence.format(**error.get("ctx", {})) if sentence else "This value is not allowed."


def _path(location: Sequence[str | int]) -> list[str | int]:
    # ("body", parameter's name, field, …) and ("query", field): the caller knows only the field.
    inner = list(location[1:])
    return inner[1:] if location[0] == "body" else inner
