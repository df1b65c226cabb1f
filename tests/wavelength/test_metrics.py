"""What is counted, told of all processes together, and to nobody else."""

import re
from collections.abc import Iterator
from urllib.request import Request, urlopen

import pytest
from django.conf import settings
from django.test import Client, override_settings

from accounts.models import User
from tests.conftest import make_person, signed_in
from tests.processes import Running, serve
from wavelength.metrics import SIGN_UPS

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


@pytest.fixture(scope="module")
def running(django_db_setup: None) -> Iterator[Running]:
    with serve(workers=2) as server:
        yield server


def told(running: Running) -> str:
    with urlopen(running.url + "/metrics") as response:
        return str(response.read().decode())


def value(text: str, name: str, **labels: str) -> float:
    for line in text.splitlines():
        if line.startswith(name) and all(f'{label}="{wanted}"' in line for label, wanted in labels.items()):
            return float(line.rpartition(" ")[2])
    return 0.0


def test_it_works_from_two_processes(running: Running, alice: User) -> None:
    cookie = signed_in(alice).cookies[settings.SESSION_COOKIE_NAME]
    labels = {"route": "/api/profile", "status": "2xx"}
    before = value(told(running), "wavelength_request_seconds_count", **labels)
    for _ in range(30):
        urlopen(Request(running.url + "/api/profile", headers={"Cookie": f"{cookie.key}={cookie.value}"})).close()

    # Whichever process answers tells of both.
    for _ in range(6):
        text = told(running)
        assert value(text, "wavelength_request_seconds_count", **labels) == before + 30
    assert value(text, "wavelength_database_queries_total", route="/api/profile") >= 30
    assert value(text, "wavelength_database_seconds_total", route="/api/profile") > 0
    assert value(text, "wavelength_database_up") == 1
    assert "wavelength_oldest_job_seconds" in text
    assert re.search(r'wavelength_jobs\{state="failed"\} 0', text)


def test_nobodys_id_or_address_is_in_it(running: Running, alice: User) -> None:
    cookie = signed_in(alice).cookies[settings.SESSION_COOKIE_NAME]
    urlopen(Request(running.url + "/security/", headers={"Cookie": f"{cookie.key}={cookie.value}"})).close()
    text = told(running)
    for personal in (str(alice.pk), alice.email, cookie.value, "127.0.0.1"):
        assert personal not in text


def test_who_is_not_allowed_finds_nothing(anonymous: Client) -> None:
    assert anonymous.get("/metrics", REMOTE_ADDR="203.0.113.9").status_code == 404
    with override_settings(METRICS_ALLOW_IPS=["203.0.113.0/24"]):
        assert anonymous.get("/metrics", REMOTE_ADDR="203.0.113.9").status_code == 200
        assert anonymous.get("/metrics", REMOTE_ADDR="127.0.0.1").status_code == 404


def test_what_people_do_is_counted(anonymous: Client) -> None:
    before = SIGN_UPS.labels("signup")._value.get()
    make_person("dora@example.com", "Dora")
    assert SIGN_UPS.labels("signup")._value.get() == before + 1
