"""What a plan allows to be used, in words: its quotas, and the models it opens."""

from collections.abc import Iterator

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import Tier
from accounts.plans import PlanPart
from usage.models import ModelAccess, Period
from usage.quotas import DEFAULTS
from wavelength.names import provider_label
from wavelength.templatetags.figures import compact, count, money


def usage_of_plan(tier: Tier) -> Iterator[PlanPart]:
    """The tier's quotas of a day and a month, and which models it does not open."""
    for period, title in ((Period.DAILY, _("Each day")), (Period.MONTHLY, _("Each month"))):
        allowed = DEFAULTS[tier][period]
        requests = ngettext("%(count)s request", "%(count)s requests", allowed.requests)
        facts = [
            requests % {"count": count(allowed.requests)},
            _("%(count)s tokens") % {"count": compact(allowed.tokens)},
            money(allowed.cost),
        ]
        yield PlanPart(title, facts)
    yield PlanPart(_("Models"), list(_models(tier)))


def _models(tier: Tier) -> Iterator[str]:
    order = list(Tier)
    beyond = [
        row
        for row in ModelAccess.objects.order_by("provider", "model")
        if order.index(Tier(row.tier)) > order.index(tier)
    ]
    if not beyond:
        yield _("Every model of every provider")
        return
    yield _("Every model but these of a higher plan:")
    for row in beyond:
        yield f"{provider_label(row.provider)}: {row.model or _('all')}"
