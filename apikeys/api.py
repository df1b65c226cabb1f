"""The calls under /api/profile/api-keys."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal, cast
from uuid import UUID

from django.http import HttpResponse
from ninja import Router
from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema

from apikeys import validation, vault
from apikeys.models import LIMIT_MAX, ApiKey
from apikeys.providers import KeyRefusedError
from apikeys.vault import KeyChanges
from wavelength.contract import Answer, ApiError, Failure, Moment, Request, Shape, reply
from wavelength.envelope import Secret
from wavelength.limits import spend

router = Router(tags=["Provider keys"], by_alias=True)

ProviderName = Literal["openrouter", "openai", "anthropic", "google", "xai"]


def _pasted(value: object) -> Secret:
    if not isinstance(value, str):
        raise ValueError("This must be text.")  # noqa: TRY004  (pydantic wants a ValueError)
    return Secret(value)


def _cleared(value: object) -> object:
    return None if value == "" else value


# From here on the key is a Secret: it shows in no error, log or page.
PastedKey = Annotated[Secret, PlainValidator(_pasted), WithJsonSchema({"type": "string", "minLength": 8})]
Name = Annotated[str | None, Field(max_length=200)]
Address = Annotated[str | None, Field(max_length=2000)]
Limit = Annotated[Annotated[int, Field(strict=True, gt=0, le=LIMIT_MAX)] | None, BeforeValidator(_cleared)]


class KeyOut(Shape):
    id: UUID
    provider: str
    key_name: str
    hint: str | None
    base_url: str | None
    is_active: bool
    daily_limit: int | None
    monthly_limit: int | None
    used_today: int
    used_this_month: int
    last_used: Moment | None
    last_validated: Moment | None
    is_valid: bool | None
    validation_error: str | None
    created_at: Moment
    updated_at: Moment


class NewKey(Shape):
    provider: ProviderName
    api_key: PastedKey
    key_name: Name = None
    base_url: Address = None
    daily_limit: Limit = None
    monthly_limit: Limit = None


class ChangedKey(Shape):
    key_name: Name = None
    api_key: PastedKey | None = None
    base_url: Address = None
    daily_limit: Limit = None
    monthly_limit: Limit = None
    is_active: Annotated[bool | None, Field(strict=True)] = None


@router.get("/profile/api-keys", response=Answer[list[KeyOut]])
def list_keys(request: Request) -> HttpResponse:
    """The person's keys, newest first. No call returns a secret."""
    return reply([shown(key) for key in vault.keys_of(request.user.pk, with_flags=False)])


@router.post("/profile/api-keys", response={200: Answer[KeyOut], 409: Failure})
def add_key(request: Request, body: NewKey) -> HttpResponse:
    """Seal and store a key."""
    spend("key_writes", request.user.pk)
    with _refusals():
        key = vault.store_key(
            user_id=request.user.pk,
            provider=body.provider,
            secret=body.api_key,
            key_name=body.key_name,
            base_url=body.base_url,
            daily_limit=body.daily_limit,
            monthly_limit=body.monthly_limit,
        )
    return reply(shown(key))


@router.put("/profile/api-keys/{uuid:key_id}", response={200: Answer[KeyOut], 404: Failure, 409: Failure})
def change_key(request: Request, key_id: UUID, body: ChangedKey) -> HttpResponse:
    """Change what is given of a key; a new `apiKey` replaces its secret."""
    spend("key_writes", request.user.pk)
    with _refusals():
        key = vault.change_key(user_id=request.user.pk, key_id=key_id, **_changes(body))
    return reply(shown(key))


@router.delete("/profile/api-keys/{uuid:key_id}", response={200: Answer[None], 404: Failure})
def delete_key(request: Request, key_id: UUID) -> HttpResponse:
    """Delete a key for good."""
    spend("key_writes", request.user.pk)
    with _refusals():
        vault.delete_key(user_id=request.user.pk, key_id=key_id)
    return reply(None, message="The key was deleted.")


@router.post("/profile/api-keys/{uuid:key_id}/validation", response={200: Answer[KeyOut], 404: Failure})
def validate_key(request: Request, key_id: UUID) -> HttpResponse:
    """Ask the provider whether the key works, and keep what it says."""
    spend("validation", request.user.pk)
    spend("key_validation", f"{request.user.pk} {key_id}")
    with _refusals():
        key = validation.validate_key(user_id=request.user.pk, key_id=key_id)
    return reply(shown(key))


def shown(key: ApiKey) -> KeyOut:
    """A key as the API shows it, without its secret."""
    out = KeyOut.model_validate(key)
    out.base_url = key.base_url or None
    return out


def _changes(body: ChangedKey) -> KeyChanges:
    changes: dict[str, Any] = {name: getattr(body, name) for name in body.model_fields_set}
    # Null or empty clears what is optional; a key always has a secret and a state.
    for name in ("api_key", "is_active"):
        if changes.get(name, ...) is None:
            del changes[name]
    if "api_key" in changes:
        changes["secret"] = changes.pop("api_key")
    return cast("KeyChanges", changes)


_FIELDS = {"secret": "apiKey", "key_name": "keyName", "base_url": "baseUrl", "provider": "provider"}


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except KeyRefusedError as refused:
        status = 409 if refused.code == "key_exists" else 400
        details = [{"path": [_FIELDS[refused.field]], "message": str(refused)}]
        raise ApiError(status, refused.code, str(refused), details=details) from None
    except ApiKey.DoesNotExist:
        raise ApiError(404, "not_found", "There is nothing here.") from None
