"""`/readyz`: a line for each part, and 503 while one is not ready."""

import os
from urllib.error import HTTPError
from urllib.request import urlopen

import psycopg
import pytest
from django.db import connections
from django.test import Client, override_settings

from tests.processes import serve

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


def parts(client: Client) -> tuple[int, dict[str, str]]:
    response = client.get("/readyz")
    lines = response.content.decode().splitlines()
    return response.status_code, dict(line.split(": ", 1) for line in lines)


def beat(seconds_ago: int) -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_workers")
        cursor.execute(
            "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - make_interval(secs => %s))",
            [seconds_ago],
        )


def test_it_works(anonymous: Client) -> None:
    beat(5)
    assert parts(anonymous) == (
        200, {"database": "ok", "migrations": "ok", "key ring and role": "ok", "worker": "ok"},
    )  # fmt: skip


def test_a_worker_that_fell_silent_is_named(anonymous: Client) -> None:
    beat(300)
    status, found = parts(anonymous)
    assert status == 503
    assert "start `manage.py worker`" in found["worker"]
    assert found["database"] == "ok"


def test_no_worker_is_named(anonymous: Client) -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_workers")
    assert "none is running" in parts(anonymous)[1]["worker"]


def test_a_missing_ring_key_is_named(anonymous: Client, alice: object) -> None:
    beat(5)
    with override_settings(API_KEY_ENCRYPTION_KEY="fedcba9876543210" * 4):
        status, found = parts(anonymous)
    assert status == 503
    assert "which is not configured" in found["key ring and role"]


def test_a_database_that_is_away_is_named_and_health_goes_on(db: None) -> None:
    name = str(connections["default"].settings_dict["NAME"])
    with serve() as running, psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as superuser:
        connections.close_all()
        superuser.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        try:
            superuser.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
            with pytest.raises(HTTPError) as refused:
                urlopen(running.url + "/readyz")
            assert refused.value.code == 503
            assert refused.value.headers["Retry-After"] == "10"
            assert b"database: cannot be reached" in refused.value.read()
            with urlopen(running.url + "/healthz") as response:
                assert response.status == 200
        finally:
            superuser.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
