"""The usage page."""

from django.urls import path

from usage import views

app_name = "usage"
urlpatterns = [path("usage/", views.report, name="report")]
