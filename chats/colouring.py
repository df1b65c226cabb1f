"""Code with its words in classes, which `static/css/code.css` colours: Pygments, kept on a short leash.

Its lexers are regular expressions written for honest code; only those of well-known languages are used, and only on
blocks of bounded length. Code in any other language is shown as it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from markdown_it.common.utils import escapeHtml
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import STANDARD_TYPES

COLOURED_AT_MOST = 12_000  # characters of one block
LONGEST_LINE = 2_000
CLASSES: Final = frozenset(STANDARD_TYPES.values()) - {""}
# What people write behind the fence, and what Pygments calls it.
_LEXERS: Final = (
    "bash", "c", "cpp", "csharp", "css", "dart", "diff", "docker", "elixir", "go", "haskell", "html", "ini", "java",
    "javascript", "json", "julia", "kotlin", "lua", "make", "nginx", "perl", "php", "powershell", "python", "r", "ruby",
    "rust", "scala", "scss", "sql", "swift", "terraform", "toml", "tsx", "typescript", "xml", "yaml",
)  # fmt: skip
_NAMES: Final[Mapping[str, str]] = {
    **{name: name for name in _LEXERS},
    "c#": "csharp", "c++": "cpp", "console": "bash", "cs": "csharp", "dockerfile": "docker", "golang": "go",
    "hcl": "terraform", "js": "javascript", "jsx": "tsx", "kt": "kotlin", "makefile": "make", "plpgsql": "sql",
    "postgresql": "sql", "ps1": "powershell", "py": "python", "python3": "python", "rb": "ruby", "rs": "rust",
    "sh": "bash", "shell": "bash", "svg": "xml", "ts": "typescript", "yml": "yaml", "zsh": "bash",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Language:
    """What a block says it is written in; `lexer` is empty for what is not coloured."""

    label: str
    lexer: str


def language_of(info: str) -> Language | None:
    """The language that stands behind a fence; None where nothing does."""
    words = info.split(maxsplit=1)
    name = words[0][:30] if words else ""
    return Language(name, _NAMES.get(name.lower(), "")) if name else None


def coloured(code: str, language: Language) -> str:
    """The code as HTML, nothing in it but its text and `<span class>` of `CLASSES`."""
    too_long = len(code) > COLOURED_AT_MOST or max(map(len, code.splitlines()), default=0) > LONGEST_LINE
    if not language.lexer or too_long:
        return escapeHtml(code)
    html: str = highlight(code, _lexer(language.lexer), HtmlFormatter(nowrap=True))
    return html


@cache
def _lexer(name: str) -> Lexer:
    return get_lexer_by_name(name, stripnl=False, ensurenl=False)
