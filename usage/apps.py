from django.apps import AppConfig


class UsageConfig(AppConfig):
    name = "usage"

    def ready(self) -> None:
        from accounts.archiving import PARTS
        from accounts.people import BELONGINGS
        from accounts.plans import TELLERS
        from accounts.pruning import KINDS, Kind, anonymous_age
        from usage.archiving import usage_as_csv
        from usage.plans import usage_of_plan
        from usage.quotas import apply_tier

        old = "day < (now() - make_interval(secs => %(age)s))::date"
        KINDS.append(Kind("days of browsers without an account", "usage_anonymousday", old, anonymous_age))
        PARTS.append(usage_as_csv)
        BELONGINGS.append(apply_tier)
        TELLERS.append(usage_of_plan)
