"""One page of HTML that needs no network and runs nothing but what it is made of.

Its style, and its script where it has one, stand in the page and are the only ones that its
content security policy allows, by their hashes. Every text is inert and escaped. What pages
say is the business of those who write them.
"""

from __future__ import annotations

import base64
import hashlib
import html as markup
import re
from pathlib import Path
from typing import Any

from chatcli.text.json_text import json_text
from chatcli.text.visible import visible

__all__ = ["block", "escaped", "language", "page", "said"]

_STYLE = Path(__file__).with_name("page.css")
# Which Chinese, Japanese or Korean font a browser takes is the language's to say.
_LANGUAGES = (
    ("ja", re.compile("[\u3041-\u30ff]")),
    ("ko", re.compile("[\uac00-\ud7a3]")),
    ("zh", re.compile("[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]")),
)


def page(title: str, body: str, *, style: str = "", script: str = "", data: Any = None) -> str:
    """The whole page, in UTF-8.

    `body` is HTML; `style` adds to what all pages share; `script` finds `data` (plain JSON) in
    the element "data". Neither may hold its own end tag.
    """
    rules = _STYLE.read_text(encoding="utf-8") + style
    runs = f"script-src {_source(script)}; " if script else ""
    policy = (
        f"default-src 'none'; style-src {_source(rules)}; {runs}base-uri 'none'; form-action 'none'"
    )
    parts = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escaped(title, one_line=True)}</title>",
        f"<style>{rules}</style>\n</head>\n<body>",
        body,
    ]
    if data is not None:
        parts.append(f'<script type="application/json" id="data">{_held(data)}</script>')
    parts += [f"<script>{script}</script>"] if script else []
    return "\n".join([*parts, "</body>\n</html>\n"])


def escaped(text: str, one_line: bool = False) -> str:
    """A text as HTML: what would act on the reader's screen is shown, markup is text."""
    return markup.escape(visible(text, keep_newlines=not one_line))


def language(text: str) -> str:
    """The attribute that names the language of a Chinese, Japanese or Korean text."""
    found = next((name for name, letters in _LANGUAGES if letters.search(text)), None)
    return f' lang="{found}"' if found else ""


def said(role: str, name: str, content: str) -> str:
    """What somebody said, under their name."""
    return block(role, name, escaped(content) or "(no reply)", language(content))


def block(role: str, name: str, body: str, attributes: str = "", *, kind: str = "") -> str:
    """A text that is HTML already, under the name of who said it; `kind` is a class besides."""
    kind = f"{role if role in ('system', 'user') else 'assistant'} {kind}".strip()
    heading = f"<h3>{escaped(name, one_line=True)}</h3>"
    return f'{heading}\n<div class="text {kind}"{attributes} dir="auto">{body}</div>'


def _source(text: str) -> str:
    """How a content security policy names an inline part: by its hash."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _held(data: Any) -> str:
    """JSON that no parser of HTML takes for markup: neither a tag nor a comment begins in it."""
    text = json_text(data, compact=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
