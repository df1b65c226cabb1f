"""How an account comes to be: the one door for sign-up, providers, commands and the admin."""

from accounts import audit
from accounts.datakeys import create_data_key
from accounts.models import Profile, User
from wavelength.tenancy import tenant


def create_person(user: User, *, way: str) -> User:
    """Store a new person with their profile, data key and first audit event, all or nothing.

    ``way`` says how they came: ``signup``, ``google``, ``github``, ``command``, ``admin``.
    Raises IntegrityError when the e-mail address is taken.
    """
    with tenant(user.pk):
        user.save(force_insert=True, using="default")
        Profile.objects.create(user=user, display_name=user.name[:80])
        create_data_key(user.pk)
        audit.record(user.pk, "account.created", way=way)
    return user
