from django.apps import AppConfig


class WavelengthConfig(AppConfig):
    name = "wavelength"

    def ready(self) -> None:
        from wavelength import startup  # noqa: F401  (registers its checks)
