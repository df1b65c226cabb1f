"""The chats pages."""

from django.urls import path

from chats import import_views, links, selection, views

app_name = "chats"
urlpatterns = [
    path("chats/", views.chat_list, name="chat-list"),
    path("chats/deletion/", selection.deletion, name="deletion"),
    path("chats/restoration/", selection.restoration, name="restoration"),
    path("chats/deleted/", selection.deleted_list, name="deleted"),
    path("chats/download/", selection.download_many, name="download"),
    path("chats/links/", links.link_list, name="link-list"),
    path("chats/links/<uuid:link_id>/withdrawal/", links.link_withdrawal, name="link-withdrawal"),
    path("chats/<uuid:chat_id>/", views.chat_detail, name="chat-detail"),
    path("chats/<uuid:chat_id>/title/", views.chat_title, name="chat-title"),
    path("chats/<uuid:chat_id>/sharing/", links.chat_sharing, name="chat-sharing"),
    path("chats/<uuid:chat_id>/download.md", selection.download_markdown, name="chat-markdown"),
    path("chats/<uuid:chat_id>/download.json", selection.download_json, name="chat-json"),
    path("shared/<str:token>/", links.shared_chat, name="shared"),
    path("import/", import_views.chat_import, name="import"),
    path("import/preview/", import_views.import_preview, name="import-preview"),
    path("import/<uuid:reference>/", import_views.import_detail, name="import-detail"),
]
