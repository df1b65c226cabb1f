"""Mails to people whose limits come to be used up."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from smtplib import SMTPServerDisconnected
from uuid import UUID

import pytest
from django.db import connections
from pytest_django import Settings

from accounts import mails
from accounts.deactivation import deactivate
from accounts.due import people_due
from accounts.models import Mail, User
from accounts.profile import change_profile
from tests.servers.smtp import Letter, MailServer
from tests.usage.calling import allow, counted_key, narrow
from usage import metering, quotas
from usage.models import Period, QuotaNotice
from usage.quota_mails import news_of_quotas
from usage.tasks import mail_quotas
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


@pytest.fixture
def post(settings: Settings) -> Iterator[MailServer]:
    with MailServer() as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        settings.SITE_URL = "https://account.example.com"
        yield server


def use(person: User, requests: int, *, provider: str = "openai") -> None:
    metering.record_usage(
        user_id=person.pk, provider=provider, model="made-up", requests=requests, input_tokens=1, cost=Decimal("0.01")
    )


def run(*, everyone: bool = False) -> None:
    mail_quotas(0 if everyone else 300)


def subjects(post: MailServer) -> list[str]:
    return [letter.subject for letter in post.letters]


def a_day_passes() -> None:
    """What was counted, and told, of today's limits becomes yesterday's."""
    day = "interval '1 day'"
    with connections["owner"].cursor() as cursor:
        cursor.execute(f"UPDATE usage_quotanotice SET ends_at = ends_at - {day}")
        cursor.execute(
            f"""UPDATE usage_quotawindow w SET starts_at = starts_at - {day}, ends_at = ends_at - {day}
                  FROM usage_quotalimit l WHERE l.id = w.limit_id AND l.period = 'daily'"""
        )
        cursor.execute(f"UPDATE usage_usagerecord SET hour = hour - {day}")


def test_each_step_is_told_once_in_a_window(alice: User, bob: User, post: MailServer) -> None:
    allow(alice, request_limit=10)
    use(alice, 7)
    run()
    assert subjects(post) == []

    use(alice, 1)
    run()
    run()
    assert subjects(post) == ["A quota of yours runs low"]
    assert "80 % or more is used" in post.letters[0].text
    assert "8 of 10" in post.letters[0].text
    assert post.letters[0].recipients == ("alice@example.com",)

    use(alice, 2)
    run()
    run()
    use(alice, 5)
    run()
    assert subjects(post)[1:] == ["A quota of yours is used up"]

    a_day_passes()
    run()
    use(alice, 9)
    run()
    run()
    assert subjects(post)[2:] == ["A quota of yours runs low"]
    assert list(people_due("quota_mails")) == []


def test_what_is_used_up_at_once_is_told_once(alice: User, post: MailServer) -> None:
    allow(alice, request_limit=10)
    use(alice, 10)
    run()
    run()
    assert subjects(post) == ["A quota of yours is used up"]


@pytest.mark.parametrize("period", Period)
def test_budgets_of_ones_own_count(period: Period, alice: User, post: MailServer) -> None:
    quotas.set_budget(user_id=alice.pk, period=period, provider="openai", cost=Decimal("0.01"))
    use(alice, 1, provider="anthropic")
    run()
    assert subjects(post) == []

    use(alice, 1)
    run()
    assert subjects(post) == ["A quota of yours is used up"]
    assert "OpenAI (your budget)" in post.letters[0].text


def test_several_limits_are_one_mail(alice: User, post: MailServer) -> None:
    allow(alice, request_limit=10)
    narrow(alice, "openai", request_limit=5)
    narrow(alice, "anthropic", request_limit=5)
    use(alice, 9)
    run()
    assert subjects(post) == ["A quota of yours is used up"]
    assert post.letters[0].text.count("renews") == 2


def test_limits_of_single_keys_and_unused_ones_are_no_news(alice: User, post: MailServer) -> None:
    key = counted_key(alice, request_limit=1)
    narrow(alice, "anthropic", request_limit=0)
    metering.record_usage(user_id=alice.pk, provider="openai", model="m", input_tokens=1, api_key_id=UUID(key))
    run(everyone=True)
    assert subjects(post) == []
    assert list(people_due("quota_mails")) == []


def test_who_wants_none_or_is_away_gets_none(alice: User, bob: User, post: MailServer) -> None:
    for person in (alice, bob):
        allow(person, request_limit=1)
        use(person, 1)
    change_profile(user_id=alice.pk, wanted_mails=[Mail.KEY])
    deactivate(user_id=bob.pk)
    run()
    assert subjects(post) == []

    change_profile(user_id=alice.pk, wanted_mails=[Mail.QUOTA])
    run()
    assert subjects(post) == ["A quota of yours is used up"]


def test_it_speaks_the_persons_language_and_time(alice: User, post: MailServer) -> None:
    change_profile(user_id=alice.pk, language="de", timezone="Asia/Tokyo")
    allow(alice, cost_limit=Decimal("0.01"))
    use(alice, 1)
    run()

    [letter] = post.letters
    assert letter.subject == "Eines deiner Kontingente ist aufgebraucht"
    assert "0,01 $ von 0,01 $" in letter.text.replace("\xa0", " ")
    assert "00:00" in letter.text
    assert "Hello" not in letter.text


def test_usage_that_is_told_late_is_found_by_the_hourly_look(alice: User, post: MailServer) -> None:
    allow(alice, request_limit=1)
    use(alice, 1)
    with connections["owner"].cursor() as cursor:
        cursor.execute("UPDATE usage_usagerecord SET hour = hour - interval '5 hours'")
    run()
    assert subjects(post) == []
    run(everyone=True)
    assert subjects(post) == ["A quota of yours is used up"]


def test_what_the_server_does_not_take_now_is_sent_later(alice: User, bob: User, post: MailServer) -> None:
    for person in (alice, bob):
        allow(person, request_limit=10)
        use(person, 8)
    post.refusals["alice@example.com"] = "450 Come back later"
    run()
    assert [letter.recipients for letter in post.letters] == [("bob@example.com",)]

    post.refusals.clear()
    use(alice, 2)
    run()
    assert subjects(post)[1:] == ["A quota of yours is used up"]


def test_what_the_server_never_takes_is_not_tried_again(
    alice: User, post: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    allow(alice, request_limit=1)
    use(alice, 1)
    post.refusals["alice@example.com"] = "550 No such mailbox alice@example.com"
    run()
    assert "status 550" in caplog.text
    assert "alice@example.com" not in caplog.text
    assert list(people_due("quota_mails")) == []


def test_while_the_mail_server_is_away_nothing_is_lost(alice: User, post: MailServer, settings: Settings) -> None:
    allow(alice, request_limit=10)
    use(alice, 8)
    settings.EMAIL_PORT = 1
    with pytest.raises(OSError, match="refused"):
        run()

    settings.EMAIL_PORT = post.port
    run()
    assert subjects(post) == ["A quota of yours runs low"]


def test_a_connection_that_ends_midway_loses_nothing(alice: User, bob: User, post: MailServer) -> None:
    for person in (alice, bob):
        allow(person, request_limit=1)
        use(person, 1)
    post.refusals["alice@example.com"] = "421 Closing down"
    with pytest.raises(SMTPServerDisconnected):
        run()
    assert post.letters == []

    post.refusals.clear()
    run()
    assert len(post.letters) == 2


def test_a_kill_between_claim_and_mail_sends_nothing_twice(alice: User, post: MailServer) -> None:
    allow(alice, request_limit=1)
    use(alice, 1)
    assert news_of_quotas(alice.pk) is not None  # and here the process is gone

    run()
    assert subjects(post) == []


def test_what_is_given_back_is_what_was_told_before(alice: User) -> None:
    allow(alice, request_limit=10)
    use(alice, 8)
    assert news_of_quotas(alice.pk) is not None
    use(alice, 2)
    news = news_of_quotas(alice.pk)
    assert news is not None
    news.give_back()

    with tenant(alice.pk):
        assert [notice.level for notice in QuotaNotice.objects.all()] == [80]
    assert news_of_quotas(alice.pk) is not None


def test_two_workers_write_once(alice: User, post: MailServer) -> None:
    allow(alice, request_limit=1)
    use(alice, 1)

    def work(_worker: int) -> None:
        try:
            run()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert subjects(post) == ["A quota of yours is used up"]


def test_a_run_has_an_end(alice: User, bob: User, post: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for person in (alice, bob):
        allow(person, request_limit=1)
        use(person, 1)
    monkeypatch.setattr(mails, "MOST", 1)
    run()
    assert len(post.letters) == 1
    run()
    assert len(post.letters) == 2


def test_the_mail_says_how_to_have_no_more(alice: User, post: MailServer) -> None:
    allow(alice, request_limit=1)
    use(alice, 1)
    run()

    [letter] = post.letters
    address = _unsubscribe(letter)
    assert letter.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert address.startswith("https://account.example.com/mails/")
    assert address in letter.text
    assert "alice" not in address


def _unsubscribe(letter: Letter) -> str:
    return str(letter.message["List-Unsubscribe"]).strip(" <>")
