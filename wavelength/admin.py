"""The admin site, on the operator's database role for every query it makes."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Final, cast
from uuid import UUID

from django.conf import settings
from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig
from django.contrib.admin.views.main import PAGE_VAR
from django.contrib.auth import logout
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from wavelength.tenancy.routing import operating

# Told which rows (of a model, by its label in small letters) an administrator is about to be shown: one on a page of
# its own, or those that a search or filter found. The apps above this one add theirs when they are ready.
WATCHERS: Final[list[Callable[[UUID, str, Sequence[Model]], None]]] = []


class OperatorAdminSite(AdminSite):
    site_header = site_title = "Wavelength"
    enable_nav_sidebar = False

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Register a page of ours. Those of packages write and read what the operator's role may not."""
        models = model_or_iterable if isinstance(model_or_iterable, Iterable) else [model_or_iterable]
        if admin_class is not None and issubclass(admin_class, OperatorModelAdmin):
            super().register(models, admin_class, **options)

    def admin_view(  # type: ignore[override]  # the stubs want the very view type back
        self, view: Callable[..., HttpResponseBase], cacheable: bool = False
    ) -> Callable[..., HttpResponseBase]:
        # Late: this module is loaded before the applications are.
        from wavelength.secondfactor import way_to_second_factor

        guarded = super().admin_view(view, cacheable)

        def as_operator(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if self.has_permission(request) and (way := way_to_second_factor(request)):
                return way
            with operating():
                response = guarded(request, *args, **kwargs)
                if hasattr(response, "render"):
                    # Rendered here: its lazy queries belong to the operator too.
                    response = response.render()
                return response

        return as_operator

    def get_urls(self) -> list[URLPattern | URLResolver]:
        # Signing in and out and passwords are allauth's, with its second factor and limits.
        from wavelength.analytics import analytics  # it shows the site's own frame

        ours: list[URLPattern | URLResolver] = [
            path("analytics/", self.admin_view(analytics), name="analytics"),
            path("login/", never_cache(sign_in), name="login"),
            path("logout/", require_POST(sign_out), name="logout"),
            path("password_change/", change_password, name="password_change"),
        ]
        replaced = {address.name for address in ours if isinstance(address, URLPattern)}
        addresses = ours + [it for it in super().get_urls() if getattr(it, "name", None) not in replaced]
        # The transaction is the operator's, not the one ATOMIC_REQUESTS opens for wl_app. Marked here: the
        # admin wraps each view once more, and only the outermost callable is asked.
        _outside_transactions(addresses)
        return addresses

    def get_log_entries(self, request: HttpRequest) -> QuerySet[Any]:
        # Not joined with the person: the operator's role may not read all of their columns.
        entries: QuerySet[Any] = super().get_log_entries(request)
        return entries.select_related(None).select_related("content_type")


class OperatorModelAdmin(ModelAdmin[Any]):
    """A page that reads the columns granted to the operator, and changes nothing unless it says so.

    Nothing is ever deleted here: erasing a person is an operation of its own.
    """

    show_full_result_count = False
    # What the operator may read of a package's model; ours say it themselves.
    columns: ClassVar[tuple[str, ...]] = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        columns = self.columns or getattr(self.model, "operator_columns", ())
        return super().get_queryset(request).only(*columns)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """The object of a page of its own: whatever shows one asks here for it."""
        found = super().get_object(request, object_id, from_field)
        if found is not None:
            self._tell_watchers(request, [found])
        return found

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        changelist = (getattr(response, "context_data", None) or {}).get("cl")
        if changelist is not None and (changelist.query or changelist.get_filters_params()):
            # Evaluated here once; the page shows these very rows.
            self._tell_watchers(request, list(changelist.result_list))
        return response

    def _tell_watchers(self, request: HttpRequest, rows: Sequence[Model]) -> None:
        for tell in WATCHERS:
            tell(cast("UUID", request.user.pk), self.model._meta.label_lower, rows)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """What administrators did to this object; Django's own joins columns that may not be read."""
        from django.contrib.admin.models import LogEntry
        from django.contrib.contenttypes.models import ContentType

        kind = ContentType.objects.get_for_model(self.model)
        entries = LogEntry.objects.filter(object_id=object_id, content_type=kind).order_by("-action_time")
        shown = entries.select_related("content_type", "user").defer("user__password")
        page = Paginator(shown, 100).get_page(request.GET.get(PAGE_VAR))
        return super().history_view(request, object_id, {**(extra_context or {}), "action_list": page})


def sign_in(request: HttpRequest) -> HttpResponseBase:
    """To allauth's page and back; who is signed in without being an administrator may not enter."""
    if not request.user.is_authenticated:
        wanted = request.GET.get("next") or reverse("admin:index")
        return HttpResponseRedirect(f"{reverse(settings.LOGIN_URL)}?{urlencode({'next': wanted})}")
    if not request.user.is_staff:
        raise PermissionDenied
    return HttpResponseRedirect(reverse("admin:index"))


def sign_out(request: HttpRequest) -> HttpResponseBase:
    """End the session."""
    logout(request)
    return HttpResponseRedirect(reverse(settings.LOGIN_URL))


def change_password(request: HttpRequest) -> HttpResponseBase:
    """To allauth's page."""
    return redirect("account_change_password")


def _outside_transactions(addresses: Iterable[URLPattern | URLResolver]) -> None:
    for address in addresses:
        if isinstance(address, URLResolver):
            _outside_transactions(address.url_patterns)
        else:
            transaction.non_atomic_requests(address.callback)


def registered_models(site: AdminSite) -> list[type[Model]]:
    """Every model that has a page."""
    return list(site._registry)  # noqa: SLF001  (Django offers no other way)


class AdminConfig(DjangoAdminConfig):
    default_site = "wavelength.admin.OperatorAdminSite"
