"""docs/security.md names tests that exist, and answers every chapter of the ASVS or says that it does not."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text()
# `tests/usage/test_windows_*.py`, `tests/apikeys/`
NAMED = re.compile(r"`(tests/[^`]+)`")
ASVS = TEXT.partition("\n## OWASP ASVS")[2].partition("\n## ")[0]
SECTION = re.compile(r"^\| (V\d+[^|]*) \| ([^|]*) \| ([^|]*) \|$", re.MULTILINE)
CHAPTERS = (
    "Encoding and Sanitization",
    "Validation and Business Logic",
    "Web Frontend Security",
    "API and Web Service",
    "File Handling",
    "Authentication",
    "Session Management",
    "Authorization",
    "Self-contained Tokens",
    "OAuth and OIDC",
    "Cryptography",
    "Secure Communication",
    "Configuration",
    "Data Protection",
    "Secure Coding and Architecture",
    "Security Logging and Error Handling",
    "WebRTC",
)


@pytest.mark.parametrize("named", sorted(set(NAMED.findall(TEXT))))
def test_what_is_named_exists(named: str) -> None:
    assert any(ROOT.glob(named))


def test_every_chapter_is_there() -> None:
    told = re.findall(r"\*\*V(\d+) ([^*]+)\*\*", ASVS)
    assert told == [(str(number), name) for number, name in enumerate(CHAPTERS, start=1)]


def test_every_section_is_shown_by_a_test_or_says_that_it_is_not() -> None:
    sections = SECTION.findall(ASVS)
    assert len(sections) >= 50, "the table is not read"
    plain = ("not done", "does not apply")
    for section, answer, shown in sections:
        said = (answer + shown).lower()
        assert NAMED.search(shown) or any(words in said for words in plain), section
