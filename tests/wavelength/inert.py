"""Reads a page as a browser would, and finds where text of people's has become anything but text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

import orjson

MARK = "zqx"
"""In every hostile text, and in nothing of ours: as the name of an element or attribute it shows that it got out."""

RLO = "\u202e"
"""Turns what follows around, to the end of its paragraph or isolate."""

VOID = frozenset(
    {
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "source",
        "track",
        "wbr",
        "use",
        "path",
    }
)
CLOSED_BY_THE_NEXT = frozenset({"option", "li", "dt", "dd", "tr", "td", "th", "p"})
ADDRESSES = frozenset({"href", "src", "action", "formaction", "xlink:href", "poster", "data", "srcdoc"})
DANGEROUS = ("javascript:", "data:", "vbscript:")
# Text runs on through these; every other element is a paragraph of its own.
INLINE = frozenset(
    {"a", "abbr", "b", "code", "em", "i", "q", "s", "small", "span", "strong", "sub", "sup", "time", "u"}
)
# Their text stands alone, in a window's frame or a field of a form.
APART = frozenset({"title", "option", "textarea", "script", "style", "template", "noscript"})


@dataclass
class Node:
    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Node | str] = field(default_factory=list)
    parent: Node | None = None

    @property
    def text(self) -> str:
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    def walk(self) -> Iterator[Node]:
        yield self
        for child in self.children:
            if isinstance(child, Node):
                yield from child.walk()

    def ancestors(self) -> Iterator[Node]:
        node: Node | None = self
        while node is not None:
            yield node
            node = node.parent


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = self.here = Node("#document")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in CLOSED_BY_THE_NEXT and self.here.tag == tag and self.here.parent:
            self.here = self.here.parent
        node = Node(tag, {name: value or "" for name, value in attrs}, parent=self.here)
        self.here.children.append(node)
        if tag not in VOID:
            self.here = node

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.here.children.append(Node(tag, {name: value or "" for name, value in attrs}, parent=self.here))

    def handle_endtag(self, tag: str) -> None:
        for node in self.here.ancestors():
            if node.tag == tag and node.parent is not None:
                self.here = node.parent
                return

    def handle_data(self, data: str) -> None:
        self.here.children.append(data)

    def handle_comment(self, data: str) -> None:
        self.here.children.append(Node("#comment", children=[data], parent=self.here))


def tree_of(page: str) -> Node:
    """A page as a tree."""
    builder = _Builder()
    builder.feed(page)
    builder.close()
    return builder.root


def faults(page: str) -> list[str]:
    """What a text with MARK has become other than text, and whose neighbours it would turn around."""
    root = tree_of(page)
    return [fault for node in root.walk() for fault in (*_acting(node), *_turning(node))]


def _acting(node: Node) -> Iterator[str]:
    if MARK in node.tag:
        yield f"an element: {node.tag}"
    for name, value in node.attributes.items():
        if MARK in name:
            yield f"an attribute: {name} of {node.tag}"
        if MARK not in value:
            continue
        if name.startswith(("on", "hx-on")) or name in {"style", "srcdoc", "hx-vals", "hx-headers"}:
            yield f"{name} of {node.tag}: {value}"
        if name in ADDRESSES and "".join(value.split()).lower().startswith(DANGEROUS):
            yield f"{name} of {node.tag}: {value}"
    if node.tag in {"script", "style", "#comment"} and MARK in (inside := node.text):
        if node.attributes.get("type") in {"application/json", "application/ld+json"}:
            orjson.loads(inside)
        else:
            yield f"{node.tag}: {inside}"


def _turning(node: Node) -> Iterator[str]:
    for child in node.children:
        if not isinstance(child, str) or RLO not in child:
            continue
        above = list(node.ancestors())
        if any(each.tag == "bdi" or "dir" in each.attributes or each.tag in APART for each in above[:-3]):
            continue
        paragraph = next(each for each in above if each.tag not in INLINE)
        if _without(paragraph.text, child).strip(" \n\t,;·"):
            yield f"turns around: {' '.join(paragraph.text.split())[:160]!r} in {paragraph.tag} {paragraph.attributes}"


def _without(text: str, part: str) -> str:
    # What stands before it is safe; what follows is turned.
    return text.partition(part)[2]
