"""The keys page without a browser: what is stored, what is refused, what never comes back."""

from typing import Any
from unittest import mock

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.models import User
from apikeys.models import ApiKey
from apikeys.providers import provider_named
from apikeys.vault import keys_of, store_key
from apikeys.wording import in_words
from tests.apikeys.conftest import SECRETS
from tests.servers.providers import Mode, ProviderServer
from wavelength.envelope import Secret

# The local provider takes it, but for what only has to look like a key.
CANARY = SECRETS["openai"]
HTMX = {"HX-Request": "true", "HX-Current-URL": "http://testserver/keys/"}
pytestmark = pytest.mark.usefixtures("openai")


@pytest.fixture
def key(alice: User) -> ApiKey:
    return store_key(user_id=alice.pk, provider="openai", secret=Secret(CANARY), key_name="Work")


def test_it_works(alice: User, as_alice: Client, openai: ProviderServer) -> None:
    response = as_alice.post(
        reverse("apikeys:key-create"),
        {"provider": "openai", "api_key": f" {CANARY}\n", "key_name": "Work", "daily_limit": "50"},
        follow=True,
    )

    assert b"Your OpenAI key is stored. It works." in response.content
    (stored,) = keys_of(alice.pk)
    assert (stored.key_name, stored.hint, stored.daily_limit, stored.monthly_limit) == ("Work", "6b8c", 50, None)
    assert (stored.is_valid, stored.validation_error, stored.last_validated is not None) == (True, None, True)
    assert CANARY.encode() not in response.content
    assert openai.seen_keys == [CANARY]


def test_the_page_says_where_each_key_is_made(as_alice: Client) -> None:
    page = as_alice.get(reverse("apikeys:key-create")).content.decode()

    for place in ("openrouter.ai/settings/keys", "platform.openai.com/api-keys", "aistudio.google.com/apikey"):
        assert f'<a href="https://{place}" target="_blank" rel="noopener noreferrer">' in page


def test_the_list_asks_as_often_however_long_it_is(
    key: ApiKey, alice: User, as_alice: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(6):
        store_key(user_id=alice.pk, provider="xai", secret=Secret(f"xai-another-{number}"), key_name=f"{number}")

    with django_assert_max_num_queries(7):
        page = as_alice.get(reverse("apikeys:key-list")).content.decode()

    assert page.count('<li id="key-') == 7


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_key_is_tried_without_being_stored(
    headers: dict[str, str], alice: User, as_alice: Client, openai: ProviderServer
) -> None:
    fields = {"provider": "openai", "api_key": f" {CANARY}", "key_name": "Work", "daily_limit": "7"}
    response = as_alice.post(reverse("apikeys:key-trial"), fields, headers=headers)

    page = response.content.decode()
    assert "OpenAI accepts this key." in page
    assert ('value="Work"' in page, 'value="7"' in page, CANARY in page) == (True, True, False)
    assert ("Paste the key again" in page, "<html" in page) == (not headers, not headers)
    assert (keys_of(alice.pk), openai.seen_keys) == ([], [CANARY])


def test_a_trial_tells_a_refusal_and_a_fault(as_alice: Client, alice: User, openai: ProviderServer) -> None:
    def tried(secret: str) -> str:
        fields = {"provider": "openai", "api_key": secret}
        return as_alice.post(reverse("apikeys:key-trial"), fields, headers=HTMX).content.decode()

    assert "OpenAI does not know this key." in tried("sk-proj-wrong-0f3a5b7c9d1e2f4a")
    assert "This looks like a key for Anthropic" in tried("sk-ant-0f3a5b7c9d1e2f4a6b8c")
    openai.mode = "broken"
    assert "has a fault (500)" in tried(CANARY)
    assert "This field is required." in tried("")
    assert keys_of(alice.pk) == []


def test_a_refused_key_is_stored_only_by_a_second_step(alice: User, as_alice: Client) -> None:
    fields = {"provider": "openai", "api_key": "sk-proj-wrong-0f3a5b7c9d1e2f4a", "key_name": "Work"}
    asked = as_alice.post(reverse("apikeys:key-create"), fields).content.decode()

    assert "OpenAI does not know this key." in asked
    assert 'name="anyway"' in asked
    assert (fields["api_key"] in asked, keys_of(alice.pk)) == (False, [])

    answer = as_alice.post(reverse("apikeys:key-create"), fields | {"anyway": "yes"}, follow=True)

    (stored,) = keys_of(alice.pk)
    assert (stored.is_valid, stored.last_validated is not None) == (False, True)
    assert "OpenAI does not know this key." in str(stored.validation_error)
    assert "Your OpenAI key is stored. OpenAI does not know this key." in answer.content.decode()


@pytest.mark.parametrize("mode", ["broken", "limited", "garbage"])
def test_a_key_that_cannot_be_checked_is_stored_as_such(
    mode: Mode, alice: User, as_alice: Client, openai: ProviderServer
) -> None:
    openai.mode = mode
    as_alice.post(reverse("apikeys:key-create"), {"provider": "openai", "api_key": CANARY})

    (stored,) = keys_of(alice.pk)
    assert (stored.is_valid, stored.last_validated) == (None, None)
    assert "OpenAI" in str(stored.validation_error)


def test_replacing_asks_the_provider_too(key: ApiKey, alice: User, as_alice: Client, openai: ProviderServer) -> None:
    address, wrong = reverse("apikeys:key-replace", args=[key.pk]), {"api_key": "sk-proj-wrong-0f3a5b7c9d1e2f4a9999"}
    asked = as_alice.post(address, wrong).content.decode()

    assert 'name="anyway"' in asked
    assert keys_of(alice.pk)[0].hint == "6b8c"
    tried = as_alice.post(reverse("apikeys:key-replacement-trial", args=[key.pk]), wrong).content.decode()
    assert "OpenAI does not know this key." in tried
    assert keys_of(alice.pk)[0].hint == "6b8c"
    as_alice.post(address, wrong | {"anyway": "yes"})
    (stored,) = keys_of(alice.pk)
    assert (stored.hint, stored.is_valid) == ("9999", False)

    openai.keys.add("sk-proj-right-0f3a5b7c9d1e2f4a8888")
    as_alice.post(address, {"api_key": "sk-proj-right-0f3a5b7c9d1e2f4a8888"})
    (stored,) = keys_of(alice.pk)
    assert (stored.hint, stored.is_valid, stored.validation_error) == ("8888", True, None)


def test_what_a_provider_said_is_told_in_the_language_of_the_page() -> None:
    openai = provider_named("openai")
    catalog = {
        "%(provider)s does not know this key. Check that it was copied whole and not revoked.": "%(provider)s: nein.",
        "%(provider)s has a fault (%(status)s), so the key could not be checked. Try again later.": "%(status)s!",
        "%(provider)s could not be asked.": "%(provider)s schweigt.",
        "It did not answer in time. Try again later.": "Zu langsam.",
    }
    with mock.patch("apikeys.wording.gettext", lambda text: catalog.get(text, text)):
        for kept, told in (
            ("OpenAI does not know this key. Check that it was copied whole and not revoked.", "OpenAI: nein."),
            ("OpenAI has a fault (503), so the key could not be checked. Try again later.", "503!"),
            ("OpenAI could not be asked. It did not answer in time. Try again later.", "OpenAI schweigt. Zu langsam."),
            ("From another time.", "From another time."),
        ):
            assert in_words(kept, openai) == told


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"api_key": "short"}, "A key has 8 to 512 characters."),
        ({"api_key": "sk-ant-0f3a5b7c9d1e2f4a6b8c"}, "This looks like a key for Anthropic"),
        ({"api_key": CANARY, "key_name": "Other"}, "You have already stored this key."),
        ({"api_key": "sk-proj-another-0f3a5b7c9d1e"}, "You already have a key of this name"),
        ({"api_key": ""}, "This field is required."),
        ({"api_key": "sk-proj-another-0f3a5b7c9d1e", "daily_limit": "0"}, "greater than or equal to 1"),
        ({"api_key": "sk-proj-another-0f3a5b7c9d1e", "provider": "mistral"}, "Select a valid choice"),
        ({"api_key": "sk-proj-another-0f3a5b7c9d1e", "base_url": "ftp://x"}, "errorlist"),
    ],
)
def test_a_refusal_is_a_sentence_and_echoes_no_secret(
    fields: dict[str, str], sentence: str, key: ApiKey, alice: User, as_alice: Client, openai: ProviderServer
) -> None:
    openai.keys.add("sk-proj-another-0f3a5b7c9d1e")
    response = as_alice.post(reverse("apikeys:key-create"), {"provider": "openai", "key_name": "Work"} | fields)

    page = response.content.decode()
    assert sentence in page
    assert not fields["api_key"] or fields["api_key"] not in page
    assert f'value="{fields.get("key_name", "Work")}"' in page
    assert len(keys_of(alice.pk)) == 1


def test_an_address_changes_only_with_the_key(
    key: ApiKey, alice: User, as_alice: Client, openai: ProviderServer, settings: Settings
) -> None:
    settings.ALLOW_PRIVATE_PROVIDER_ADDRESSES = True
    openai.keys.add("sk-proj-next-0f3a5b7c9d1e2f4a9999")
    as_alice.post(
        reverse("apikeys:key-replace", args=[key.pk]),
        {"api_key": "sk-proj-next-0f3a5b7c9d1e2f4a9999", "base_url": openai.base_url},
    )

    (stored,) = keys_of(alice.pk)
    assert (stored.hint, stored.base_url, stored.is_valid) == ("9999", openai.base_url, True)


def test_htmx_gets_the_list_alone_and_is_told_to_close_the_dialog(key: ApiKey, as_alice: Client) -> None:
    response = as_alice.post(reverse("apikeys:key-edit", args=[key.pk]), {"key_name": "Home"}, headers=HTMX)

    page = response.content.decode()
    assert "<html" not in page
    assert page.count('id="keys"') == 1
    assert "Home" in page
    assert 'hx-swap-oob="beforeend"' in page
    assert response["HX-Retarget"] == "#keys"
    assert "dialog:done" in response["HX-Trigger-After-Swap"]


def test_htmx_goes_to_the_list_from_a_page_that_has_none(key: ApiKey, as_alice: Client) -> None:
    here = {"HX-Request": "true", "HX-Current-URL": f"http://testserver/keys/{key.pk}/"}
    response = as_alice.post(reverse("apikeys:key-edit", args=[key.pk]), {"key_name": "Home"}, headers=here)

    assert response["HX-Redirect"] == "/keys/"


def test_htmx_gets_a_refused_form_alone(key: ApiKey, as_alice: Client) -> None:
    response = as_alice.post(reverse("apikeys:key-create"), {"provider": "openai", "api_key": "x"}, headers=HTMX)

    page = response.content.decode()
    assert "<html" not in page
    assert 'aria-invalid="true"' in page
    assert "HX-Retarget" not in response


def test_deleting_asks_first(key: ApiKey, alice: User, as_alice: Client) -> None:
    address = reverse("apikeys:key-deletion", args=[key.pk])
    asked = as_alice.get(address)

    assert b"It cannot be brought back" in asked.content
    assert len(keys_of(alice.pk)) == 1
    as_alice.post(address)
    assert keys_of(alice.pk) == []
