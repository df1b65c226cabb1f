"""What a report's origins are called."""

from collections import Counter
from collections.abc import Sequence

from usage.models import Source
from usage.reports import Origin
from wavelength.names import provider_label
from wavelength.templatetags.portal import model_name


def full_name(origin: Origin) -> str:
    """The model, else the provider, each as it was sent; else the source."""
    return origin.model or origin.provider or str(Source(origin.source).label)


def short_names(origins: Sequence[Origin]) -> list[str]:
    """A name for each, no two alike.

    A model goes without its maker, whose mark stands before it, unless two models would be called the same; one that
    several providers serve carries the provider's name.
    """
    served = Counter(origin.model for origin in origins)
    called = Counter(model_name(model) for model in served)
    return [_short_name(origin, served, called) for origin in origins]


def _short_name(origin: Origin, served: Counter[str], called: Counter[str]) -> str:
    if not origin.model:
        return provider_label(full_name(origin))
    short = model_name(origin.model)
    name = origin.model if called[short] > 1 else short
    return f"{name} · {provider_label(origin.provider)}" if served[origin.model] > 1 else name
