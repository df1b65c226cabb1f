"""One row of every model that belongs to a person, for tests that go over all of them.

A new tenant model needs a maker here; the isolation tests fail without.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import uuid4

from accounts.models import (
    ApiToken,
    AuditEvent,
    DataArchive,
    DataKey,
    ErasureRequest,
    Presence,
    Profile,
    User,
    Way,
)
from apikeys.models import ApiKey, DeletedKey, FlagReason, KeyFlag
from chats.models import Chat, Handover, Message, SearchEntry, SharedLink, Source
from usage.models import (
    AdviceDismissal,
    AdviceKind,
    ClosedDay,
    IdempotentRequest,
    Period,
    QuotaLimit,
    QuotaNotice,
    QuotaWindow,
    Reservation,
    UsageRecord,
)
from usage.models import Source as UsageSource
from wavelength.tenancy import tenant
from wavelength.tenancy.models import TenantModel

M = TypeVar("M", bound=TenantModel)
MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def unsaved(model: type[M], person: User) -> M:
    """A new row of this person's, not yet stored; what it hangs on is stored."""
    if model not in MAKERS:
        raise LookupError(f"tests/rows.py has no maker for {model.__name__}")
    row: M = MAKERS[model](person)
    return row


def stored(model: type[M], person: User) -> M:
    """A row of this person's in the database; the one that came with the account, where there is only one."""
    with tenant(person.pk):
        row = model._default_manager.filter(user=person).first()
        if row is None:
            row = unsaved(model, person)
            row.save(force_insert=True)
        return row


def _chat(person: User) -> Chat:
    name = uuid4().hex
    return Chat(
        user=person,
        client_id=name,
        shown_id=name,
        client_created_at=MOMENT,
        updated_at=MOMENT,
        title=f"{person.name}'s chat",
    )


def _message(person: User) -> Message:
    return Message(
        user=person,
        chat=stored(Chat, person),
        position=0,
        client_id=uuid4().hex,
        role="user",
        content=f"{person.name}'s words",
        sent_at=MOMENT,
    )


def _search_entry(person: User) -> SearchEntry:
    message = _message(person)
    with tenant(person.pk):
        message.save(force_insert=True)
    return SearchEntry(id=message.pk, user=person, chat=message.chat, words="'word':1")


def _shared_link(person: User) -> SharedLink:
    return SharedLink(
        user=person,
        chat=stored(Chat, person),
        token_hash=uuid4().bytes * 2,
        ending="abcd",
        expires_at=MOMENT + timedelta(days=30),
    )


def _handover(person: User) -> Handover:
    return Handover(user=person, source=Source.MIGRATION, payload_bytes=1, received_chats=1, received_messages=1)


def _api_key(person: User) -> ApiKey:
    return ApiKey(
        user=person, provider="openai", key_name=uuid4().hex, envelope=b"sealed", fingerprint=uuid4().bytes, hint="1234"
    )


def _usage_record(person: User) -> UsageRecord:
    return UsageRecord(
        user=person,
        provider="openai",
        model=uuid4().hex,
        hour=MOMENT,
        source=UsageSource.CLIENT,
        request_count=1,
        input_tokens=1,
        output_tokens=1,
        reasoning_tokens=0,
    )


def _quota_limit(person: User) -> QuotaLimit:
    return QuotaLimit(user=person, period=Period.DAILY, provider=uuid4().hex)


def _stored_limit(person: User) -> QuotaLimit:
    limit = _quota_limit(person)
    with tenant(person.pk):
        limit.save(force_insert=True)
    return limit


def _quota_window(person: User) -> QuotaWindow:
    return QuotaWindow(
        user=person,
        limit=stored(QuotaLimit, person),
        starts_at=MOMENT + timedelta(seconds=uuid4().int % 10**6),
        ends_at=MOMENT + timedelta(days=30),
    )


def _reservation(person: User) -> Reservation:
    return Reservation(
        user=person,
        provider="openai",
        model="gpt-4o",
        tokens=1,
        cost=0,
        created_at=MOMENT,
        expires_at=MOMENT + timedelta(minutes=10),
        windows=[],
    )


MAKERS: dict[type[TenantModel], Callable[[User], Any]] = {
    Profile: lambda person: Profile(user=person, display_name=person.name),
    DataKey: lambda person: DataKey(user=person, wrapped=b"wrapped", ring_key_id="ring"),
    AuditEvent: lambda person: AuditEvent(user=person, kind="test.happened", details={}),
    ErasureRequest: lambda person: ErasureRequest(
        user=person, way=Way.ASKED, happens_at=datetime.now(UTC) + timedelta(days=30)
    ),
    DataArchive: lambda person: DataArchive(user=person),
    Presence: lambda person: Presence(user=person, day=MOMENT.date()),
    ApiToken: lambda person: ApiToken(user=person, name=uuid4().hex, token_hash=uuid4().bytes * 2, hint="abcd"),
    ApiKey: _api_key,
    KeyFlag: lambda person: KeyFlag(user=person, key=stored(ApiKey, person), reason=FlagReason.EXPOSED),
    DeletedKey: lambda person: DeletedKey(user=person, fingerprint=uuid4().bytes),
    Chat: _chat,
    Message: _message,
    SearchEntry: _search_entry,
    SharedLink: _shared_link,
    Handover: _handover,
    UsageRecord: _usage_record,
    QuotaLimit: _quota_limit,
    QuotaWindow: _quota_window,
    QuotaNotice: lambda person: QuotaNotice(user=person, limit=_stored_limit(person), ends_at=MOMENT, level=80),
    Reservation: _reservation,
    ClosedDay: lambda person: ClosedDay(
        user=person,
        day=MOMENT.date(),
        zone="UTC",
        provider="openai",
        model=uuid4().hex,
        source=UsageSource.CLIENT,
        request_count=1,
        unpriced_requests=0,
        input_tokens=1,
        output_tokens=1,
        reasoning_tokens=0,
        cached_tokens=0,
    ),
    AdviceDismissal: lambda person: AdviceDismissal(
        user=person, kind=AdviceKind.DAY, subject=uuid4().hex, until=MOMENT + timedelta(days=30)
    ),
    IdempotentRequest: lambda person: IdempotentRequest(user=person, scope="request", key=uuid4().hex),
}
