from django.apps import AppConfig


class UsageConfig(AppConfig):
    name = "usage"

    def ready(self) -> None:
        from accounts.people import BELONGINGS
        from accounts.plans import TELLERS
        from usage.plans import usage_of_plan
        from usage.quotas import apply_tier

        BELONGINGS.append(apply_tier)
        TELLERS.append(usage_of_plan)
