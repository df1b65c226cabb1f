from django.apps import AppConfig


class UsageConfig(AppConfig):
    name = "usage"

    def ready(self) -> None:
        from accounts.archiving import PARTS
        from accounts.people import BELONGINGS
        from accounts.plans import TELLERS
        from accounts.privacy import KEEPERS
        from accounts.pruning import KINDS
        from usage.archiving import usage_as_csv
        from usage.plans import usage_of_plan
        from usage.quotas import apply_tier
        from usage.retention import PRUNED, kept_of_usage

        KINDS.extend(PRUNED)
        KEEPERS.append(kept_of_usage)
        PARTS.append(usage_as_csv)
        BELONGINGS.append(apply_tier)
        TELLERS.append(usage_of_plan)
