"""What stands in an archive: every row of a person as it is stored, and what the apps add in forms one can read."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO, Any, Final
from uuid import UUID
from zipfile import ZIP_DEFLATED, ZipFile

import orjson
from django.apps import apps
from django.core.files.storage import default_storage
from django.db.models import BinaryField, Model

from accounts.models import Actor, AuditEvent, Profile
from wavelength.tenancy import tenant
from wavelength.tenancy.models import TenantModel

PAGE: Final = 1000
Part = Callable[[UUID], Iterator[tuple[str, Iterable[bytes]]]]
# What the apps above this one add: files by name, each in pieces.
PARTS: Final[list[Part]] = []
# Tables without a policy that belong to people, and the column that says to whom.
PACKAGES: Final[Mapping[str, str]] = {
    "accounts_user": "id",
    "accounts_anonymoussession": "claimed_by_id",
    "account_emailaddress": "user_id",
    "socialaccount_socialaccount": "user_id",
    "mfa_authenticator": "user_id",
    "usersessions_usersession": "user_id",
}
LEFT_OUT: Final[Mapping[str, str]] = {
    "accounts_datakey": "Opens what is sealed; whoever has the archive must not.",
    "accounts_session": "Its key would sign in; the browsers stand in usersessions_usersession.",
    "chats_message": "In chats/chats.json, chats/deleted.json and chats/*.md.",
    "chats_searchentry": "An index made from the messages.",
    "usage_closedday": "Sums of usage.csv, kept for speed.",
    "django_admin_log": "What administrators did in the admin, which is the operator's.",
}
# What signs in or opens something; binary columns (envelopes, fingerprints, hashes) are left out everywhere.
SECRET: Final = frozenset({
    ("accounts_user", "password"), ("mfa_authenticator", "data"), ("usersessions_usersession", "session_key"),
    ("accounts_dataarchive", "file"),
})  # fmt: skip


def write_archive(file: IO[bytes], user_id: UUID, say: Callable[[], None]) -> None:
    """Write the person's archive as a ZIP, a page at a time; ``say`` is called in between, and may raise to end it."""
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        for part in (*PARTS, _picture, _rows):
            for name, pieces in part(user_id):
                with archive.open(name, "w", force_zip64=True) as member:
                    for piece in pieces:
                        member.write(piece)
                        say()


def models_of_people() -> Iterator[tuple[type[Model], str]]:
    """Each model of which rows belong to people and stand in archives as they are stored, and its column for whom."""
    for model in apps.get_models():
        table = model._meta.db_table
        if table in LEFT_OUT:
            continue
        if issubclass(model, TenantModel):
            yield model, "user_id"
        elif table in PACKAGES:
            yield model, PACKAGES[table]


def _rows(user_id: UUID) -> Iterator[tuple[str, Iterable[bytes]]]:
    for model, column in models_of_people():
        yield f"data/{model._meta.db_table}.jsonl", _lines(model, column, user_id)


def _lines(model: type[Model], column: str, user_id: UUID) -> Iterator[bytes]:
    table = model._meta.db_table
    fields = [
        field.attname
        for field in model._meta.concrete_fields
        if not isinstance(field, BinaryField) and (table, field.column) not in SECRET
    ]
    after: dict[str, Any] = {}
    while True:
        with tenant(user_id):
            rows = model._default_manager.filter(**{column: user_id}, **after).order_by("pk")
            page = list(rows.values("pk", *fields)[:PAGE])
        if model is AuditEvent:
            page = [_without_operators(row) for row in page]
        yield b"".join(_line(row, fields) for row in page)
        if len(page) < PAGE:
            return
        after = {"pk__gt": page[-1]["pk"]}


def _without_operators(event: dict[str, Any]) -> dict[str, Any]:
    """An event of the trail as its owner may have it: from where an administrator acted is nothing of theirs."""
    if event["actor"] != Actor.OPERATOR:
        return event
    details = {name: value for name, value in event["details"].items() if name != "mark"}
    return {**event, "details": details, "address": None, "device": None, "request_id": None}


def _line(row: dict[str, Any], fields: Iterable[str]) -> bytes:
    return orjson.dumps({name: row[name] for name in fields}, default=str, option=orjson.OPT_APPEND_NEWLINE)


def _picture(user_id: UUID) -> Iterator[tuple[str, Iterable[bytes]]]:
    with tenant(user_id):
        name = Profile.objects.values_list("avatar", flat=True).get(user_id=user_id)
    if name and default_storage.exists(name):
        with default_storage.open(name) as file:
            yield "picture.webp", file.chunks()
