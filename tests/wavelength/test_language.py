"""In which language a page speaks: the profile's, else the browser's; the JSON API always in English."""

import pytest
from django.test import Client
from django.utils import translation

from accounts.models import User
from accounts.profile import change_profile
from tests.conftest import signed_in

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


def spoken(client: Client, browser: str, path: str = "/profile/") -> str:
    response = client.get(path, headers={"accept-language": browser})
    assert response.status_code == 200
    assert f'<html lang="{response["Content-Language"]}"' in response.content.decode()
    return response["Content-Language"]


@pytest.mark.parametrize(
    ("profile", "browser", "language"),
    [
        ("", "es-MX, en;q=0.5", "es"),
        ("", "fr", "en"),
        ("de", "es", "de"),
        ("de-AT", "es", "de"),
        # What the portal does not speak leaves the browser's choice.
        ("fr", "es", "es"),
        ("x-klingon", "de", "de"),
    ],
)
def test_it_works(profile: str, browser: str, language: str, alice: User, as_alice: Client) -> None:
    change_profile(user_id=alice.pk, language=profile)

    assert spoken(as_alice, browser) == language


def test_who_is_not_signed_in_is_spoken_to_as_the_browser_asks(anonymous: Client) -> None:
    assert spoken(anonymous, "es", "/accounts/login/") == "es"


def test_a_change_holds_from_its_own_answer_on(as_alice: Client) -> None:
    as_alice.post("/profile/region/", {"timezone": "", "language": "de", "theme": "auto"})

    assert spoken(as_alice, "es") == "de"


def test_the_next_person_on_the_thread_hears_their_own(alice: User, bob: User) -> None:
    change_profile(user_id=alice.pk, language="de")

    assert [spoken(signed_in(person), "es") for person in (alice, bob)] == ["de", "es"]


def test_the_api_speaks_english_whatever_a_page_before_it_spoke(as_alice: Client, alice: User) -> None:
    change_profile(user_id=alice.pk, language="de")
    # As on a server's thread, where nothing ends what a page began.
    translation.activate("de")
    assert as_alice.get("/api/profile").status_code == 200
    assert translation.get_language() == "en"


def test_a_profile_comes_along_with_its_own_session_alone(alice: User, bob: User) -> None:
    for person in (alice, bob):
        change_profile(user_id=person.pk, display_name=f"{person.name} of {person.pk}")

    pages = [signed_in(person).get("/profile/").content.decode() for person in (alice, bob)]
    assert [str(alice.pk) in page for page in pages] == [True, False]
    assert [str(bob.pk) in page for page in pages] == [False, True]
