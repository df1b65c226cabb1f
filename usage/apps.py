from django.apps import AppConfig


class UsageConfig(AppConfig):
    name = "usage"

    def ready(self) -> None:
        from accounts.people import BELONGINGS
        from usage.quotas import apply_tier

        BELONGINGS.append(apply_tier)
