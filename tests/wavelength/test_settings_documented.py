"""A setting that is read but not documented fails here."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# `env.str("NAME"`, `environ["NAME"]`, `os.environ.get("NAME"`, `os.getenv("NAME"`
READS = re.compile(r"""(?:\benv\.\w+|environ(?:\.get)?|getenv)\s*[(\[]\s*["']([A-Z][A-Z0-9_]+)["']""")
# Read by Django or set by the process that starts us, not by an operator.
NOT_SETTINGS = {"DJANGO_SETTINGS_MODULE", "PATH", "HOME", "XDG_RUNTIME_DIR", "TMPDIR", "WEB_REPLACEMENT"}


def names_read() -> set[str]:
    sources = [ROOT / "manage.py", ROOT / "gunicorn.conf.py"]
    for package in ("wavelength", "accounts", "usage", "apikeys", "chats"):
        sources += (ROOT / package).rglob("*.py")
    return {name for source in sources for name in READS.findall(source.read_text())} - NOT_SETTINGS


def names_documented() -> set[str]:
    return set(re.findall(r"^([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))


def test_every_setting_read_is_documented() -> None:
    read = names_read()
    assert {"DATABASE_URL", "SECRET_KEY", "GOOGLE_CLIENT_SECRET"} <= read, "the search finds no settings"
    # The two aliases are named in the lines they stand in for.
    assert read - names_documented() - {"NEXTAUTH_SECRET", "NEXTAUTH_URL"} == set()


def test_every_documented_setting_is_read() -> None:
    assert names_documented() - names_read() == set()


def test_aliases_are_explained() -> None:
    text = (ROOT / ".env.example").read_text()
    assert "NEXTAUTH_SECRET" in text
    assert "NEXTAUTH_URL" in text
