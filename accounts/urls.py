"""The pages about oneself; allauth's own stand under /accounts/."""

from django.urls import path

from accounts import privacy_views, security_views, token_views, views
from accounts.arriving import arrival
from accounts.mail_views import mail_end

app_name = "accounts"
urlpatterns = [
    path("arrival/", arrival, name="arrival"),
    path("profile/", views.profile, name="profile"),
    path("profile/avatar/", views.avatar, name="avatar"),
    path("profile/avatar/deletion/", views.avatar_deletion, name="avatar-deletion"),
    path("profile/<slug:name>/", views.section, name="profile-section"),
    path("mails/<str:token>/end/", mail_end, name="mail-end"),
    path("security/", security_views.security, name="security"),
    path("security/activity/", security_views.activity, name="activity-list"),
    path("security/browsers/<int:browser_id>/end/", security_views.browser_end, name="browser-end"),
    path("security/browsers/others/end/", security_views.other_browsers_end, name="other-browsers-end"),
    path("privacy/", privacy_views.privacy, name="privacy"),
    path("privacy/deactivation/", privacy_views.deactivation, name="deactivation"),
    path("privacy/archive/", privacy_views.archive, name="archive"),
    path("privacy/archive/file/", privacy_views.archive_file, name="archive-file"),
    path("privacy/erasure/", privacy_views.erasure, name="erasure"),
    path("privacy/erasure/cancel/", privacy_views.erasure_cancel, name="erasure-cancel"),
    path("developers/", token_views.developers, name="developers"),
    path("developers/tokens/new/", token_views.token_create, name="token-create"),
    path("developers/tokens/<uuid:token_id>/revocation/", token_views.token_revocation, name="token-revocation"),
]
