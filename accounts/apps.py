from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        from accounts import checks, mfa, sealed, signin_events  # noqa: F401  (registers its checks)

        signin_events.connect()
        sealed.register_system("two-factor secrets", mfa.open_all)
