"""Chat text as HTML that cannot do anything.

What people and models wrote is Markdown at best and hostile at worst. markdown-it makes HTML from it with raw HTML
switched off; nh3 then lets through only a short list of elements, so that a fault in the first is still caught by the
second. No image is loaded (it would tell another host who reads what): its description and address stand in its place.
"""

from collections.abc import Sequence
from functools import cache

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

FORMATTED_AT_MOST = 200_000  # characters; longer text is shown as it is, in linear time

TAGS = {
    "p", "br", "hr", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "code", "em", "strong", "s", "a",
    "div", "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip
DIRECTED = {"p", "h3", "h4", "h5", "h6", "li", "th", "td"}
ATTRIBUTES = {
    "a": {"href", "title"},
    "ol": {"start"},
    "pre": {"tabindex", "dir"},
    "code": {"class"},
    **{tag: {"dir"} for tag in DIRECTED},
}
SCROLLING = {"div": {"class": {"table-scroll"}, "tabindex": {"0"}}}


def render_markdown(text: str) -> SafeString:
    """The text as harmless HTML: raw HTML in it is shown as text, links lead to http, https and mailto only."""
    if len(text) > FORMATTED_AT_MOST:
        return mark_safe(f'<pre tabindex="0" dir="auto">{escapeHtml(text)}</pre>')  # noqa: S308  (just escaped)
    return mark_safe(  # noqa: S308  (just cleaned)
        nh3.clean(
            _markdown().render(text),
            tags=TAGS,
            attributes=ATTRIBUTES,
            tag_attribute_values=SCROLLING,
            url_schemes={"http", "https", "mailto"},
            link_rel="noopener noreferrer nofollow ugc",
        )
    )


class ChatRenderer(RendererHTML):
    """Headings one step below a message's own, code that scrolls by keyboard, images as words."""

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """The image's description and, unless the picture is in the address itself, where it would come from."""
        image = tokens[idx]
        source = str(image.attrs.get("src", ""))
        described = escapeHtml(image.content) or "…"
        return f"[{described}]" if source.startswith("data:") else f"[{described}: {escapeHtml(source)}]"

    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """A block of code; always left to right."""
        return f'<pre tabindex="0" dir="ltr"><code>{escapeHtml(tokens[idx].content)}</code></pre>\n'

    code_block = fence

    def table_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """A table scrolls by itself, never the page."""
        return '<div class="table-scroll" tabindex="0"><table>\n'

    def table_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """Ends the table and what it scrolls in."""
        return "</table></div>\n"


@cache
def _markdown() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False, "breaks": True}, renderer_cls=ChatRenderer)
    markdown.enable(["table", "strikethrough"])
    markdown.core.ruler.push("wavelength", _adapt)
    return markdown


def _adapt(state: StateCore) -> None:
    # Each block finds its own direction, so one right-to-left paragraph does not turn the others; and an
    # override such as U+202E ends with the block it stands in.
    for token in state.tokens:
        if token.type.startswith("heading"):
            token.tag = f"h{min(6, int(token.tag[1]) + 2)}"
        if token.nesting == 1 and token.tag in DIRECTED:
            token.attrSet("dir", "auto")
