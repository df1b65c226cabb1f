"""What a request costs, in US dollars, by the prices that genai-prices keeps."""

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from usage.metering import Tokens


def computed_cost(
    provider: str, model: str, tokens: "Tokens", requests: int, happened_at: datetime | None
) -> Decimal | None:
    """The cost of these tokens, or None where no price is known."""
    return None


def estimated_cost(provider: str, model: str, tokens: int) -> Decimal | None:
    """The most that so many tokens may cost, or None where no price is known."""
    return None
