"""The portal says everything in every language it speaks; `make messages` brings the catalogs up to date."""

from collections.abc import Iterator

import pytest
from babel.messages import Catalog
from django.conf import settings

from tests.catalogs import LANGUAGES, compiled, extracted, is_translated, path_of, stored


def test_every_language_that_is_offered_has_a_catalog() -> None:
    assert {code for code, _name in settings.LANGUAGES} == {"en", *LANGUAGES}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_message_has_words(language: str) -> None:
    wanted, known = set(_ids(extracted())), set(_ids(stored(language)))

    assert len(wanted) > 700, "the search finds no messages"
    assert wanted - known == set(), "run `make messages`, and fill in what is empty"
    assert known - wanted == set(), "run `make messages`: these are said no more"
    assert [message.id for message in stored(language) if message.id and not is_translated(message)] == []
    assert [message.id for message in stored(language) if message.id and message.fuzzy] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_put_into_a_message_is_put_into_its_translation(language: str) -> None:
    faults = [(message.id, str(error)) for message in stored(language) for error in message.check()]
    assert faults == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_read_at_run_time_is_what_was_written(language: str) -> None:
    assert path_of(language).with_suffix(".mo").read_bytes() == compiled(stored(language)), "run `make messages`"


def _ids(catalog: Catalog) -> Iterator[tuple[str | None, object]]:
    for message in catalog:
        if message.id:
            yield message.context, message.id
