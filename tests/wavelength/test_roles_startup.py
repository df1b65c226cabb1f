"""A process does not start with a database role that could pass the policies by."""

import logging
import os
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from pytest_django import Settings

from wavelength.startup import refuse_unsafe

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


@pytest.fixture
def as_superuser(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """DATABASE_URL says the owner's name and password."""
    owner = urlsplit(os.environ["DATABASE_OWNER_URL"])
    connections["default"].close()
    with monkeypatch.context() as patch:
        patch.setitem(connections["default"].settings_dict, "USER", unquote(owner.username or ""))
        patch.setitem(connections["default"].settings_dict, "PASSWORD", unquote(owner.password or ""))
        yield
        connections["default"].close()


def test_it_works() -> None:
    refuse_unsafe()


@pytest.mark.usefixtures("as_superuser")
def test_a_superuser_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="can pass row-level security by: it is a superuser"):
        refuse_unsafe()


@pytest.mark.usefixtures("as_superuser")
def test_a_superuser_is_warned_of_while_developing(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.DEBUG = True
    with caplog.at_level(logging.WARNING, "wavelength.startup"):
        refuse_unsafe()
    assert "can pass row-level security by" in caplog.text


def test_a_database_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    connections["default"].close()
    with monkeypatch.context() as patch:
        patch.setitem(connections["default"].settings_dict, "PASSWORD", "a wrong password")
        with pytest.raises(ImproperlyConfigured, match="The database in DATABASE_URL cannot be used") as refused:
            refuse_unsafe()
    assert "a wrong password" not in str(refused.value)
