"""What every table with personal data has in common."""

from typing import ClassVar

from django.conf import settings
from django.db import models

from wavelength.ids import uuid7


class TenantModel(models.Model):
    """A row that belongs to one person.

    Its table is kept apart by ``IsolateTenant`` (wavelength.tenancy.operations) in the migration
    that creates it; the catalog lint fails the suite when that line is missing.

    ``operator_columns`` are the columns that ``wl_operator`` (admin, operator commands) may read;
    secrets and what people write never stand there. ``app_privileges`` is what ``wl_app`` may do.
    """

    operator_columns: ClassVar[tuple[str, ...]] = ()
    operator_privileges: ClassVar[tuple[str, ...]] = ()
    app_privileges: ClassVar[tuple[str, ...]] = ("SELECT", "INSERT", "UPDATE", "DELETE")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # The constraint is IsolateTenant's: Django's own would be deferrable and fail at COMMIT.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        db_constraint=False,
        db_index=False,
        related_name="+",
        editable=False,
    )

    class Meta:
        abstract = True
