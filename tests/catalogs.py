"""The portal's words: `make messages` brings `locale/*/LC_MESSAGES/django.po` up to date with code and templates, and
compiles them. With Babel, so that nobody needs GNU gettext.

What has no translation yet is left empty; the suite names it (tests/wavelength/test_translations.py).
"""

import ast
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from babel.messages import Catalog
from babel.messages.catalog import Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_python
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

ROOT: Final = Path(__file__).resolve().parent.parent
APPS: Final = ("wavelength", "accounts", "usage", "apikeys", "chats")
LANGUAGES: Final = ("de", "es")
KEYWORDS: Final[dict[str, Any]] = {
    **DEFAULT_KEYWORDS,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext_lazy": (1, 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext_lazy": ((1, "c"), 2, 3),
}
MADE: Final = datetime(2026, 1, 1, tzinfo=UTC)
NOISE: Final = tuple(
    f'"{name}'
    for name in (
        "Project-Id",
        "Report-",
        "POT-Creation",
        "PO-Revision",
        "Last-Translator",
        "Language-Team",
        "Generated",
    )
)


def extracted() -> Catalog:
    """Every message of code and templates, with the files it stands in."""
    catalog = Catalog(project="Wavelength")
    for path in _sources():
        for message, context in _messages(path):
            catalog.add(message, context=context, locations=[(str(path.relative_to(ROOT)), 0)])
    return catalog


def path_of(language: str) -> Path:
    """Where a language's words stand."""
    return ROOT / "locale" / language / "LC_MESSAGES" / "django.po"


def stored(language: str) -> Catalog:
    """A language's words as they are stored; none for a new language."""
    path = path_of(language)
    if not path.exists():
        return Catalog(locale=language, project="Wavelength")
    with path.open("rb") as file:
        return read_po(file, locale=language)


def compiled(catalog: Catalog) -> bytes:
    """The form that is read at run time; the same for the same words, whenever it is made."""
    catalog.creation_date = catalog.revision_date = MADE
    file = BytesIO()
    # Babel writes when it was made into the file; the same words make the same file.
    catalog.creation_date = catalog.revision_date = datetime(2026, 1, 1, tzinfo=UTC)
    write_mo(file, catalog)
    return file.getvalue()


def update(language: str, words: Catalog) -> int:
    """Bring a language up to date; how many messages lack a translation."""
    catalog = stored(language)
    catalog.update(words, no_fuzzy_matching=True)
    catalog.obsolete.clear()
    path = path_of(language)
    path.parent.mkdir(parents=True, exist_ok=True)
    catalog.header_comment, catalog.fuzzy = f"# {language}: what Wavelength's portal says.", False
    file = BytesIO()
    write_po(file, catalog, width=120, sort_output=True, include_lineno=False)
    # Neither dates nor names: only a changed word changes the file.
    kept = [line for line in file.getvalue().decode().splitlines(keepends=True) if not line.startswith(NOISE)]
    path.write_text("".join(kept))
    path.with_suffix(".mo").write_bytes(compiled(stored(language)))
    return sum(not is_translated(message) for message in catalog if message.id)


def is_translated(message: Message) -> bool:
    """Whether every form of it has words."""
    forms = [message.string] if isinstance(message.string, str) else message.string or [""]
    return all(forms)


def _sources() -> Iterator[Path]:
    for app in APPS:
        yield from sorted(path for path in (ROOT / app).rglob("*.py") if "migrations" not in path.parts)
    yield from sorted(path for path in (ROOT / "templates").rglob("*") if path.suffix in (".html", ".txt"))


def _messages(path: Path) -> Iterator[tuple[Any, str | None]]:
    for function, arguments in _code_calls(path) if path.suffix == ".py" else _template_calls(path):
        found = _message(KEYWORDS[function], arguments)
        if found is not None:
            yield found


def _code_calls(path: Path) -> Iterator[tuple[str, Any]]:
    """From the syntax tree: Babel sees no calls inside of f-strings before Python 3.12."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name in KEYWORDS:
                yield name, tuple(each.value if isinstance(each, ast.Constant) else None for each in node.args)


def _template_calls(path: Path) -> Iterator[tuple[str, Any]]:
    """Calls of gettext, among blanked words that Python must not take for blocks."""
    source = "\n".join(line.strip() for line in templatize(path.read_text(), origin=str(path)).splitlines())
    for _line, function, arguments, _comments in extract_python(BytesIO(source.encode()), KEYWORDS, [], {}):
        yield str(function), arguments


def _message(places: Any, arguments: Any) -> tuple[Any, str | None] | None:
    """The id (or both forms of it) and the context in a call's arguments; None where they are not literals."""
    values = arguments if isinstance(arguments, tuple) else (arguments,)
    context, ids = None, []
    for place in places or (1,):
        number = place[0] if isinstance(place, tuple) else place
        if number > len(values) or not isinstance(values[number - 1], str):
            return None
        if isinstance(place, tuple):
            context = values[number - 1]
        else:
            ids.append(values[number - 1])
    if not ids[0]:
        return None
    return (tuple(ids) if len(ids) > 1 else ids[0]), context


if __name__ == "__main__":
    import django
    from django.conf import settings

    settings.configure()
    django.setup()
    found = extracted()
    for each in LANGUAGES:
        print(f"{each}: {len(found)} messages, {update(each, found)} of them without a translation")  # noqa: T201
