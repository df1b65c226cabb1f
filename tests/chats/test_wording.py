"""What cannot be taken is told in the language that is spoken (chats/wording.py)."""

import ast
import inspect
from collections.abc import Iterator

import pytest
from django.utils.translation import override

from chats import payload, sync, validation
from chats.wording import KINDS, in_words, remark_in_words

RAISED = ("RejectedError", "TooLargeError")


def _reasons() -> Iterator[str]:
    """Every reason that the code gives, with a figure where it fills in something."""
    for module in (payload, validation):
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in RAISED:
                yield from _said(node.args[-1])
    yield sync.TWICE


def _said(reason: ast.expr) -> Iterator[str]:
    if isinstance(reason, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in reason.values)
    elif isinstance(reason, ast.Constant | ast.IfExp):
        parts = [part.value for part in ast.walk(reason) if isinstance(part, ast.Constant)]
        yield from (part for part in parts if isinstance(part, str))


@pytest.mark.parametrize("reason", sorted(set(_reasons())))
def test_every_reason_is_known(reason: str) -> None:
    with override("en"):
        assert in_words(f"{reason}.") == f"{reason}."
    with override("es"):
        assert in_words(reason) != reason


def test_what_was_found_instead_is_told_too() -> None:
    with override("es"):
        assert in_words("must be text, not a number.") == "debe ser texto, no un número."


def test_every_kind_is_known() -> None:
    assert set(validation._KINDS.values()) <= set(KINDS)


def test_a_remark_keeps_the_name_of_its_chat() -> None:
    with override("es"):
        assert (
            remark_in_words("One: two: its title was cut to 500 characters.")
            == "One: two: su título se ha acortado a 500 caracteres."
        )
        assert remark_in_words("The setting a: b was not taken.") == "El ajuste a: b no se ha traído."
        assert remark_in_words("something else") == "something else"
