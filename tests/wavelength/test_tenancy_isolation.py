"""Every model that belongs to a person × everything one person could do to another's rows."""

import pytest

from accounts.models import User
from tests.rows import MAKERS, stored
from tests.wavelength.isolation import CHECKS, Check, the_operator_sees_what_the_model_says
from wavelength.tenancy.lint import tenant_models
from wavelength.tenancy.models import TenantModel

MODELS = pytest.mark.parametrize("model", tenant_models(), ids=lambda model: model.__name__)


def test_every_tenant_model_has_a_maker() -> None:
    assert set(MAKERS) == set(tenant_models()), "tests/rows.py"


@MODELS
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.django_db
def test_between_two_people(model: type[TenantModel], check: Check, alice: User, bob: User) -> None:
    check(model, alice, bob)


@MODELS
@pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
def test_the_operator_sees_what_the_model_says(model: type[TenantModel], alice: User, bob: User) -> None:
    for person in (alice, bob):
        stored(model, person)
    the_operator_sees_what_the_model_says(model, alice, bob)
