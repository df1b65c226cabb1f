"""What no line of the product may say, because it would outlive a transaction or pass the policies by."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [
    path
    for app in ("wavelength", "accounts", "usage", "apikeys", "chats")
    for path in sorted((ROOT / app).rglob("*.py"))
]
# The owner is for migrations and for looking at the catalog.
OWNERS = re.compile(r"wavelength/(management/commands/(migrate|setup_database|check_database|develop)|settings)\.py$")

FORBIDDEN = {
    "a person told to the session": r"\bSET\s+(SESSION\s+)?app\.|set_config\(\s*'app\.[^)]*,\s*false",
    "a policy switched off": r"\b(DISABLE|NO FORCE) ROW LEVEL SECURITY\b(?!\"\))",
    "another role": r"\bSET\s+(LOCAL\s+|SESSION\s+)?ROLE\b",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_source_says(what: str) -> None:
    # operations.py holds the reverse of IsolateTenant, roles.py tries whether it may act as the owner.
    excepted = {"operations.py": "a policy switched off", "roles.py": "another role"}
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in SOURCES
        for line in path.read_text().splitlines()
        if re.search(FORBIDDEN[what], line) and excepted.get(path.name) != what
    ]
    assert found == []


def test_only_commands_use_the_owner() -> None:
    found = [
        str(path.relative_to(ROOT))
        for path in SOURCES
        if re.search(r"connections\[\"owner\"\]|using(=|\()\s*\"owner\"|database=\"owner\"", path.read_text())
        and not OWNERS.search(path.as_posix())
    ]
    assert found == []


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("a person told to the session", "cursor.execute(\"SET app.user_id = 'x'\")"),
        ("a person told to the session", "SELECT set_config('app.user_id', %s, false)"),
        ("a policy switched off", "ALTER TABLE chats_chat DISABLE ROW LEVEL SECURITY"),
        ("another role", "SET ROLE wl_owner"),
    ],
)
def test_it_would_be_found(what: str, line: str) -> None:
    assert re.search(FORBIDDEN[what], line)
