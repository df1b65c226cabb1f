"""Chat text as HTML: what it may become, and what it never does."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chats.rendering import FORMATTED_AT_MOST, TAGS, render_markdown

HARMLESS = {"href", "title", "rel", "dir", "tabindex", "start", "class"}
PIECES = [
    *"<>\"'&[]()!*_`#|-=:/\\\n ~x", "\u202e", "\0", "<script>", "</p>", "<img src=x onerror=y>", "javascript:",
    "data:", "vbscript:", "https://e.example/", "[x](", "![x](", "```", "| a |\n|---|\n", " onload=", "&#106;",
    "&lt;", "<svg/onload=x>", "<!--", "]]>",
]  # fmt: skip


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


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_no_text_makes_an_element_that_is_not_listed(text: str) -> None:
    assert harm_in(render_markdown(text)) == []


def test_harm_would_be_seen() -> None:
    assert harm_in('<p onclick="x">') == ["p onclick"]
    assert harm_in('<script>1</script><a href=" javascript:1">') == ["script", "a href"]


class Harm(HTMLParser):
    """Collects what is not on the list: elements, attributes, schemes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            self.found.append(tag)
        for name, value in attrs:
            address = name == "href" and not (value or "").startswith(("http://", "https://", "mailto:", "/", "#", "?"))
            scheme = ":" in (value or "").partition("/")[0]
            if name not in HARMLESS or (address and scheme):
                self.found.append(f"{tag} {name}")


def harm_in(html: str) -> list[str]:
    parser = Harm()
    parser.feed(html)
    return parser.found
