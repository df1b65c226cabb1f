from django.apps import AppConfig


class ChatsConfig(AppConfig):
    name = "chats"

    def ready(self) -> None:
        from accounts.archiving import PARTS
        from accounts.privacy import KEEPERS
        from chats.archiving import chats_as_files
        from chats.retention import kept_of_chats

        PARTS.append(chats_as_files)
        KEEPERS.append(kept_of_chats)
