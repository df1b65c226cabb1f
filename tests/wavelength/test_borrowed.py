"""What Django and allauth say is said in the portal's own words (wavelength/borrowed.py)."""

from pathlib import Path

import allauth
import django
from babel.messages.pofile import read_po
from django.contrib.auth.password_validation import password_validators_help_texts
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import override

from wavelength.borrowed import ALLAUTH, DJANGO

DJANGO_PLACES = ("conf", "contrib/auth")


def _said_by(*roots: Path) -> set[str]:
    paths = [root / "locale" / "en" / "LC_MESSAGES" / "django.po" for root in roots]
    found: set[str] = set()
    for path in paths:
        with path.open("rb") as file:
            for message in read_po(file):
                found |= set(message.id) if isinstance(message.id, tuple | list) else {message.id}
    return found


def test_they_still_say_it() -> None:
    assert set(DJANGO) <= _said_by(*(Path(django.__path__[0]) / place for place in DJANGO_PLACES))
    assert set(ALLAUTH) <= _said_by(Path(allauth.__path__[0]))


def test_our_words_go_before_theirs() -> None:
    with override("es"):
        assert "Tu contraseña debe tener al menos 10 caracteres." in password_validators_help_texts()
        try:
            validate_email("nobody")
        except ValidationError as error:
            assert error.messages == ["Introduce una dirección de correo válida."]
