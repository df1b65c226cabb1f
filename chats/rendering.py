"""Chat text as HTML that cannot do anything.

What people and models wrote is Markdown at best and hostile at worst. markdown-it makes HTML from it with raw HTML
switched off; nh3 then lets through only a short list of elements, so that a fault in the first is still caught by the
second. No image is loaded (it would tell another host who reads what): its description and address stand in its place.
Formulas stay the text that they are; code is coloured by classes (chats/colouring.py).
"""

from collections.abc import Sequence
from functools import cache

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from chats.colouring import CLASSES, coloured, language_of

FORMATTED_AT_MOST = 50_000  # characters; longer text is shown as it is, in linear time
COLOURED_BLOCKS = 40  # of one text

MATH_AT_MOST = 2_000  # characters of one formula

TAGS = {
    "p", "br", "hr", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "code", "em", "strong", "s", "a",
    "div", "span", "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip
DIRECTED = {"p", "h3", "h4", "h5", "h6", "li", "th", "td"}
ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}, "pre": {"tabindex", "dir"}, **{tag: {"dir"} for tag in DIRECTED}}
FIXED = {"div": {"tabindex": {"0"}}, "span": {"dir": {"ltr"}}}
ALLOWED_CLASSES = {"div": {"table-scroll", "code"}, "p": {"code-language"}, "span": {"math", *CLASSES}}
# Each opens a formula: what ends it.
MATH = {"$$": "$$", "$": "$", "\\[": "\\]", "\\(": "\\)"}


def render_markdown(text: str) -> SafeString:
    """The text as harmless HTML: raw HTML in it is shown as text, links lead to http, https and mailto only."""
    markdown = _markdown()
    env: dict[str, int] = {}
    tokens = markdown.parse(text, env) if len(text) <= FORMATTED_AT_MOST else []
    # Beyond its deepest level markdown-it leaves out what stands there.
    if not tokens or any(token.level >= markdown.options.maxNesting - 1 for token in tokens):
        return mark_safe(f'<pre tabindex="0" dir="auto">{escapeHtml(text)}</pre>')  # noqa: S308  (just escaped)
    return mark_safe(  # noqa: S308  (just cleaned)
        nh3.clean(
            markdown.renderer.render(tokens, markdown.options, env),
            tags=TAGS,
            attributes=ATTRIBUTES,
            tag_attribute_values=FIXED,
            allowed_classes=ALLOWED_CLASSES,
            url_schemes={"http", "https", "mailto"},
            url_relative="deny",
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
        """A block of code under the name of its language; always left to right."""
        code, language = tokens[idx].content, language_of(tokens[idx].info)
        named = f'<p class="code-language">{escapeHtml(language.label)}</p>' if language else ""
        blocks = env["blocks"] = env.get("blocks", 0) + 1
        body = coloured(code, language) if language and blocks <= COLOURED_BLOCKS else escapeHtml(code)
        return f'<div class="code">{named}<pre tabindex="0" dir="ltr"><code>{body}</code></pre></div>\n'

    code_block = fence

    def math(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """A formula, as it was written."""
        return f'<span class="math" dir="ltr">{escapeHtml(tokens[idx].content)}</span>'

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
    markdown.inline.ruler.before("escape", "math", _math)
    markdown.core.ruler.push("wavelength", _adapt)
    return markdown


def _math(state: StateInline, silent: bool) -> bool:
    """Leaves a formula alone: `a_1 * b_2` in it is no emphasis, `\\(` no escaped bracket."""
    start = state.pos
    opening = next((mark for mark in MATH if state.src.startswith(mark, start)), None)
    if opening is None:
        return False
    begin, closing = start + len(opening), MATH[opening]
    end = state.src.find(closing, begin, min(begin + MATH_AT_MOST, state.posMax))
    formula = state.src[begin:end]
    if end < 0 or not formula.strip():
        return False
    after = end + len(closing)
    # A single dollar is most often money: `$5 and $6` is no formula.
    if opening == "$" and (formula != formula.strip() or state.src[after : after + 1].isdigit()):
        return False
    if not silent:
        state.push("math", "", 0).content = state.src[start:after]
    state.pos = after
    return True


def _adapt(state: StateCore) -> None:
    # Each block finds its own direction, so one right-to-left paragraph does not turn the others; and an
    # override such as U+202E ends with the block it stands in.
    for token in state.tokens:
        if token.type.startswith("heading"):
            token.tag = f"h{min(6, int(token.tag[1]) + 2)}"
        if token.nesting == 1 and token.tag in DIRECTED:
            token.attrSet("dir", "auto")
