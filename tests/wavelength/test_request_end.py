"""What the end of a request does for the connections of its thread."""

from typing import cast

import pytest
from django.db import Error, connections

from wavelength.tenancy.base import DatabaseWrapper, look_after_connections

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])


@pytest.fixture
def connection() -> DatabaseWrapper:
    wrapper = cast("DatabaseWrapper", connections["default"])
    wrapper.close()
    wrapper.ensure_connection()
    return wrapper


def test_a_sound_connection_stays_and_is_checked_before_its_next_use(connection: DatabaseWrapper) -> None:
    before = connection.connection
    vars(connection)["health_check_done"] = True
    look_after_connections()
    assert connection.connection is before
    assert vars(connection)["health_check_done"] is False


def test_a_transaction_left_open_goes_with_its_connection(connection: DatabaseWrapper) -> None:
    connection.set_autocommit(False)
    look_after_connections()
    assert connection.connection is None


def test_a_connection_that_broke_is_dropped(connection: DatabaseWrapper) -> None:
    with pytest.raises(Error):
        connection.cursor().execute("SELECT pg_terminate_backend(pg_backend_pid())")
    look_after_connections()
    assert connection.connection is None


def test_one_too_old_is_closed(connection: DatabaseWrapper) -> None:
    connection.close_at = 0
    look_after_connections()
    assert connection.connection is None
