"""Rows that the database wrote as JSON, as the models they belong to."""

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import DateTimeField, Field, ForeignKey, Model, UUIDField

from accounts.models import Profile, User

ModelOfRow = TypeVar("ModelOfRow", User, Profile)


def read_row(model: type[ModelOfRow], row: dict[str, Any]) -> ModelOfRow:
    """The row of a person's, read as it stands in the database's JSON of it."""
    values = [
        read(row[column]) if read and row[column] is not None else row[column] for _, column, read in _fields_of(model)
    ]
    return model.from_db("default", [name for name, _, _ in _fields_of(model)], values)


@lru_cache
def _fields_of(model: type[Model]) -> list[tuple[str, str, Callable[[Any], Any] | None]]:
    """Each field's name and column, and how its value is read from JSON where that is not as it stands."""
    readers: dict[type[Field[Any, Any]], Callable[[Any], Any]] = {
        UUIDField: UUID,
        ForeignKey: UUID,
        DateTimeField: datetime.fromisoformat,
    }
    return [(field.attname, str(field.column), readers.get(type(field))) for field in model._meta.concrete_fields]
