from django.apps import AppConfig


class ApiKeysConfig(AppConfig):
    name = "apikeys"

    def ready(self) -> None:
        from accounts import sealed
        from apikeys import vault

        sealed.register_personal("provider keys", vault.open_all)
