"""The link in mails that one may not want: it asks, and switches them off without signing in."""

from urllib.parse import urlsplit

import pytest
from django.test import Client

from accounts.mails import end_address
from accounts.models import Mail, Profile, User
from accounts.profile import change_profile
from tests.conftest import signed_in
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db


def path(person: User, mail: Mail = Mail.QUOTA) -> str:
    return urlsplit(end_address(person.pk, mail)).path


def wanted(person: User) -> list[str]:
    with tenant(person.pk):
        return list(Profile.objects.get(user=person).wanted_mails)


def test_a_mail_program_switches_them_off_by_itself(alice: User, bob: User) -> None:
    client = Client(enforce_csrf_checks=True)
    response = client.post(path(alice), {"List-Unsubscribe": "One-Click"}, headers={"Origin": "https://mail.example"})

    assert response.status_code == 200
    assert (wanted(alice), wanted(bob)) == (["key"], ["quota", "key"])
    assert client.post(path(alice)).status_code == 200
    assert wanted(alice) == ["key"]


def test_opening_it_asks_and_changes_nothing(alice: User, anonymous: Client) -> None:
    response = anonymous.get(path(alice, Mail.KEY))

    page = response.content.decode()
    assert "A key stops working" in page
    assert f'<form class="form" method="post" action="{path(alice, Mail.KEY)}">' in page
    assert wanted(alice) == ["quota", "key"]
    assert "no-store" in response["Cache-Control"]
    assert "alice" not in page


def test_whoever_is_signed_in_there_is_left_alone(alice: User, bob: User) -> None:
    assert signed_in(bob).post(path(alice)).status_code == 200
    assert (wanted(alice), wanted(bob)) == (["key"], ["quota", "key"])


def test_another_method_is_refused(alice: User, anonymous: Client) -> None:
    assert anonymous.put(path(alice)).status_code == 405
    assert wanted(alice) == ["quota", "key"]


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_link_that_is_not_ours_is_not_found(method: str, alice: User, anonymous: Client) -> None:
    mine = path(alice)
    for address in ("/mails/nothing/end/", mine.replace(":", "x:"), mine[:-6] + "/end/"):
        response = getattr(anonymous, method)(address)
        assert response.status_code == 404
        assert "This link does not work" in response.content.decode()
    assert wanted(alice) == ["quota", "key"]


def test_the_link_of_somebody_who_is_gone_is_no_fault(alice: User, anonymous: Client) -> None:
    assert anonymous.post(path(User(email="gone@example.com"))).status_code == 200
    assert wanted(alice) == ["quota", "key"]


def test_switched_on_again_it_works_as_before(alice: User, anonymous: Client) -> None:
    anonymous.post(path(alice))
    change_profile(user_id=alice.pk, wanted_mails=[Mail.QUOTA])
    anonymous.post(path(alice))
    assert wanted(alice) == []
