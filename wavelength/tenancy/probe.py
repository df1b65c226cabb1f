"""Trying the policies out on the rows that are there, as the application's role; reads and changes nothing."""

from collections.abc import Iterator
from uuid import UUID, uuid4

from django.contrib.auth import get_user_model
from django.db import DatabaseError, connections, transaction

from wavelength.tenancy import nobody, tenant
from wavelength.tenancy.lint import tenant_models


def leaks(people: list[UUID] | None = None) -> list[str]:
    """Every tenant table that shows a row it must not, one sentence each.

    Looks at all of them as nobody, as these people (the first and the last there are), and as someone who does
    not exist.
    """
    asked = some_people() if people is None else people
    with nobody():
        found = [f"{table}: shows rows outside a tenant." for table in _showing("true")]
        found += _readable_without_policies()
    for person in [*asked, uuid4()]:
        with tenant(person):
            found += [f"{table}: shows others' rows to a person." for table in _showing(f"user_id <> '{person}'::uuid")]
    return found


def some_people() -> list[UUID]:
    """The first and the last person there are, at most two."""
    people = get_user_model().objects.using("default").order_by("pk").values_list("pk", flat=True)
    return list({*people[:1], *people.reverse()[:1]})


def _showing(condition: str) -> Iterator[str]:
    with connections["default"].cursor() as cursor:
        for model in tenant_models():
            table = model._meta.db_table
            cursor.execute(f'SELECT EXISTS (SELECT FROM "{table}" WHERE {condition})')
            if cursor.fetchone() == (True,):
                yield table


def _readable_without_policies() -> Iterator[str]:
    # With row_security off PostgreSQL refuses every query that a policy would have narrowed.
    for model in tenant_models():
        table = model._meta.db_table
        try:
            with transaction.atomic(using="default"), connections["default"].cursor() as cursor:
                cursor.execute("SET LOCAL row_security = off")
                cursor.execute(f'SELECT 1 FROM "{table}" LIMIT 1')
        except DatabaseError as error:
            if getattr(error.__cause__, "sqlstate", None) != "42501":
                raise
        else:
            yield f"{table}: can be read with row_security off."
