"""The admin site, on the operator's database role for every query it makes."""

from collections.abc import Callable
from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase

from wavelength.tenancy.routing import operating


class OperatorAdminSite(AdminSite):
    site_header = site_title = "Wavelength"

    def admin_view(  # type: ignore[override]  # the stubs want the very view type back
        self, view: Callable[..., HttpResponseBase], cacheable: bool = False
    ) -> Callable[..., HttpResponseBase]:
        guarded = super().admin_view(view, cacheable)

        def as_operator(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            with operating():
                response = guarded(request, *args, **kwargs)
                if hasattr(response, "render"):
                    # Rendered here: its lazy queries belong to the operator too.
                    response = response.render()
                return response

        # The transaction is the operator's, not the one ATOMIC_REQUESTS opens for wl_app.
        return transaction.non_atomic_requests(as_operator)


class AdminConfig(DjangoAdminConfig):
    default_site = "wavelength.admin.OperatorAdminSite"
