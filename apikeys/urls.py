"""The keys page and what can be done to a key."""

from django.urls import path

from apikeys import secret_views, views

app_name = "apikeys"
urlpatterns = [
    path("", views.key_list, name="key-list"),
    path("new/", secret_views.key_create, name="key-create"),
    path("new/trial/", secret_views.key_trial, name="key-trial"),
    path("<uuid:key_id>/", views.key_edit, name="key-edit"),
    path("<uuid:key_id>/secret/", secret_views.key_replace, name="key-replace"),
    path("<uuid:key_id>/secret/trial/", secret_views.key_replacement_trial, name="key-replacement-trial"),
    path("<uuid:key_id>/validation/", secret_views.key_validation, name="key-validation"),
    path("<uuid:key_id>/activation/", views.key_activation, name="key-activation"),
    path("flags/<uuid:flag_id>/dismissal/", views.flag_dismissal, name="flag-dismissal"),
    path("<uuid:key_id>/deletion/", views.key_deletion, name="key-deletion"),
]
