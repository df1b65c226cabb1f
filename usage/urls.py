"""The usage page, its file, and budgets."""

from django.urls import path

from usage import views
from usage.live import live

app_name = "usage"
urlpatterns = [
    path("usage/", views.report, name="report"),
    path("live/", live, name="live"),
    path("usage/export/", views.export, name="export"),
    path("usage/budgets/new/", views.budget_create, name="budget-create"),
    path("usage/budgets/removal/", views.budget_removal, name="budget-removal"),
]
