"""The addresses of NextAuth's protocol, mounted at /api/auth/."""

from django.urls import path

from accounts import nextauth

app_name = "nextauth"
urlpatterns = [
    path("session", nextauth.session, name="session"),
    path("csrf", nextauth.csrf, name="csrf"),
    path("providers", nextauth.providers, name="providers"),
    path("signin", nextauth.signin, name="signin-page"),
    path("signin/<str:provider>", nextauth.signin, name="signin"),
    path("error", nextauth.error, name="error"),
    path("callback/<str:provider>", nextauth.callback, name="callback"),
    path("signout", nextauth.signout, name="signout"),
    path("_log", nextauth.log, name="log"),
]
