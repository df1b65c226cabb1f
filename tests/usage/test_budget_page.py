"""Budgets on the usage page: set, changed and removed, in a dialog or on a page of their own."""

import re
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from tests.usage.calling import narrow
from usage import quotas
from usage.models import Period
from usage.quotas import Quota

pytestmark = pytest.mark.django_db

URL, REMOVAL, PAGE = "/usage/budgets/new/", "/usage/budgets/removal/", "/usage/"
HTMX = {"HX-Request": "true"}


def own(person: User) -> list[tuple[str, str, int | None, Decimal | None]]:
    """The budgets that are set: period, provider, tokens and cost."""
    found: list[Quota] = quotas.quotas_of(user_id=person.pk)
    return [
        (quota.period, quota.provider, quota.own_token_limit, quota.own_cost_limit)
        for quota in found
        if quota.own_token_limit is not None or quota.own_cost_limit is not None
    ]


def text(response: Any) -> str:
    return " ".join(response.content.decode().split())


def test_it_works(as_alice: Client, alice: User) -> None:
    assert "Set budget" in text(as_alice.get(URL))
    response = as_alice.post(URL, {"period": "monthly", "provider": "", "cost": "12.50", "tokens": ""})
    assert (response.status_code, response["Location"]) == (302, f"{PAGE}#quotas")
    assert own(alice) == [("monthly", "", None, Decimal("12.5"))]
    page = text(as_alice.get(PAGE))
    assert "Your budget is set." in page
    assert "$0.00 of $12.50" in page
    assert page.count("your budget") == 1
    response = as_alice.post(REMOVAL, {"period": "monthly", "provider": ""})
    assert (response.status_code, response["Location"]) == (302, f"{PAGE}#quotas")
    assert own(alice) == []
    page = text(as_alice.get(PAGE))
    assert "Your budget is removed." in page
    assert "your budget" not in page


def test_with_a_provider_and_both_figures(as_alice: Client, alice: User) -> None:
    as_alice.post(URL, {"period": "daily", "provider": "anthropic", "cost": "0.000000000001", "tokens": "5000"})
    assert own(alice) == [("daily", "anthropic", 5000, Decimal("1e-12"))]
    page = text(as_alice.get(PAGE))
    assert "A day · <bdi>Anthropic</bdi>" in page
    assert f'href="{URL}?period=daily&amp;provider=anthropic"' in page


def test_it_is_changed_from_what_it_is(as_alice: Client, alice: User) -> None:
    quotas.set_budget(user_id=alice.pk, period=Period.DAILY, provider="xai", cost=Decimal("2.50"))
    form = text(as_alice.get(URL, {"period": "daily", "provider": "xai"}))
    assert 'name="cost" value="2.5"' in form
    assert '<option value="xai" selected>' in form
    assert '<option value="daily" selected>' in form
    as_alice.post(URL, {"period": "daily", "provider": "xai", "cost": "", "tokens": "7"})
    assert own(alice) == [("daily", "xai", 7, None)]


def test_a_removal_can_be_undone(as_alice: Client, alice: User) -> None:
    quotas.set_budget(user_id=alice.pk, period=Period.DAILY, provider="xai", cost=Decimal("1e-12"), tokens=70_000)
    before = own(alice)
    page = text(as_alice.post(REMOVAL, {"period": "daily", "provider": "xai"}, headers=HTMX))
    assert own(alice) == []
    undo = page.partition(f'<form action="{URL}"')[2].partition("</form>")[0]
    assert ">Undo</button>" in undo
    fields = dict(re.findall(r'name="(period|provider|tokens|cost)" value="([^"]*)"', undo))
    assert as_alice.post(URL, fields).status_code == 302
    assert own(alice) == before


def test_htmx_gets_the_form_and_then_the_quotas(as_alice: Client, alice: User) -> None:
    response = as_alice.get(URL, headers=HTMX)
    assert text(response).startswith('<div class="dialog-panel">')
    response = as_alice.post(URL, {"period": "daily", "tokens": "0"}, headers=HTMX)
    assert response["HX-Retarget"] == "#dialog"
    assert text(response).startswith('<div class="dialog-panel">')
    response = as_alice.post(URL, {"period": "daily", "tokens": "5"}, headers=HTMX)
    assert (response["HX-Retarget"], response["HX-Reswap"]) == ("#quotas", "outerHTML")
    assert "dialog:done" in response["HX-Trigger-After-Swap"]
    assert text(response).startswith('<section class="card" id="quotas"')
    assert "0 of 5<" in text(response)
    assert "Your budget is set." in text(response)
    response = as_alice.post(REMOVAL, {"period": "daily", "provider": ""}, headers=HTMX)
    assert text(response).startswith('<section class="card" id="quotas"')
    assert "0 of 100,000" in text(response)
    assert "Your budget is removed." in text(response)
    assert own(alice) == []


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({}, "Say how much it may cost, how many tokens it may take, or both."),
        ({"cost": "0"}, "A budget of cost is more than $0 and at most $1,000,000,000."),
        ({"cost": "-1"}, "A budget of cost is more than $0"),
        ({"cost": "1e9"}, "You may spend $50 a month. Choose a budget up to that."),
        ({"cost": "50.01"}, "You may spend $50 a month. Choose a budget up to that."),
        ({"cost": "NaN"}, "Enter a number."),
        ({"cost": "much"}, "Enter a number."),
        ({"tokens": "0"}, "A budget of tokens is a whole number from 1 to"),
        ({"tokens": "1000001"}, "You may use 1,000,000 tokens a month. Choose a budget up to that."),
        ({"tokens": "1.5"}, "Enter a whole number."),
        ({"tokens": "1,00"}, "Enter a whole number."),
        ({"tokens": "1,000.000"}, "Enter a whole number."),
        ({"tokens": "9" * 30}, "Ensure this value is less than or equal to"),
        ({"tokens": "11", "provider": "openai", "period": "daily"}, "You may use 10 tokens of OpenAI a day."),
        ({"tokens": "5", "provider": "nobody"}, "Select a valid choice."),
        ({"tokens": "5", "period": "weekly"}, "Select a valid choice."),
    ],
)
def test_bad_input_says_why_and_stays(as_alice: Client, alice: User, said: dict[str, str], words: str) -> None:
    narrow(alice, "openai", token_limit=10)
    response = as_alice.post(URL, {"period": "monthly", "provider": "", "cost": "", "tokens": "", **said})
    page = text(response)
    assert response.status_code == 200
    assert words in page
    assert 'aria-invalid="true"' in page
    for name in ("cost", "tokens"):
        if said.get(name):
            assert f'name="{name}" value="{said[name]}"' in page
    assert own(alice) == []


@pytest.mark.parametrize("written", ["1,000", "1.000", "1 000", "1000", " 1000 "])
def test_tokens_may_be_written_in_groups(as_alice: Client, alice: User, written: str) -> None:
    as_alice.post(URL, {"period": "monthly", "tokens": written, "cost": ""})
    assert own(alice) == [("monthly", "", 1000, None)]


def test_removing_what_is_not_there_changes_nothing(as_alice: Client, alice: User) -> None:
    before = quotas.quotas_of(user_id=alice.pk)
    response = as_alice.post(REMOVAL, {"period": "daily", "provider": "openai"}, headers=HTMX)
    assert "There was no such budget any more." in text(response)
    for wrong in ({}, {"period": "weekly"}, {"period": "daily", "provider": "x" * 201}):
        assert as_alice.post(REMOVAL, wrong).status_code == 302
    assert quotas.quotas_of(user_id=alice.pk) == before


def test_another_persons_budget_is_theirs(as_bob: Client, alice: User) -> None:
    quotas.set_budget(user_id=alice.pk, period=Period.DAILY, provider="xai", tokens=9)
    assert "xai</bdi>" not in text(as_bob.get(PAGE))
    as_bob.post(REMOVAL, {"period": "daily", "provider": "xai"})
    as_bob.post(URL, {"period": "daily", "provider": "xai", "tokens": "8", "cost": ""})
    assert own(alice) == [("daily", "xai", 9, None)]


@pytest.mark.parametrize("url", [URL, REMOVAL])
def test_who_is_not_signed_in_is_sent_to_sign_in(anonymous: Client, url: str) -> None:
    assert anonymous.post(url, {"period": "daily"})["Location"].startswith(reverse("account_login"))


def test_another_method_is_refused(as_alice: Client) -> None:
    assert as_alice.get(REMOVAL).status_code == 405
    assert as_alice.put(URL).status_code == 405
