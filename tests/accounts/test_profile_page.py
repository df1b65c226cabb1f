"""The profile page: its sections, their refusals, the picture."""

from io import BytesIO
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from PIL import Image
from pytest_django import DjangoAssertNumQueries

from accounts.models import Mail, Profile, Tier, User
from accounts.profile import change_profile
from tests.conftest import signed_in
from usage.models import ModelAccess
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db(databases=["default", "operator"])
PAGE = "accounts:profile"
ABOUT = {"display_name": "Alice L.", "bio": "Hi"}
REGION = {"timezone": "Europe/Berlin", "language": "de", "theme": "light"}
CHAT = {
    "default_provider": "anthropic", "default_model": "claude-sonnet-4", "reasoning_effort": "high",
    "show_reasoning": "on", "show_tokens": "on", "auto_scroll": "on",
}  # fmt: skip
HTMX = {"HTTP_HX_REQUEST": "true"}


def save(client: Client, section: str, form: dict[str, Any], **headers: Any) -> Any:
    return client.post(reverse("accounts:profile-section", args=[section]), form, **headers)


def stored(user: User) -> Profile:
    with tenant(user.pk):
        return Profile.objects.get()


@pytest.mark.parametrize(("section", "form"), [("about", ABOUT), ("region", REGION)])
def test_it_works(section: str, form: dict[str, str], alice: User, as_alice: Client) -> None:
    response = save(as_alice, section, form)

    assert response["Location"] == reverse(PAGE)
    assert b"toast-success" in as_alice.get(reverse(PAGE)).content
    profile = stored(alice)
    assert {name: getattr(profile, name) for name in form} == form


def test_a_section_is_saved_in_place(alice: User, as_alice: Client) -> None:
    page = save(as_alice, "about", ABOUT, **HTMX).content.decode()

    assert "<html" not in page
    assert 'value="Alice L."' in page
    assert "Your profile is saved." in page
    # The name in the navigation, too.
    assert page.count("<bdi>Alice L.</bdi>") == 2
    assert stored(alice).display_name == "Alice L."


def test_another_language_draws_the_whole_page_anew(as_alice: Client) -> None:
    assert save(as_alice, "region", REGION, **HTMX)["HX-Refresh"] == "true"
    assert "HX-Refresh" not in save(as_alice, "region", REGION | {"theme": "dark"}, **HTMX)


def test_another_owners_profile_stays(bob: User, as_alice: Client) -> None:
    save(as_alice, "about", ABOUT)

    assert stored(bob).display_name == "Bob"


def test_an_unknown_section_is_404(as_alice: Client) -> None:
    assert save(as_alice, "tier", {"tier": "pro"}).status_code == 404


def test_a_section_is_only_posted(as_alice: Client) -> None:
    assert as_alice.get(reverse("accounts:profile-section", args=["about"])).status_code == 405
    assert as_alice.post(reverse(PAGE)).status_code == 405


def test_signed_out_it_asks_to_sign_in(anonymous: Client) -> None:
    assert save(anonymous, "about", ABOUT)["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize("headers", [{}, HTMX])
@pytest.mark.parametrize(
    ("section", "form"),
    [
        ("about", ABOUT | {"display_name": "x" * 81}),
        ("about", ABOUT | {"bio": "x" * 501}),
        ("region", REGION | {"timezone": "Mars/Olympus"}),
        ("region", REGION | {"theme": "pink"}),
        ("region", REGION | {"language": "tlh"}),
        ("chat", CHAT | {"default_model": "x" * 201}),
        ("chat", CHAT | {"default_provider": "acme"}),
        ("chat", CHAT | {"reasoning_effort": "extreme"}),
    ],
)
def test_bad_input_is_named_kept_and_changes_nothing(
    section: str, form: dict[str, str], headers: dict[str, str], alice: User, as_alice: Client
) -> None:
    before = stored(alice)
    response = save(as_alice, section, form, **headers)
    page = response.content.decode()

    assert response.status_code == 200
    assert "errorlist" in page
    assert any(value in page for value in form.values() if len(value) > 2)
    after = stored(alice)
    names = ("display_name", "bio", "timezone", "language", "theme", "preferences", "updated_at")
    assert [getattr(after, name) for name in names] == [getattr(before, name) for name in names]


@pytest.mark.parametrize("typed", ["europe/berlin", " Europe/Berlin ", "EUROPE/BERLIN"])
def test_a_time_zone_is_found_as_people_type_it(typed: str, alice: User, as_alice: Client) -> None:
    save(as_alice, "region", REGION | {"timezone": typed})

    assert stored(alice).timezone == "Europe/Berlin"


def test_what_the_lists_lack_stays(alice: User, as_alice: Client) -> None:
    change_profile(user_id=alice.pk, timezone="Etc/GMT+5", language="pt-BR")
    page = as_alice.get(reverse(PAGE)).content.decode()
    save(as_alice, "region", REGION | {"timezone": "Etc/GMT+5", "language": "pt-BR"})

    assert '<option value="pt-BR" selected>' in page
    assert (stored(alice).timezone, stored(alice).language) == ("Etc/GMT+5", "pt-BR")


def test_preferences_are_shared_with_the_api_key_by_key(alice: User, as_alice: Client) -> None:
    change_profile(user_id=alice.pk, preferences={"providers": {"xai": {"enabled": True}}, "fontSize": 14})
    save(as_alice, "chat", CHAT)
    preferences = as_alice.get("/api/profile").json()["data"]["profile"]["preferences"]

    assert preferences == {
        "providers": {"xai": {"enabled": True}}, "fontSize": 14, "defaultProvider": "anthropic",
        "defaultModel": "claude-sonnet-4", "reasoningEffort": "high", "showCosts": False,
    }  # fmt: skip


def test_preferences_of_the_api_are_shown(alice: User, as_alice: Client) -> None:
    held = {"defaultModel": "acme/one", "defaultProvider": "acme", "showTokens": False, "reasoningEffort": "xhigh"}
    change_profile(user_id=alice.pk, preferences=held)
    page = as_alice.get(reverse(PAGE)).content.decode()

    assert 'value="acme/one"' in page
    assert '<option value="acme" selected>' in page
    assert '<option value="xhigh" selected>' in page


@pytest.mark.parametrize("odd", [7, None, [], {"a": 1}, "yes"])
def test_what_a_client_keeps_in_another_form_stays(odd: Any, alice: User, as_alice: Client) -> None:
    change_profile(user_id=alice.pk, preferences={"showCosts": odd, "defaultModel": [odd]})
    assert as_alice.get(reverse(PAGE)).status_code == 200
    save(as_alice, "chat", {"show_costs": "on", "show_tokens": "on", "show_reasoning": "on", "auto_scroll": "on"})

    assert stored(alice).preferences == {"showCosts": odd, "defaultModel": [odd]}


def test_a_preference_that_is_emptied_goes(alice: User, as_alice: Client) -> None:
    change_profile(user_id=alice.pk, preferences={"defaultModel": "x", "reasoningEffort": "low"})
    save(as_alice, "chat", CHAT | {"default_model": "", "reasoning_effort": "low"})

    assert "defaultModel" not in stored(alice).preferences
    assert stored(alice).preferences["reasoningEffort"] == "low"


def test_too_large_preferences_are_refused_with_a_sentence(alice: User, as_alice: Client) -> None:
    change_profile(user_id=alice.pk, preferences={"notes": "x" * (16 * 1024 - 50)})
    response = save(as_alice, "chat", CHAT)

    assert b"at most 16 KiB" in response.content
    assert set(stored(alice).preferences) == {"notes"}


def test_mails_are_chosen(alice: User, as_alice: Client) -> None:
    assert stored(alice).wanted_mails == ["quota", "key"]
    save(as_alice, "mails", {"news": "on"})

    assert stored(alice).wanted_mails == [Mail.NEWS]
    assert b"always sent" in as_alice.get(reverse(PAGE)).content
    assert "wantedMails" not in as_alice.get("/api/profile").json()["data"]["profile"]


@pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
def test_the_plan_says_what_it_allows(alice: User, as_alice: Client) -> None:
    ModelAccess.objects.using("operator").create(provider="openai", model="gpt-5-pro", tier=Tier.PRO)
    page = as_alice.get(reverse(PAGE)).content.decode()
    assert "500 requests" in page
    assert "OpenAI: gpt-5-pro" in page

    User.objects.filter(pk=alice.pk).update(tier=Tier.PRO)
    page = signed_in(alice).get(reverse(PAGE)).content.decode()
    assert "50,000 requests" in page
    assert "gpt-5-pro" not in page


def test_a_pending_address_is_shown_sent_again_and_given_up(alice: User, as_alice: Client) -> None:
    EmailAddress.objects.create(user=alice, email="new@example.com")
    page = as_alice.get(reverse(PAGE)).content.decode()

    assert "new@example.com" in page
    assert 'name="action_send"' in page
    assert 'name="action_remove"' in page


def test_a_picture_is_taken_and_removed(alice: User, as_alice: Client) -> None:
    file = BytesIO()
    Image.new("RGB", (40, 20), "teal").save(file, "PNG")
    as_alice.post(reverse("accounts:avatar"), {"avatar": SimpleUploadedFile("me.png", file.getvalue())})
    shown = as_alice.get(reverse(PAGE)).content.decode()
    name = stored(alice).avatar.name
    as_alice.post(reverse("accounts:avatar-deletion"))

    assert name is not None
    assert name in shown
    assert not stored(alice).avatar


def test_a_picture_is_taken_in_place(alice: User, as_alice: Client) -> None:
    file = BytesIO()
    Image.new("RGB", (40, 20), "teal").save(file, "PNG")
    upload = {"avatar": SimpleUploadedFile("me.png", file.getvalue())}
    page = as_alice.post(reverse("accounts:avatar"), upload, **HTMX).content.decode()  # type: ignore[arg-type]  # of a dict

    assert "<html" not in page
    assert page.count(str(stored(alice).avatar.name)) >= 2, "in its place and in the navigation"


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_what_is_no_picture_is_refused_beside_its_field(headers: dict[str, Any], alice: User, as_alice: Client) -> None:
    upload = {"avatar": SimpleUploadedFile("me.png", b"no picture")}
    response = as_alice.post(reverse("accounts:avatar"), upload, **headers)

    assert b"must be a JPEG, PNG or WebP file" in response.content
    assert not stored(alice).avatar


def test_it_costs_the_same_for_everybody(as_alice: Client, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    as_alice.get(reverse(PAGE))
    # The session with its person; the profile; an address that waits; models of a higher plan; a transaction: 2.
    with django_assert_num_queries(6):
        as_alice.get(reverse(PAGE))
