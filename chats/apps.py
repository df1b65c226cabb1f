from django.apps import AppConfig


class ChatsConfig(AppConfig):
    name = "chats"

    def ready(self) -> None:
        from accounts.privacy import KEEPERS
        from chats.retention import kept_of_chats

        KEEPERS.append(kept_of_chats)
