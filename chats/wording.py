"""What is said of chats that could not be taken. Kept in English, told in the language that is spoken."""

import re
from typing import Final

from django.utils.translation import gettext, gettext_noop

# As `payload`, `validation`, `sync` and `browser_config` say it; a test holds them to one another.
SAYINGS: Final = (
    gettext_noop("is not an object"),
    gettext_noop("is empty"),
    gettext_noop("is negative"),
    gettext_noop("is an absurd figure"),
    gettext_noop("is not a date this server can keep"),
    gettext_noop("is a date outside %(first)s to %(last)s"),
    gettext_noop("is not one of %(names)s"),
    gettext_noop("is longer than %(most)s characters"),
    gettext_noop("is larger than %(size)s"),
    gettext_noop("is the id of an earlier message of this chat too"),
    gettext_noop("has no time"),
    gettext_noop("has no creation time"),
    gettext_noop("holds a value that is no JSON"),
    gettext_noop("must be a list"),
    gettext_noop("must be an object, not %(kind)s"),
    gettext_noop("must be text, not %(kind)s"),
    gettext_noop("must be a date as ISO text, not %(kind)s"),
    gettext_noop("must be a number, not %(kind)s"),
    gettext_noop("must be a whole number, not %(kind)s"),
    gettext_noop("stands in the payload twice; the first was taken"),
    gettext_noop("stands in the payload twice, by its own id and by the one it is shown with; the first was taken"),
    gettext_noop("could not be taken either"),
    gettext_noop("characters that cannot be stored were replaced by U+FFFD"),
    gettext_noop("its title was cut to %(most)s characters"),
    gettext_noop("The setting %(name)s was not taken"),
    gettext_noop("The settings were not taken: together with yours they are larger than 16 KiB"),
    gettext_noop("One payload may carry %(most)s chats"),
    gettext_noop("One payload may carry %(most)s messages"),
)
KINDS: Final = (
    gettext_noop("nothing"),
    gettext_noop("true or false"),
    gettext_noop("text"),
    gettext_noop("a number"),
    gettext_noop("a fraction"),
    gettext_noop("a list"),
    gettext_noop("an object"),
    gettext_noop("missing"),
    gettext_noop("text larger than 8 MiB"),
    gettext_noop("something too large"),
    gettext_noop("something nested too deeply"),
    gettext_noop("something too large or nested too deeply"),
)
_PATTERNS: Final = tuple(
    (re.compile(re.sub(r"%\\?\((\w+)\\?\)s", r"(?P<\1>.+)", re.escape(saying))), saying) for saying in SAYINGS
)


def in_words(reason: str) -> str:
    """A reason, which is kept in English, in the language that is spoken; one that is not known stays as it is."""
    said = reason.removesuffix(".")
    for pattern, saying in _PATTERNS:
        if found := pattern.fullmatch(said):
            words = {name: gettext(value) if value in KINDS else value for name, value in found.groupdict().items()}
            return gettext(saying) % words + reason[len(said) :]
    return reason


def remark_in_words(remark: str) -> str:
    """A warning, which begins with the name of its chat where it is about one."""
    name, colon, said = remark.rpartition(": ")
    whole = in_words(remark)
    return whole if whole != remark or not colon else f"{name}: {in_words(said)}"
