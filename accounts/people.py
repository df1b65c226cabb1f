"""How an account comes to be: the one door for sign-up, providers, commands and the admin."""

from collections.abc import Callable
from typing import Final, TypedDict, Unpack
from uuid import UUID

from allauth.account.models import EmailAddress
from django.db import IntegrityError

from accounts import audit
from accounts.datakeys import create_data_key
from accounts.models import Profile, Tier, User
from wavelength.metrics import SIGN_UPS
from wavelength.tenancy import tenant

# What a tier brings, given to each new person and again when their tier changes, in their `tenant()`. Apps above
# this one add theirs when they are ready.
BELONGINGS: Final[list[Callable[[UUID, Tier], None]]] = []


class AccountChanges(TypedDict, total=False):
    """What an operator may change of an account."""

    name: str
    tier: str
    is_active: bool
    is_staff: bool


class AddressTakenError(ValueError):
    """An account with this e-mail address exists, perhaps written in other cases."""


def create_person(user: User, *, way: str) -> User:
    """Store a new person with their profile, data key and first audit event, all or nothing.

    ``way`` says how they came: ``signup``, ``google``, ``github``, ``command``, ``admin``.
    Raises IntegrityError when the e-mail address is taken.
    """
    with tenant(user.pk):
        user.save(force_insert=True, using="default")
        Profile.objects.create(user=user, display_name=user.name[:80])
        create_data_key(user.pk)
        for give in BELONGINGS:
            give(user.pk, Tier(user.tier))
        audit.record(user.pk, "account.created", way=way)
    SIGN_UPS.labels(way).inc()
    return user


def open_account(
    *,
    email: str,
    way: str,
    name: str = "",
    tier: str = Tier.FREE,
    is_staff: bool = False,
    verified: bool = False,
    password: str | None = None,
) -> User:
    """Make an account for somebody else; without a password they set one by resetting it.

    Raises AddressTakenError.
    """
    user = User(email=email.lower(), name=name, tier=tier, is_staff=is_staff)
    user.set_password(password)
    try:
        with tenant(user.pk):
            create_person(user, way=way)
            EmailAddress.objects.create(user=user, email=user.email, verified=verified, primary=True)
            if is_staff:
                audit.record(user.pk, "account.staff_on")
    except IntegrityError as error:
        raise AddressTakenError(f"An account with the address {user.email} exists.") from error
    return user


def set_tier(*, user_id: UUID, tier: Tier) -> bool:
    """Move a person to a tier. Answers whether that changed anything."""
    return change_account(user_id=user_id, tier=tier)


def change_account(*, user_id: UUID, **changes: Unpack[AccountChanges]) -> bool:
    """Let an operator change an account: with what a new tier brings and a word in the person's trail, all or nothing.

    What is so already is left alone and not told. Answers whether anything changed.
    """
    with tenant(user_id):
        user = User.objects.select_for_update(no_key=True).only(*AccountChanges.__annotations__).get(pk=user_id)
        changed = {name: value for name, value in changes.items() if getattr(user, name) != value}
        if changed:
            User.objects.filter(pk=user_id).update(**changed)
        if "tier" in changed:
            _give_tier(user_id, before=Tier(user.tier), after=Tier(str(changed["tier"])))
        if "name" in changed:
            audit.record(user_id, "account.renamed", after=changed["name"])
        if "is_active" in changed:
            audit.record(user_id, "account.switched_on" if changed["is_active"] else "account.switched_off")
        if "is_staff" in changed:
            audit.record(user_id, "account.staff_on" if changed["is_staff"] else "account.staff_off")
    return bool(changed)


def _give_tier(user_id: UUID, *, before: Tier, after: Tier) -> None:
    for give in BELONGINGS:
        give(user_id, after)
    audit.record(user_id, "account.tier_changed", before=before.value, after=after.value)
