"""A conversation as one page of HTML that needs no network and can't run anything.

Every text is inert and escaped, the only style is the page's own (its hash is in the content
security policy, which allows nothing else), and there is no script.
"""

from __future__ import annotations

import base64
import hashlib
import html as markup
import re
from collections.abc import Sequence

from chatcli.chat.records import facts_of, model_of, said, title_of
from chatcli.chat.types import Session, Turn
from chatcli.text.types import Message
from chatcli.text.visible import visible

__all__ = ["html"]

_STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --soft: #59636e; --line: #d1d9e0;
  --ground: #ffffff; --mine: #f3f6f9; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --soft: #9aa4af; --line: #3a424c;
  --ground: #14171b; --mine: #1e242b; } }
body { margin: 0 auto; max-width: 44rem; padding: 2.5rem 1.25rem 4rem; color: var(--ink);
  background: var(--ground); font: 1rem/1.75 system-ui, -apple-system, "Segoe UI", "PingFang SC",
  "Noto Sans CJK SC", "Source Han Sans SC", "Microsoft YaHei", sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.4; margin: 0; overflow-wrap: anywhere; }
.facts, .made { color: var(--soft); font-size: .8rem; line-height: 1.5; margin: .5rem 0 0;
  overflow-wrap: anywhere; }
section { border-top: 1px solid var(--line); margin-top: 1.75rem; padding-top: 1rem; }
h2 { color: var(--soft); font-size: .8rem; font-weight: 600; margin: 0; }
h3 { color: var(--soft); font-size: .8rem; font-weight: 600; margin: 1rem 0 .25rem; }
.text { line-break: strict; margin: 0; overflow-wrap: anywhere; text-autospace: normal;
  text-spacing-trim: normal; unicode-bidi: isolate; white-space: pre-wrap; }
.user, .system { background: var(--mine); border-radius: .5rem; padding: .5rem .75rem; }
.system { border-left: .2rem solid var(--line); color: var(--soft); }
@media print { body { max-width: none; padding: 0; } section { break-inside: avoid-page; } }
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'"
# Which Chinese, Japanese or Korean font a browser takes is the language's to say.
_LANGUAGES = (
    ("ja", re.compile("[\u3041-\u30ff]")),
    ("ko", re.compile("[\uac00-\ud7a3]")),
    ("zh", re.compile("[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]")),
)


def html(session: Session, turns: Sequence[Turn]) -> str:
    """The whole page, in UTF-8."""
    title = title_of(session, turns)
    preamble: tuple[Message, ...] = ()
    sections = []
    for number, turn in enumerate(turns, 1):
        changed = turn.preamble if turn.preamble != preamble else ()
        sections.append(_section(number, turn, changed))
        preamble = turn.preamble
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{_text(title, one_line=True)}</title>",
            f"<style>{_STYLE}</style>\n</head>\n<body>",
            f'<h1{_language(title)} dir="auto">{_text(title, one_line=True)}</h1>',
            f'<p class="facts">{_text(" · ".join(facts_of(session)), one_line=True)}</p>',
            *sections,
            "</body>\n</html>\n",
        ]
    )


def _section(number: int, turn: Turn, preamble: Sequence[Message]) -> str:
    parts = [f'<section id="turn-{number}">\n<h2>{number}</h2>']
    parts += [_said(row.role, row.role, row.content) for row in preamble]
    parts += [_said("user", "user", turn.user), _said("assistant", model_of(turn), turn.reply)]
    if made := said(turn):
        parts.append(f'<p class="made">{_text(" · ".join(made), one_line=True)}</p>')
    return "\n".join([*parts, "</section>"])


def _said(role: str, name: str, content: str) -> str:
    kind = role if role in ("system", "user") else "assistant"
    words = _text(content) or "(no reply)"
    heading = f"<h3>{_text(name, one_line=True)}</h3>"
    return f'{heading}\n<div class="text {kind}"{_language(content)} dir="auto">{words}</div>'


def _text(text: str, one_line: bool = False) -> str:
    return markup.escape(visible(text, keep_newlines=not one_line))


def _language(text: str) -> str:
    found = next((name for name, letters in _LANGUAGES if letters.search(text)), None)
    return f' lang="{found}"' if found else ""
