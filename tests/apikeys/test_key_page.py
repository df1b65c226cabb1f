"""The keys page without a browser: what is stored, what is refused, what never comes back."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from apikeys.models import ApiKey
from apikeys.vault import keys_of, store_key
from wavelength.envelope import Secret

CANARY = "sk-proj-canary-0f3a5b7c9d1e2f4a6b8c"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def key(alice: User) -> ApiKey:
    return store_key(user_id=alice.pk, provider="openai", secret=Secret(CANARY), key_name="Work")


def test_it_works(alice: User, as_alice: Client) -> None:
    response = as_alice.post(
        reverse("apikeys:key-create"),
        {"provider": "openai", "api_key": f" {CANARY}\n", "key_name": "Work", "daily_limit": "50"},
        follow=True,
    )

    assert b"Your OpenAI key is stored." in response.content
    (stored,) = keys_of(alice.pk)
    assert (stored.key_name, stored.hint, stored.daily_limit, stored.monthly_limit) == ("Work", "6b8c", 50, None)
    assert CANARY.encode() not in response.content


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
    fields: dict[str, str], sentence: str, key: ApiKey, alice: User, as_alice: Client
) -> None:
    response = as_alice.post(reverse("apikeys:key-create"), {"provider": "openai", "key_name": "Work"} | fields)

    page = response.content.decode()
    assert sentence in page
    assert not fields["api_key"] or fields["api_key"] not in page
    assert f'value="{fields.get("key_name", "Work")}"' in page
    assert len(keys_of(alice.pk)) == 1


def test_an_address_changes_only_with_the_key(key: ApiKey, alice: User, as_alice: Client) -> None:
    as_alice.post(
        reverse("apikeys:key-replace", args=[key.pk]),
        {"api_key": "sk-proj-next-0f3a5b7c9d1e2f4a9999", "base_url": "https://proxy.example.com/v1"},
    )

    (stored,) = keys_of(alice.pk)
    assert (stored.hint, stored.base_url) == ("9999", "https://proxy.example.com/v1")


def test_htmx_gets_the_list_alone_and_is_told_to_close_the_dialog(key: ApiKey, as_alice: Client) -> None:
    response = as_alice.post(reverse("apikeys:key-edit", args=[key.pk]), {"key_name": "Home"}, headers=HTMX)

    page = response.content.decode()
    assert "<html" not in page
    assert page.count('id="keys"') == 1
    assert "Home" in page
    assert 'hx-swap-oob="beforeend"' in page
    assert response["HX-Retarget"] == "#keys"
    assert "dialog:done" in response["HX-Trigger-After-Swap"]


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
