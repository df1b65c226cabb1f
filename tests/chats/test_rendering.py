"""Chat text as HTML: what it may become, and what it never does."""

import time
from html import unescape
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chats.rendering import ALLOWED_CLASSES, FORMATTED_AT_MOST, TAGS, render_markdown

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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("$a_1 * b_2 * c_3$", "$a_1 * b_2 * c_3$"),
        ("$$x_1 < y$$", "$$x_1 &lt; y$$"),
        (r"\(x_1 \le y\)", r"\(x_1 \le y\)"),
        (r"\[ a_b * c_d * e \]", r"\[ a_b * c_d * e \]"),
    ],
)
def test_formulas_stay_as_they_are(text: str, shown: str) -> None:
    assert f'<span class="math" dir="ltr">{shown}</span>' in render_markdown(f"See {text}.")


@pytest.mark.parametrize("text", ["It costs $5 and $6.", "$ x $", "$", "$$", "$$$$", "\\(", "a $1 b $2"])
def test_money_is_no_formula(text: str) -> None:
    assert "math" not in render_markdown(text)


def test_code_is_coloured_by_classes() -> None:
    html = render_markdown("```python\nreturn '<b>'\n```")

    assert '<p class="code-language">python</p>' in html
    assert '<span class="k">return</span>' in html
    assert "&lt;b&gt;" in html
    assert "style=" not in html


@pytest.mark.parametrize("language", ["brainfuck", "<b>", '"onload="x', "\u202epy", "x" * 500, "../python"])
def test_code_of_other_languages_is_shown_as_it_is(language: str) -> None:
    html = render_markdown(f"```{language}\nreturn <b>\n```")

    assert "<span" not in html
    assert "return &lt;b&gt;" in html
    assert harm_in(html) == []


SLOW = {
    "quotes": ">" * 10_000 + "x",
    "lists": "- " * 10_000 + "x",
    "deep": "".join(" " * depth + "- a\n" for depth in range(300)),
    "brackets": "[" * 10_000,
    "images": "![" * 10_000,
    "stars": "*a **a " * 5_000,
    "ticks": "".join("`" * number + " " for number in range(300)),
    "dollars": "$a " * 10_000,
    "formulas": "\\(" * 10_000,
    "line": "a" * 1_000_000,
    "table": "|" * 1000 + "\n" + "|-" * 1000 + "|\n" + ("|" * 1000 + "\n") * 40,
    "blocks": "```py\nx = 1\n```\n" * 2_500,
    "code": "```python\n" + "(" * 49_000 + "\n```",
}


@pytest.mark.parametrize("name", SLOW)
def test_what_was_made_to_be_slow_is_not(name: str) -> None:
    began = time.process_time()
    html = render_markdown(SLOW[name])

    assert time.process_time() - began < 5
    assert harm_in(html) == []


@pytest.mark.parametrize("name", ["quotes", "deep"])
def test_what_is_nested_too_deeply_is_shown_whole(name: str) -> None:
    html = render_markdown(SLOW[name])

    assert html.startswith("<pre")
    assert unescape(html.partition(">")[2].removesuffix("</pre>")) == SLOW[name]


def test_an_override_ends_with_its_block() -> None:
    html = render_markdown("\u202eone\n\ntwo\n\n- \u202ethree\n\n> four")

    for block in ("<p", "<li"):
        assert f'{block} dir="auto">' in html


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_no_text_makes_an_element_that_is_not_listed(text: str) -> None:
    assert harm_in(render_markdown(text)) == []


def test_harm_would_be_seen() -> None:
    assert harm_in('<p onclick="x">') == ["p onclick"]
    assert harm_in('<span class="k evil">') == ["span class k evil"]
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
            if name == "class" and not set((value or "").split()) <= ALLOWED_CLASSES.get(tag, set()):
                self.found.append(f"{tag} class {value}")
            address = name == "href" and not (value or "").startswith(("http://", "https://", "mailto:", "/", "#", "?"))
            scheme = ":" in (value or "").partition("/")[0]
            if name not in HARMLESS or (address and scheme):
                self.found.append(f"{tag} {name}")


def harm_in(html: str) -> list[str]:
    parser = Harm()
    parser.feed(html)
    return parser.found
