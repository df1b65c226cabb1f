"""The calls that change a person's own profile and account; GET /api/profile is in wavelength/api.py."""

from typing import Annotated, Any, Literal, cast
from uuid import UUID

from django.contrib.auth import logout
from django.core.exceptions import TooManyFieldsSent, TooManyFilesSent
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from ninja import Router
from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from accounts.avatars import AvatarError, remove_avatar, set_avatar
from accounts.confirming import require_confirmed
from accounts.deactivation import deactivate, send_reactivation_link
from accounts.models import Profile, Theme
from accounts.profile import (
    BIO_LENGTH,
    NAME_LENGTH,
    PreferencesTooLargeError,
    ProfileChanges,
    change_profile,
    language_tag,
    time_zone,
)
from wavelength.addresses import absolute
from wavelength.contract import Answer, ApiError, Moment, Request, Shape, reply
from wavelength.tenancy import tenant

router = Router(tags=["Profile"], by_alias=True)


def _cleared(value: object) -> object:
    return None if value == "" else value


def _text(max_length: int) -> Any:
    return Annotated[str, StringConstraints(strip_whitespace=True, max_length=max_length)] | None


class ProfileOut(Shape):
    id: UUID
    user_id: UUID
    display_name: str | None
    avatar_url: str | None
    bio: str | None
    timezone: str | None
    language: str | None
    theme: Theme
    preferences: dict[str, Any]
    features: dict[str, Any]
    created_at: Moment
    updated_at: Moment


class ChangedProfile(Shape):
    display_name: _text(NAME_LENGTH) = None  # type: ignore[valid-type]  # a type made by a function
    bio: _text(BIO_LENGTH) = None  # type: ignore[valid-type]  # a type made by a function
    timezone: Annotated[str, AfterValidator(time_zone), Field(examples=["Europe/Berlin"])] | None = None
    language: Annotated[str, AfterValidator(language_tag), Field(examples=["pt-BR"])] | None = None
    theme: Annotated[Literal["light", "dark", "auto"] | None, BeforeValidator(_cleared)] = None
    preferences: Annotated[dict[str, Any] | None, BeforeValidator(_cleared)] = None


@router.put("/profile", response=Answer[ProfileOut])
def put_profile(request: Request, body: ChangedProfile) -> HttpResponse:
    """Change what is given; `preferences` (16 KiB in all) are merged key by key, null or empty clears a field."""
    try:
        profile = change_profile(user_id=request.user.pk, **_changes(body))
    except PreferencesTooLargeError as error:
        raise _invalid("preferences", str(error)) from None
    return reply(shown(request, profile))


@router.put(
    "/profile/avatar",
    response=Answer[ProfileOut],
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["avatar"],
                        "properties": {"avatar": {"type": "string", "format": "binary"}},
                    }
                }
            },
        }
    },
)
def put_avatar(request: Request) -> HttpResponse:
    """Take a JPEG, PNG or WebP up to 5 MB; it is cut to a square of 512 pixels, without its metadata."""
    upload = _uploaded(request)
    try:
        profile = set_avatar(user_id=request.user.pk, file=upload, size=upload.size or 0)
    except AvatarError as error:
        raise _invalid("avatar", str(error)) from None
    return reply(shown(request, profile))


@router.delete("/profile/avatar", response=Answer[ProfileOut])
def delete_avatar(request: Request) -> HttpResponse:
    """Remove the picture."""
    return reply(shown(request, remove_avatar(user_id=request.user.pk)))


@router.delete("/profile", response=Answer[None], openapi_extra={"security": [{"session": []}]})
def delete_profile(request: Request) -> HttpResponse:
    """Deactivate the account, end every session and take back every token; a link by mail undoes it until the account
    is erased. Only after signing in, or confirming who one is, in the last minutes."""
    require_confirmed(request, page="accounts:deactivation")
    with tenant(request.user.pk):
        user = deactivate(user_id=request.user.pk)
        send_reactivation_link(request, user)
        logout(request)
    return reply(None, message="Your account is deactivated. We have mailed you a link that brings it back.")


def shown(request: HttpRequest, profile: Profile) -> ProfileOut:
    """A profile as the API shows it: what is not set is null, the picture's address absolute."""
    return ProfileOut(
        id=profile.pk,
        user_id=profile.user_id,
        display_name=profile.display_name or None,
        avatar_url=absolute(request, profile.avatar_address) if profile.avatar else None,
        bio=profile.bio or None,
        timezone=profile.timezone or None,
        language=profile.language or None,
        theme=Theme(profile.theme),
        preferences=profile.preferences,
        features=profile.features,
        created_at=profile.created_at,
        updated_at=profile.updated_at,
    )


def _changes(body: ChangedProfile) -> ProfileChanges:
    changes: dict[str, Any] = {name: getattr(body, name) for name in body.model_fields_set}
    empty = {"preferences": None, "theme": Theme.AUTO}
    for name, value in changes.items():
        if value is None:
            changes[name] = empty.get(name, "")
    return cast("ProfileChanges", changes)


def _uploaded(request: HttpRequest) -> UploadedFile[bytes]:
    try:
        # Django reads forms only of POST by itself.
        _, files = request.parse_file_upload(request.META, request)
    except (MultiPartParserError, TooManyFieldsSent, TooManyFilesSent):
        raise ApiError(400, "malformed_form", "The body is not a form with a file.") from None
    upload = files.get("avatar")
    if upload is None:
        raise _invalid("avatar", "This field is required.")
    return upload


def _invalid(field: str, sentence: str) -> ApiError:
    return ApiError(400, "invalid_request", f"{field}: {sentence}", details=[{"path": [field], "message": sentence}])
