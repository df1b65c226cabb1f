"""API tokens as operators see them: whose, until when, in use or not; they can be revoked, not read."""

from typing import Any

import pytest
from django.db import ProgrammingError, connections
from django.test import Client
from django.urls import reverse

from accounts.models import Actor, ApiToken, AuditEvent, User
from accounts.tokens import make_token
from tests.conftest import signed_in
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
LIST = "/admin/accounts/apitoken/"


def ids(person: User) -> list[Any]:
    with tenant(person.pk):
        return list(ApiToken.objects.order_by("id").values_list("pk", flat=True))


def test_it_works(as_olga: Client, alice: User) -> None:
    token = make_token(user_id=alice.pk, name="A private name", days=None, read_only=True)
    [made] = ids(alice)
    for url in (LIST, reverse("admin:accounts_apitoken_change", args=[made])):
        page = as_olga.get(url).content.decode()
        assert token[-4:] in page
        assert alice.email in page
        assert "A private name" not in page


def test_an_administrator_revokes_and_the_trail_tells(as_olga: Client, alice: User, bob: User) -> None:
    tokens = [make_token(user_id=person.pk, name="x", days=None, read_only=False) for person in (alice, alice, bob)]
    kept, gone = ids(alice)
    response = as_olga.post(LIST, {"action": "revoke", "_selected_action": [gone, *ids(bob)]}, follow=True)

    assert "2 of the selected tokens are revoked." in response.content.decode()
    assert (ids(alice), ids(bob)) == ([kept], [])
    for token, status in zip(tokens, (200, 401, 401), strict=True):
        assert Client().get("/api/profile", headers={"Authorization": f"Bearer {token}"}).status_code == status
    with tenant(alice.pk):
        event = AuditEvent.objects.get(kind="token.revoked")
    assert (event.actor, event.details["hint"]) == (Actor.OPERATOR, tokens[1][-4:])


def test_nobody_else_can(as_bob: Client, alice: User) -> None:
    make_token(user_id=alice.pk, name="x", days=None, read_only=False)
    assert as_bob.post(LIST, {"action": "revoke", "_selected_action": ids(alice)}).status_code in (302, 403)
    alone = signed_in(alice)
    assert alone.post(LIST, {"action": "revoke", "_selected_action": ids(alice)}).status_code in (302, 403)
    assert len(ids(alice)) == 1


@pytest.mark.parametrize("statement", ["SELECT token_hash", "SELECT name", "DELETE"])
def test_the_operator_s_role_may_not(statement: str, alice: User) -> None:
    make_token(user_id=alice.pk, name="x", days=None, read_only=False)
    with connections["operator"].cursor() as cursor, pytest.raises(ProgrammingError, match="permission denied"):
        cursor.execute(f"{statement} FROM accounts_apitoken")
