from django.apps import AppConfig


class ChatsConfig(AppConfig):
    name = "chats"

    def ready(self) -> None:
        from accounts.archiving import PARTS
        from accounts.privacy import KEEPERS
        from accounts.pruning import KINDS
        from chats.archiving import chats_as_files
        from chats.retention import PRUNED, kept_of_chats

        KINDS.extend(PRUNED)
        PARTS.append(chats_as_files)
        KEEPERS.append(kept_of_chats)
