from django.apps import AppConfig


class ChatsConfig(AppConfig):
    name = "chats"

    def ready(self) -> None:
        from accounts.archiving import PARTS
        from accounts.privacy import KEEPERS
        from accounts.pruning import KINDS
        from apikeys.watching import SOURCES
        from chats.archiving import chats_as_files
        from chats.retention import PRUNED, kept_of_chats
        from chats.search import words_like_keys

        KINDS.extend(PRUNED)
        PARTS.append(chats_as_files)
        KEEPERS.append(kept_of_chats)
        SOURCES.append(("chat", words_like_keys))
