from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        from accounts import checks, looks, mfa, sealed, signin_events  # noqa: F401  (registers its checks)
        from wavelength.admin import WATCHERS

        signin_events.connect()
        WATCHERS.append(looks.note_shown)
        sealed.register_system("two-factor secrets", mfa.open_all)
