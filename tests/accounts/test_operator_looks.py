"""An administrator's look at a person is an event of that person's."""

import json
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID
from zipfile import ZipFile

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.core.management import call_command
from django.db import ProgrammingError, connections, transaction
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import audit, looks, pruning
from accounts.activity import SENTENCES
from accounts.archiving import write_archive
from accounts.models import Actor, AnonymousSession, AuditEvent, DataKey, User
from apikeys.models import ApiKey
from chats.models import Handover
from tests.chats.payloads import chat, payload
from tests.conftest import administering, signed_in
from tests.rows import stored
from usage.models import QuotaLimit, Reservation, UsageRecord
from wavelength.admin import registered_models
from wavelength.tenancy import tenant
from wavelength.tenancy.models import TenantModel

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SENTENCE = "An administrator looked at your account"


def _of_packages(model: type[Model]) -> Callable[[User], Any]:
    makers: dict[type[Model], Callable[[User], Any]] = {
        User: lambda person: person,
        AnonymousSession: lambda person: AnonymousSession.objects.create(anonymous_id=person.name, claimed_by=person),
        EmailAddress: lambda person: EmailAddress.objects.get(user=person),
        SocialAccount: lambda person: SocialAccount.objects.create(user=person, provider="google", uid=person.name),
    }
    return makers[model]


def person_s(model: type[Any], person: User) -> Any:
    """Something of this person's."""
    return stored(model, person) if issubclass(model, TenantModel) else _of_packages(model)(person)


def address(model: type[Model], *parts: Any) -> str:
    return "/".join(["/admin", model._meta.app_label, str(model._meta.model_name), *map(str, parts), ""])


def looks_at(person: User) -> list[AuditEvent]:
    with tenant(person.pk):
        return list(AuditEvent.objects.filter(kind=looks.KIND).order_by("at", "id"))


# Every page of the admin whose rows lead to a person: a new one is here by itself, and fails until it has a maker.
OF_PEOPLE = sorted(
    (
        model
        for model in registered_models(admin.site)
        if model is User or any(field.related_model is User for field in model._meta.concrete_fields)
    ),
    key=lambda model: model._meta.label,
)


def test_it_works(as_olga: Client, olga: User, alice: User, bob: User) -> None:
    page = as_olga.get(address(User, alice.pk, "change"), HTTP_USER_AGENT=FIREFOX, REMOTE_ADDR="192.0.2.7")
    [event] = looks_at(alice)

    assert page.status_code == 200
    assert (event.actor, event.address, event.device) == (Actor.OPERATOR, "192.0.2.7", "Firefox on Linux")
    assert event.request_id == page["X-Request-ID"]
    assert event.details == {"page": "accounts.user", "mark": audit.mark_of(olga.pk)}
    assert looks_at(bob) == looks_at(olga) == []


def test_there_are_the_pages_one_thinks_of() -> None:
    wanted = {User, EmailAddress, ApiKey, UsageRecord, QuotaLimit, Reservation, Handover, DataKey, AuditEvent}
    assert wanted <= set(OF_PEOPLE)


@pytest.mark.parametrize("model", OF_PEOPLE, ids=lambda model: model._meta.label_lower)
@pytest.mark.parametrize("part", ["change", "history"])
def test_every_page_about_a_person_is_noted(
    part: str, model: type[Model], as_olga: Client, alice: User, bob: User
) -> None:
    row = person_s(model, alice)
    assert as_olga.get(address(model, row.pk, part)).status_code == 200
    [event] = looks_at(alice)

    assert event.details["page"] == model._meta.label_lower
    assert event.actor == Actor.OPERATOR
    assert looks_at(bob) == []


@pytest.mark.parametrize("model", OF_PEOPLE, ids=lambda model: model._meta.label_lower)
def test_a_list_is_no_look_at_anybody(model: type[Model], as_olga: Client, alice: User, bob: User) -> None:
    for person in (alice, bob):
        person_s(model, person)
    for asked in ("", "?q=example.com", "?o=1"):
        assert as_olga.get(address(model) + asked, follow=True).status_code == 200

    assert looks_at(alice) == looks_at(bob) == []


def test_a_list_on_which_somebody_happens_to_be_alone_is_none(as_olga: Client, alice: User) -> None:
    stored(ApiKey, alice)
    for asked in ("", "?o=-1", "?p=1"):
        as_olga.get(address(ApiKey) + asked)
    assert looks_at(alice) == []

    as_olga.get(address(ApiKey) + "?provider=openai")
    assert len(looks_at(alice)) == 1


def test_a_search_that_finds_one_person_alone_is_one(as_olga: Client, alice: User, bob: User) -> None:
    as_olga.get(address(User) + "?q=alice@example.com")
    [event] = looks_at(alice)
    assert event.details["page"] == "accounts.user"

    as_olga.get(address(UsageRecord) + "?q=alice@example.com")
    assert len(looks_at(alice)) == 1, "there was nothing of hers to see"
    for _ in range(2):
        stored(UsageRecord, alice)
    as_olga.get(address(UsageRecord) + "?q=alice@example.com&days=all")
    assert [event.details["page"] for event in looks_at(alice)] == ["accounts.user", "usage.usagerecord"]
    assert looks_at(bob) == []


def test_a_filter_that_finds_one_person_alone_is_one(as_olga: Client, alice: User, bob: User) -> None:
    User.objects.filter(pk=bob.pk).update(tier="pro")
    as_olga.get(address(User) + "?tier__exact=pro")
    assert (len(looks_at(alice)), len(looks_at(bob))) == (0, 1)


def test_the_same_look_is_noted_once_in_a_while(as_olga: Client, alice: User, bob: User) -> None:
    page = address(User, alice.pk, "change")
    for _ in range(3):
        as_olga.get(page)
    assert len(looks_at(alice)) == 1

    with connections["owner"].cursor() as cursor:
        cursor.execute("UPDATE accounts_auditevent SET at = at - interval '16 minutes'")
    as_olga.get(page)
    assert len(looks_at(alice)) == 2

    administering(bob).get(page)
    assert len({event.details["mark"] for event in looks_at(alice)}) == 2


def test_it_is_noted_though_the_page_fails(as_olga: Client, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("no page today")

    monkeypatch.setattr("accounts.admin.UserAdmin.render_change_form", fail)
    as_olga.raise_request_exception = False
    assert as_olga.get(address(User, alice.pk, "change")).status_code == 500
    assert len(looks_at(alice)) == 1


def test_one_s_own_page_and_no_page_are_no_looks(as_olga: Client, olga: User, alice: User) -> None:
    as_olga.get(address(User, olga.pk, "change"))
    as_olga.get(address(User, UUID(int=7), "change"))
    signed_in(alice).get(address(User, alice.pk, "change"))
    assert looks_at(olga) == looks_at(alice) == []


def test_the_person_reads_of_it_and_nobody_else_does(as_olga: Client, olga: User, alice: User, bob: User) -> None:
    key = stored(ApiKey, alice)
    as_olga.get(address(ApiKey, key.pk, "change"), HTTP_USER_AGENT=FIREFOX, REMOTE_ADDR="192.0.2.7")

    for name in ("accounts:security", "accounts:activity-list"):
        page = signed_in(alice).get(reverse(name)).content.decode()
        assert SENTENCE in page
        assert "Provider keys, without what is secret" in page
        for told in ("192.0.2.7", "Firefox on Linux", "olga", "Olga", audit.mark_of(olga.pk)):
            assert told not in page
        assert SENTENCE not in signed_in(bob).get(reverse(name)).content.decode()


@pytest.mark.parametrize(
    ("language", "sentence"), [("de", "hat dein Konto angesehen"), ("es", "ha consultado tu cuenta")]
)
def test_it_is_read_in_one_s_language(language: str, sentence: str, as_olga: Client, alice: User) -> None:
    as_olga.get(address(User, alice.pk, "change"))
    client = signed_in(alice)
    assert sentence in client.get(reverse("accounts:security"), HTTP_ACCEPT_LANGUAGE=language).content.decode()


def test_an_archive_tells_of_it_and_not_from_where(as_olga: Client, olga: User, alice: User, tmp_path: Path) -> None:

    as_olga.get(address(User, alice.pk, "change"), REMOTE_ADDR="192.0.2.7")
    with (tmp_path / "archive.zip").open("w+b") as file:
        write_archive(file, alice.pk, lambda: None)
        trail = ZipFile(file).read("data/accounts_auditevent.jsonl").decode()

    assert looks.KIND in trail
    assert "192.0.2.7" not in trail
    assert audit.mark_of(olga.pk) not in trail


@pytest.mark.parametrize("statement", ["DELETE FROM accounts_auditevent", "UPDATE accounts_auditevent SET kind = 'x'",
                                       "INSERT INTO accounts_auditevent (id) VALUES (gen_random_uuid())"])  # fmt: skip
def test_no_administrator_changes_the_trail(statement: str, as_olga: Client, alice: User) -> None:
    as_olga.get(address(User, alice.pk, "change"))
    [event] = looks_at(alice)
    assert as_olga.post(address(AuditEvent, event.pk, "delete"), {"post": "yes"}).status_code == 403
    assert as_olga.post(address(AuditEvent, event.pk, "change"), {"kind": "x"}).status_code == 403
    with (
        pytest.raises(ProgrammingError, match="permission denied"),
        transaction.atomic(using="operator"),
        connections["operator"].cursor() as cursor,
    ):
        cursor.execute(statement)
    assert event in looks_at(alice)


def test_what_an_administrator_changes_is_told(as_olga: Client, olga: User, alice: User) -> None:
    form = {"name": "Alice A.", "tier": "pro", "is_staff": "on"}
    assert as_olga.post(address(User, alice.pk, "change"), form).status_code == 302
    with tenant(alice.pk):
        told = {event.kind: event for event in AuditEvent.objects.exclude(kind="account.created")}

    assert set(told) == {
        looks.KIND, "account.renamed", "account.tier_changed", "account.switched_off", "account.staff_on"
    }  # fmt: skip
    assert {event.actor for event in told.values()} == {Actor.OPERATOR}
    assert told["account.renamed"].details == {"after": "Alice A.", "mark": audit.mark_of(olga.pk)}
    assert set(told) <= set(SENTENCES)

    User.objects.filter(pk=alice.pk).update(tier="free")
    as_olga.post(address(User, alice.pk, "change"), {"name": "Alice A.", "tier": "free", "is_active": "on"})
    with tenant(alice.pk):
        kinds = set(AuditEvent.objects.values_list("kind", flat=True))
    assert {"account.switched_on", "account.staff_off"} <= kinds
    assert LogEntry.objects.count() == 2


def test_a_limit_that_an_administrator_sets_is_told(as_olga: Client, olga: User, alice: User) -> None:
    with tenant(alice.pk):
        limit = QuotaLimit.objects.get(period="daily")
    form = {"request_limit": 7, "windows-TOTAL_FORMS": 0, "windows-INITIAL_FORMS": 0}
    assert as_olga.post(address(QuotaLimit, limit.pk, "change"), form).status_code == 302
    with tenant(alice.pk):
        event = AuditEvent.objects.get(kind="quota.set")
    assert (event.actor, event.details["request_limit"]) == (Actor.OPERATOR, 7)
    assert event.details["mark"] == audit.mark_of(olga.pk)


@pytest.mark.parametrize(
    ("command", "page"),
    [
        ("check_ledger", "usage.usagerecord"),
        ("validate_keys", "apikeys.apikey"),
        ("reprice_usage --since 2026-01-01 --dry-run", "usage.usagerecord"),
        ("reprice_usage --since 2026-01-01", "usage.usagerecord"),
    ],
)
def test_a_command_about_one_person_is_a_look(command: str, page: str, alice: User, bob: User) -> None:
    call_command(*command.split(), "--user", alice.email, verbosity=0, stdout=StringIO())
    call_command(*command.split(), verbosity=0, stdout=StringIO())
    [event] = looks_at(alice)
    assert event.details == {"page": page, "mark": "command"}
    assert (event.actor, event.device, event.address) == (Actor.OPERATOR, "manage.py", None)
    assert looks_at(bob) == []
    assert event.at > timezone.now() - timedelta(minutes=1)


def test_trying_a_hand_over_on_somebody_is_a_look(alice: User, tmp_path: Path) -> None:
    file = tmp_path / "browser.json"
    file.write_text(json.dumps(payload(chat("c1"))))
    arguments = ("migrate_anonymous", str(file), "--user", alice.email)
    call_command(*arguments, "--dry-run", verbosity=0, stdout=StringIO())
    [event] = looks_at(alice)
    assert (event.details["page"], event.actor, event.device) == ("chats.handover", Actor.OPERATOR, "manage.py")
    call_command(*arguments, verbosity=0, stdout=StringIO())
    assert len(looks_at(alice)) == 1


def test_the_admin_s_log_is_pruned_like_the_trail_and_in_no_other_way(as_olga: Client, alice: User) -> None:
    for days in (731, 1):
        form = {"name": f"Alice {days}", "tier": "free", "is_active": "on"}
        assert as_olga.post(address(User, alice.pk, "change"), form).status_code == 302
        with connections["owner"].cursor() as cursor:
            cursor.execute("UPDATE django_admin_log SET action_time = action_time - %s * interval '1 day'", [days])
    with (
        pytest.raises(ProgrammingError, match="permission denied"),
        transaction.atomic(),
        connections["default"].cursor() as cursor,
    ):
        cursor.execute("DELETE FROM django_admin_log")

    assert dict(pruning.prune())["acts in the admin's log"] == 1
    assert LogEntry.objects.count() == 1
