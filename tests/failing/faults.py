"""The fault, and every secret that stands near it."""

import logging
from typing import Final

from django.db import DatabaseError, connection

from wavelength.envelope import Secret

PROVIDER_KEY: Final = "sk-ant-api03-9f8e7d6c5b4a3f2e1d0c"
ORDINARY: Final = "seven ordinary words\nthat are a secret"
LOCAL: Final = "kept-in-a-local-variable"
EMAIL: Final = "somebody.else@mail.example.org"
IN_SQL: Final = "asked-for-in-a-statement"
IN_ROW: Final = "written-in-a-row"
IN_LOG: Final = "told-the-log-as-a-warning"
# Of a request: sent by the test.
IN_BODY: Final = "typed-into-a-form"
IN_QUERY: Final = "looked-for-in-the-address"
IN_HEADER: Final = "shown-by-a-header"
SECRETS: Final = (
    PROVIDER_KEY, *ORDINARY.split("\n"), LOCAL, EMAIL, IN_SQL, IN_ROW, IN_LOG, IN_BODY, IN_QUERY, IN_HEADER,
)  # fmt: skip
logger = logging.getLogger(__name__)


def fail() -> None:
    """Raises RuntimeError from what PostgreSQL refused."""
    ordinary = Secret(ORDINARY)
    local = LOCAL.upper().lower()
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::text", [IN_SQL])
        logger.warning("%s, with %s", IN_LOG, local)
        try:
            cursor.execute(
                "DO $$ BEGIN RAISE unique_violation USING MESSAGE = 'invalid input: \"" + IN_SQL + "\"',"
                " DETAIL = 'Key (title)=(" + IN_ROW + ") already exists.'; END $$"
            )
        except DatabaseError as error:
            raise RuntimeError(f"{PROVIDER_KEY} of {EMAIL} is not {ordinary.reveal()}") from error
