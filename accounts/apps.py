from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        from accounts import checks, looks, mfa, presence, sealed, signin_events  # noqa: F401  (registers its checks)
        from accounts.mailed_codes import offer_codes
        from wavelength.admin import WATCHERS
        from wavelength.tallies import WRITERS

        signin_events.connect()
        offer_codes()
        WATCHERS.append(looks.note_shown)
        WRITERS.append(presence.note)
        sealed.register_system("two-factor secrets", mfa.open_all)
