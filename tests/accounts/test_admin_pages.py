"""The admin, for administrators, as wl_operator."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.core.management import call_command
from django.db import ProgrammingError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts import audit
from accounts.models import AnonymousSession, AuditEvent, Profile, SystemKey, User
from apikeys.vault import store_key
from tests.conftest import PASSWORD, make_person, signed_in
from usage import metering
from usage.models import ModelAccess, ModelPrice, QuotaLimit
from wavelength.admin import registered_models
from wavelength.envelope import Secret
from wavelength.tenancy import tenant

COMMITTED = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
pytestmark = COMMITTED

CANARY = "sk-canary-0123456789-abcdefghijklmnop"


@pytest.fixture
def dora() -> User:
    """Somebody with one of everything."""
    person = make_person("dora@example.com", "Dora")
    store_key(user_id=person.pk, provider="openai", secret=Secret(CANARY))
    AnonymousSession.objects.create(anonymous_id="browser-1", claimed_by=person)
    SystemKey.objects.get_or_create(purpose="two-factor", defaults={"wrapped": b"x", "ring_key_id": "r"})
    SocialAccount.objects.create(user=person, provider="google", uid="1", extra_data={"name": "Dora"})
    metering.record_usage(user_id=person.pk, provider="openai", model="gpt-4o", input_tokens=1)
    metering.reserve(user_id=person.pk, provider="openai", model="gpt-4o", tokens=1)
    ModelPrice(provider="openai", model="gpt-4o", input_price=1, output_price=1).save(using="operator")
    ModelAccess(provider="openai", model="o3").save(using="operator")
    return person


@pytest.fixture
def operator() -> Iterator[CaptureQueriesContext]:
    with CaptureQueriesContext(connections["operator"]) as queries:
        yield queries


def addresses() -> list[str]:
    """Every list, form and history that there is, of the first object of each kind."""
    found = ["/admin/"]
    for model in registered_models(admin.site):
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        found += [f"/admin/{model._meta.app_label}/", base, f"{base}?q=dora&o=1"]
        with connections["operator"].cursor() as cursor:
            cursor.execute(f'SELECT {model._meta.pk.column} FROM "{model._meta.db_table}" LIMIT 1')
            row = cursor.fetchone()
        if row:
            found += [f"{base}{row[0]}/change/", f"{base}{row[0]}/history/"]
    return found


def test_every_page_opens_and_shows_nothing_secret(as_olga: Client, dora: User) -> None:
    visited = addresses()
    assert len(visited) > 20
    for address in visited:
        response = as_olga.get(address, follow=True)
        assert (address, response.status_code) == (address, 200)
        page = response.content.decode()
        assert CANARY not in page
        assert dora.password not in page
        assert "canary" not in page


def test_the_pages_that_there_are() -> None:
    names = {model._meta.label for model in registered_models(admin.site)}
    assert {"accounts.User", "accounts.DataKey", "accounts.AnonymousSession", "apikeys.ApiKey"} <= names
    assert not names & {
        "mfa.Authenticator",
        "socialaccount.SocialToken",
        "socialaccount.SocialApp",
        "auth.Group",
        "accounts.Profile",
    }


def test_who_is_signed_out_is_sent_to_allauth(anonymous: Client) -> None:
    response = anonymous.get("/admin/accounts/user/", follow=True)
    assert response.redirect_chain[-1][0].startswith("/accounts/login/?next=%2Fadmin%2Faccounts%2Fuser%2F")
    assert anonymous.get("/admin/login/")["Location"] == "/accounts/login/?next=%2Fadmin%2F"


def test_signing_in_leads_back(olga: User, anonymous: Client) -> None:
    form = {"login": "olga@example.com", "password": PASSWORD}
    response = anonymous.post("/accounts/login/?next=/admin/accounts/user/", form)
    assert response["Location"] == "/admin/accounts/user/"


def test_a_person_without_the_right_is_refused_everywhere(dora: User, olga: User) -> None:
    client = signed_in(dora)
    for address in addresses():
        assert client.get(address, follow=True).status_code == 403, address
    response = client.post(f"/admin/accounts/user/{dora.pk}/change/", {"tier": "pro", "is_staff": "on"}, follow=True)
    assert response.status_code == 403
    dora.refresh_from_db()
    assert (dora.tier, dora.is_staff) == ("free", False)


def test_an_administrator_switched_off_is_out(as_olga: Client, olga: User) -> None:
    User.objects.filter(pk=olga.pk).update(is_staff=False)
    assert as_olga.get("/admin/", follow=True).status_code == 403


def test_it_works_as_the_operator_alone(as_olga: Client, dora: User, operator: CaptureQueriesContext) -> None:
    with CaptureQueriesContext(connections["default"]) as default:
        response = as_olga.get(f"/admin/accounts/user/{dora.pk}/change/")
    assert response.status_code == 200
    assert any("accounts_user" in query["sql"] for query in operator.captured_queries)
    # As the application only: who is asking, with their own profile for the frame of the page, whether they have a
    # second factor, and that they looked.
    asked = [query["sql"] for query in default.captured_queries]
    assert "session_with_profile" in asked[0]
    assert {sql.split()[2] for sql in asked if sql.startswith("INSERT")} == {'"accounts_auditevent"'}
    others = [sql for sql in asked[1:] if "FROM" in sql and "accounts_auditevent" not in sql]
    assert ["mfa_authenticator" in sql for sql in others] == [True]
    with connections["operator"].cursor() as cursor:
        cursor.execute("SELECT current_user")
        assert cursor.fetchone() == ("wl_operator",)


def told(person: User) -> list[str]:
    """What the person's trail says that was done to their account, in order."""
    with tenant(person.pk):
        kinds = AuditEvent.objects.order_by("at", "id").values_list("kind", flat=True)
        return [kind for kind in kinds if kind not in ("account.created", "account.looked_at", "key.added")]


def test_a_change_is_made_and_told_and_logged(as_olga: Client, dora: User, operator: CaptureQueriesContext) -> None:
    form = {"name": "Dora D.", "tier": "pro", "is_active": "on", "is_staff": ""}
    assert as_olga.post(f"/admin/accounts/user/{dora.pk}/change/", form).status_code == 302
    dora.refresh_from_db()
    assert (dora.name, dora.tier, dora.is_active, dora.is_staff) == ("Dora D.", "pro", True, False)
    assert dora.check_password(PASSWORD)
    assert LogEntry.objects.get().object_id == str(dora.pk)
    assert sorted(told(dora)) == ["account.renamed", "account.tier_changed"]
    with tenant(dora.pk):
        details = AuditEvent.objects.get(kind="account.tier_changed").details
        assert {limit.tier for limit in QuotaLimit.objects.filter(api_key_id=None)} == {"pro"}
    assert (details["before"], details["after"]) == ("free", "pro")
    # The operator's own connection writes the admin's log and nothing else.
    written = [query["sql"] for query in operator.captured_queries if query["sql"].startswith(("UPDATE", "INSERT"))]
    assert [sql.split()[2] for sql in written] == ['"django_admin_log"']


def test_a_change_is_never_seen_untold(as_olga: Client, dora: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """At no commit on the way, after which the process may be killed, stands a part of it alone."""
    seen: list[tuple[Any, ...]] = []
    commit = vars(BaseDatabaseWrapper)["_commit"]

    def look(connection: BaseDatabaseWrapper) -> None:
        commit(connection)
        with connections["owner"].cursor() as cursor:
            cursor.execute(
                "SELECT tier, is_staff, (SELECT array_agg(kind ORDER BY kind) FROM accounts_auditevent"
                " WHERE user_id = u.id AND kind IN ('account.tier_changed', 'account.staff_on')),"
                " (SELECT array_agg(DISTINCT tier) FROM usage_quotalimit WHERE user_id = u.id AND api_key_id IS NULL)"
                " FROM accounts_user u WHERE id = %s",
                [dora.pk],
            )
            [found] = cursor.fetchall()
            if found not in seen:
                seen.append(found)

    monkeypatch.setattr(BaseDatabaseWrapper, "_commit", look)
    form = {"name": "Dora", "tier": "pro", "is_active": "on", "is_staff": "on"}
    assert as_olga.post(f"/admin/accounts/user/{dora.pk}/change/", form).status_code == 302
    assert seen == [
        ("free", False, None, ["free"]),
        ("pro", True, ["account.staff_on", "account.tier_changed"], ["pro"]),
    ]


@pytest.mark.parametrize(
    "kind", ["account.tier_changed", "account.renamed", "account.switched_off", "account.staff_on"]
)
def test_a_change_that_cannot_be_told_is_not_made(
    kind: str, as_olga: Client, dora: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = audit.record

    def fail(user_id: UUID, told: str, **details: Any) -> None:
        if told == kind:
            raise RuntimeError("no trail today")
        record(user_id, told, **details)

    monkeypatch.setattr(audit, "record", fail)
    as_olga.raise_request_exception = False
    form = {"name": "Changed", "tier": "pro", "is_staff": "on"}
    assert as_olga.post(f"/admin/accounts/user/{dora.pk}/change/", form).status_code == 500
    dora.refresh_from_db()
    assert (dora.name, dora.tier, dora.is_active, dora.is_staff) == ("Dora", "free", True, False)
    assert told(dora) == []
    assert not LogEntry.objects.exists()
    with tenant(dora.pk):
        assert not QuotaLimit.objects.filter(tier="pro").exists()


def test_a_change_that_fails_is_not_told(as_olga: Client, dora: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*given: Any) -> None:
        raise RuntimeError("no limits today")

    monkeypatch.setattr("accounts.people.BELONGINGS", [fail])
    as_olga.raise_request_exception = False
    form = {"name": "Changed", "tier": "pro", "is_active": "on"}
    assert as_olga.post(f"/admin/accounts/user/{dora.pk}/change/", form).status_code == 500
    dora.refresh_from_db()
    assert (dora.name, dora.tier) == ("Dora", "free")
    assert told(dora) == []
    assert not LogEntry.objects.exists()


def test_saving_what_is_so_already_changes_and_tells_nothing(as_olga: Client, dora: User) -> None:
    User.objects.filter(pk=dora.pk).update(tier="pro")
    form = {"name": "Dora", "tier": "pro", "is_active": "on", "is_staff": ""}
    assert as_olga.post(f"/admin/accounts/user/{dora.pk}/change/", form).status_code == 302
    assert told(dora) == []


def test_a_new_person_has_all_that_a_person_needs(as_olga: Client) -> None:
    form = {"email": "Eve@Example.com", "name": "Eve", "tier": "pro", "verified": "on"}
    assert as_olga.post("/admin/accounts/user/add/", form).status_code == 302
    eve = User.objects.get(email="eve@example.com")
    assert (eve.tier, eve.is_staff, eve.has_usable_password()) == ("pro", False, False)
    assert EmailAddress.objects.get(user=eve).verified
    with tenant(eve.pk):
        assert (Profile.objects.count(), AuditEvent.objects.get().details["way"]) == (1, "admin")
    taken = as_olga.post("/admin/accounts/user/add/", form)
    assert (taken.status_code, b"exists" in taken.content) == (200, True)


def test_nothing_is_deleted(as_olga: Client, dora: User) -> None:
    for model in registered_models(admin.site):
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        assert as_olga.post(f"{base}{dora.pk}/delete/", {"post": "yes"}).status_code in (302, 403)
        action = {"action": "delete_selected", "_selected_action": [str(dora.pk)], "post": "yes"}
        as_olga.post(base, action)
    assert User.objects.filter(pk=dora.pk).exists()


def test_only_people_prices_and_access_are_added(as_olga: Client, dora: User) -> None:
    for model in registered_models(admin.site):
        if model not in (User, ModelPrice, ModelAccess):
            base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
            assert as_olga.get(f"{base}add/").status_code == 403
            assert as_olga.post(f"{base}add/", {}).status_code == 403


def test_signing_out_and_passwords_are_those_of_the_site(as_olga: Client) -> None:
    assert as_olga.get("/admin/password_change/")["Location"] == "/accounts/password/change/"
    assert as_olga.get("/admin/logout/").status_code == 405
    assert as_olga.post("/admin/logout/").status_code == 302
    assert as_olga.get("/api/profile").status_code == 401


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT envelope FROM apikeys_apikey",
        "SELECT fingerprint FROM apikeys_apikey",
        "SELECT * FROM apikeys_apikey",
        "SELECT wrapped FROM accounts_datakey",
        "SELECT wrapped FROM accounts_systemkey",
        "SELECT password FROM accounts_user",
        "SELECT session_data FROM accounts_session",
        "SELECT bio FROM accounts_profile",
        "SELECT title FROM chats_chat",
        "SELECT content FROM chats_message",
        "SELECT reasoning FROM chats_message",
        "SELECT errors FROM chats_handover",
        "SELECT answer FROM usage_reservation",
        "SELECT answer FROM usage_idempotentrequest",
        "SELECT data FROM mfa_authenticator",
        "SELECT key FROM account_emailconfirmation",
        "UPDATE accounts_user SET email = 'x'",
        "UPDATE accounts_user SET password = 'x'",
        "UPDATE accounts_user SET tier = 'pro'",
        "UPDATE accounts_user SET is_staff = true",
        "UPDATE apikeys_apikey SET is_active = false",
        "UPDATE accounts_auditevent SET kind = 'x'",
        "UPDATE usage_quotalimit SET token_limit = NULL",
        "UPDATE usage_quotawindow SET used_requests = 0",
        "UPDATE usage_usagerecord SET total_cost = 0",
        "DELETE FROM usage_usagerecord",
        "DELETE FROM usage_quotalimit",
        "DELETE FROM usage_reservation",
        "DELETE FROM accounts_auditevent",
        "DELETE FROM accounts_user",
        "INSERT INTO accounts_user (id) VALUES (gen_random_uuid())",
        "TRUNCATE accounts_user",
        "SET ROLE wl_owner",
        "CREATE TABLE mine (id int)",
    ],
)
def test_the_database_itself_refuses(dora: User, statement: str) -> None:
    with (
        pytest.raises(ProgrammingError, match="permission denied"),
        transaction.atomic(using="operator"),
        connections["operator"].cursor() as cursor,
    ):
        cursor.execute(statement)


def test_the_operator_waits_for_no_lock_for_long() -> None:
    with connections["operator"].cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("5s",)


def test_the_site_is_checked_whole() -> None:
    call_command("check", "--fail-level", "WARNING", "--tag", "admin")
