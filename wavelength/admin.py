"""The admin site, on the operator's database role for every query it makes."""

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern, URLResolver

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

        return as_operator

    def get_urls(self) -> list[URLPattern | URLResolver]:
        # The transaction is the operator's, not the one ATOMIC_REQUESTS opens for wl_app. Marked here: the
        # admin wraps each view once more, and only the outermost callable is asked.
        addresses = super().get_urls()
        _outside_transactions(addresses)
        return addresses


def _outside_transactions(addresses: Iterable[URLPattern | URLResolver]) -> None:
    for address in addresses:
        if isinstance(address, URLResolver):
            _outside_transactions(address.url_patterns)
        else:
            transaction.non_atomic_requests(address.callback)


class AdminConfig(DjangoAdminConfig):
    default_site = "wavelength.admin.OperatorAdminSite"
