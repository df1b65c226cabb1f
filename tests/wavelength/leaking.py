"""The application with the fault that the leak fuzz is there to find: the person is told to the session, not to the
transaction, and nobody takes it back."""

# First, because it loads the applications, which everything below needs.
from tests.wavelength.probing import application

# isort: split
from wavelength.tenancy import base, current_tenant

__all__ = ["application"]


def _tell_the_session(self: base.DatabaseWrapper) -> None:
    user_id = current_tenant()
    if self.connection is not None and user_id is not None:
        with self.connection.cursor() as cursor:
            cursor.execute(f"SET app.user_id = '{user_id}'", prepare=False)


base.DatabaseWrapper.tell_tenant = _tell_the_session  # type: ignore[method-assign]  # the fault
