"""The suite's cast and its database.

Alice owns things, Bob is somebody else, Charlie is an outsider, Olga administers. The suite connects as ``wl_app`` and
``wl_operator``; only the schema's set-up and the flush of transactional tests use the owner.
"""

import os
from collections.abc import Callable, Iterator
from functools import cache
from io import StringIO
from time import time
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.cache import caches
from django.core.management import CommandError, call_command
from django.db import OperationalError, connections
from django.test import Client, TransactionTestCase
from django.test.utils import setup_databases, teardown_databases
from pytest_django import DjangoDbBlocker

from accounts.models import User
from accounts.people import create_person
from tests.database import prepare_roles
from wavelength import limits
from wavelength.sharing import shared

PASSWORD = "correct horse battery staple"
TOTP_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
FLUSHES = 5


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: DjangoDbBlocker, request: pytest.FixtureRequest) -> Iterator[None]:
    """A database of the owner's own, migrated and granted; ``default`` and ``operator`` mirror its name."""
    with django_db_blocker.unblock():
        worker = getattr(request.config, "workerinput", {}).get("workerid", "")
        if worker:
            settings.DATABASES["owner"]["TEST"]["NAME"] = f"test_wavelength_{worker}"
        call_command("setup_database", verbosity=0, stdout=StringIO())
        prepare_roles(os.environ["DATABASE_OWNER_URL"])
        old = setup_databases(verbosity=0, interactive=False, aliases=dict.fromkeys(["owner", "default", "operator"]))
        call_command("setup_database", verbosity=0, stdout=StringIO())
    yield
    with django_db_blocker.unblock():
        shared.close()
        connections.close_all()
        teardown_databases(old, verbosity=0)


@pytest.fixture(autouse=True)
def _clean_cache() -> None:
    limits.forget()
    shared.reset()
    caches["process"].clear()


@pytest.fixture(scope="session", autouse=True)
def _flush_beside_servers() -> Iterator[None]:
    """A served page may still be asking while its test is flushed away: who loses a deadlock flushes again."""
    flush: Callable[[TransactionTestCase], None] = vars(TransactionTestCase)["_fixture_teardown"]

    def patiently(case: TransactionTestCase) -> None:
        for _ in range(FLUSHES - 1):
            try:
                flush(case)
            except CommandError as failed:
                if not (isinstance(failed.__cause__, OperationalError) and "deadlock" in str(failed.__cause__)):
                    raise
            else:
                return
        flush(case)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", patiently)
        yield


@cache
def hashed_password() -> str:
    """Hashed once: the cost that protects a person would be paid for each of the cast in each test."""
    return make_password(PASSWORD)


def make_person(email: str, name: str) -> User:
    """A person who signed up and confirmed their address."""
    user = User(email=email, name=name)
    user.password = hashed_password()
    create_person(user, way="signup")
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    return user


@pytest.fixture
def alice(db: None) -> User:
    return make_person("alice@example.com", "Alice")


@pytest.fixture
def bob(db: None) -> User:
    return make_person("bob@example.com", "Bob")


@pytest.fixture
def charlie(db: None) -> User:
    return make_person("charlie@example.com", "Charlie")


@pytest.fixture
def olga(db: None) -> User:
    """An administrator."""
    person = make_person("olga@example.com", "Olga")
    person.is_staff = True
    person.save(update_fields=["is_staff"])
    return person


def signed_in(person: User, *, second_factor: bool = True) -> Client:
    """A browser in which this person is signed in; an administrator with the second factor that the admin wants."""
    client = Client()
    client.force_login(person, backend=settings.AUTHENTICATION_BACKENDS[0])
    if second_factor and User.objects.filter(pk=person.pk, is_staff=True).exists():
        factor = Authenticator.objects.filter(user=person).first() or TOTP.activate(person, TOTP_SECRET).instance
        _remember_way_in(client, person, method="mfa", id=factor.pk)
    return client


def just_signed_in(person: User) -> Client:
    """A browser in which this person signed in a moment ago, as the form leaves it."""
    client = signed_in(person, second_factor=False)
    _remember_way_in(client, person, method="password")
    return client


def _remember_way_in(client: Client, person: User, **way: Any) -> None:
    session = client.session
    session["account_authentication_methods"] = [{**way, "at": time()}]
    session["account_authentication_methods_user"] = str(person.pk)
    session.save()


def administering(person: User) -> Client:
    """A browser in which this person is signed in as an administrator."""
    User.objects.filter(pk=person.pk).update(is_staff=True)
    return signed_in(person)


@pytest.fixture
def as_alice(alice: User) -> Client:
    return signed_in(alice)


@pytest.fixture
def as_bob(bob: User) -> Client:
    return signed_in(bob)


@pytest.fixture
def as_olga(olga: User) -> Client:
    return signed_in(olga)


@pytest.fixture
def anonymous() -> Client:
    return Client()
