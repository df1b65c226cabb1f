from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        from accounts import checks, mfa, sealed  # noqa: F401  (registers its checks)

        sealed.register_system("two-factor secrets", mfa.open_all)
