"""The pages about oneself; allauth's own stand under /accounts/."""

from django.urls import path

from accounts import views

app_name = "accounts"
urlpatterns = [
    path("profile/", views.profile, name="profile"),
    path("profile/avatar/", views.avatar, name="avatar"),
    path("profile/avatar/deletion/", views.avatar_deletion, name="avatar-deletion"),
    path("security/", views.security, name="security"),
]
