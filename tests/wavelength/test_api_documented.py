"""An API operation that docs/api.md does not mention fails here, and one it invents too."""

import re
from pathlib import Path

from accounts import nextauth_urls
from wavelength.api import api

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text()
# `GET /api/profile`
CALL = re.compile(r"`(GET|POST|PUT|DELETE) (/api/[^`]*)`")


def operations() -> set[tuple[str, str]]:
    paths = api.get_openapi_schema(path_prefix="/api")["paths"]
    return {(method.upper(), path.replace("//", "/")) for path, methods in paths.items() for method in methods}


def documented() -> set[tuple[str, str]]:
    return {(method, path) for method, path in CALL.findall(TEXT) if not path.startswith("/api/auth/")}


def test_every_operation_is_documented() -> None:
    assert len(operations()) >= 15, "the walk over the API finds too little"
    assert operations() - documented() == set()


def test_every_documented_operation_exists() -> None:
    assert documented() - operations() == set()


def test_every_nextauth_address_is_documented() -> None:
    told = {path for _, path in CALL.findall(TEXT)}
    for pattern in nextauth_urls.urlpatterns:
        address = "/api/auth/" + str(pattern.pattern).replace("<str:provider>", "<provider>")
        assert address in told, address
