"""Chat text as HTML: what it may become, and what it never does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chats.rendering import FORMATTED_AT_MOST, render_markdown


def test_it_works() -> None:
    html = render_markdown("# Title\n\n**bold** `code` [site](https://example.com)\n\n| a |\n|---|\n| 1 |")

    assert '<h3 dir="auto">Title</h3>' in html
    assert "<strong>bold</strong>" in html
    assert 'href="https://example.com" rel="noopener noreferrer nofollow ugc"' in html
    assert "<table>" in html


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](data:text/html,<script>alert(1)</script>)",
        "[x](vbscript:alert(1))",
        "<svg><script>alert(1)</script></svg>",
        "![x](https://evil.example/x.png)",
        "<a href='javascript:alert(1)'>x</a>",
        "[x]: javascript:alert(1)\n\n[x]",
        "```html\n<script>alert(1)</script>\n```",
        "<style>*{display:none}</style>",
        "[x](https://e.example 'a\" onmouseover=\"alert(1)')",
    ],
)
def test_nothing_can_act(text: str) -> None:
    html = render_markdown(text).lower()

    for forbidden in (
        "<script",
        "<img",
        "<svg",
        "<style",
        "<iframe",
        'href="javascript',
        'href="data',
        'href="vbscript',
    ):
        assert forbidden not in html
    assert '" onmouseover' not in html


def test_very_long_text_is_shown_unformatted() -> None:
    html = render_markdown("<b>" + "*x* " * FORMATTED_AT_MOST)

    assert html.startswith('<pre tabindex="0" dir="auto">&lt;b&gt;')
    assert "<em>" not in html


@given(st.text(alphabet="<>\"'&[]()!*_`#|-\n abjscript:=/\u202e"))
def test_no_text_makes_an_element_that_is_not_listed(text: str) -> None:
    html = render_markdown(text).lower()

    for forbidden in ("<script", "<img", "<svg", "<style", 'javascript:"', " on"):
        assert forbidden not in html.replace(" on ", "")
