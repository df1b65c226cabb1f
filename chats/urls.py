"""The chats pages."""

from django.urls import path

from chats import views

app_name = "chats"
urlpatterns = [
    path("chats/", views.chat_list, name="chat-list"),
    path("chats/<uuid:chat_id>/", views.chat_detail, name="chat-detail"),
    path("import/", views.chat_import, name="import"),
]
