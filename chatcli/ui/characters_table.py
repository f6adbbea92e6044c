"""The table of `chatcli probs --characters`: a row a character, and the tokens that lead there.

Below the characters, what else may come: together it is all there is. On a narrow screen
columns give way, the character and its probability last.
"""

from __future__ import annotations

from collections.abc import Sequence

from chatcli.probe.next_character import CharacterShare, NextCharacter, Path
from chatcli.text.types import Tokenizer
from chatcli.text.visible import text_label, token_label
from chatcli.ui.columns import Column, table_lines
from chatcli.ui.environment import Environment
from chatcli.ui.figures import count
from chatcli.ui.folding import SEPARATOR, fold
from chatcli.ui.panel import bar, clip, percent
from chatcli.ui.probs_table import prompt_title
from chatcli.ui.theme import Paint

__all__ = ["show_characters"]

_BAR = 16  # cells
_SEEN = 0.0005  # what is less has no figure, and so no bar
_LEAST_WAYS, _BESIDE_WAYS = 14, 63  # cells of "by way of", and of all others with their gaps
_NAMES = {
    "end": "end of text",
    "special": "control tokens",
    "invalid": "invalid bytes",
    "unresolved": "unresolved",
}


def show_characters(
    env: Environment, prompt: str, found: NextCharacter, tokenizer: Tokenizer
) -> None:
    """Write the table, under a title with the prompt and whose distribution it is."""
    width = env.columns() if env.stdout_is_terminal else None
    paint = Paint(env)
    head = [line for facts in _headings(found) for line in fold(facts, width)]
    titles, *rows = table_lines(_columns(found, tokenizer, width), width)
    characters = sum(share.kind == "character" for share in found.shares)
    rest = [paint("figures", row) for row in rows[characters:]]
    body = [paint("heading", titles), *rows[:characters], *rest]
    title = paint("heading", prompt_title(prompt, width))
    env.write("\n".join([title, *head, "", *body]) + "\n")


def _headings(found: NextCharacter) -> list[list[str]]:
    whose = "by the model's own distribution" if found.chain is None else "after the chain"
    known = 1 - found.prob("unresolved")
    facts = [count(len(found.prompt_ids), "token"), f"the next character, {whose}"]
    passes = f"{found.passes or 'no'} further forward pass{'es' if found.passes > 1 else ''}"
    figures = [passes, f"{percent(known)} resolved"]
    if found.pending:
        figures.append(f"the prompt leaves ⟨{found.pending.hex(' ').upper()}⟩ open")
    return [facts, figures, *([] if found.chain is None else [[found.chain]])]


def _columns(found: NextCharacter, tokenizer: Tokenizer, width: int | None) -> list[Column]:
    shown = [share for share in found.shares if share.kind == "character" or share.prob > 0]
    numbers = range(1, len(shown) + 1)
    ways = [_ways(share.paths, tokenizer) for share in shown]
    if width is not None:  # so that they drive no other column out
        ways = [clip(way, max(_LEAST_WAYS, width - _BESIDE_WAYS)) for way in ways]
    return [
        Column("rank", [_rank(*pair) for pair in zip(numbers, shown, strict=True)], 4, right=True),
        Column("character", [_name(share, found) for share in shown]),
        Column("code", [_code(share) for share in shown], rank=3),
        Column("probability", [percent(share.prob) for share in shown], right=True),
        Column("", [_bar(share.prob) for share in shown], rank=5),
        Column("by way of", ways, gives=True),
    ]


def _rank(number: int, share: CharacterShare) -> str:
    return str(number) if share.kind == "character" else ""


def _name(share: CharacterShare, found: NextCharacter) -> str:
    if share.kind == "character":
        return text_label(share.text)
    return _NAMES.get(share.kind) or count(found.others, "other")


def _code(share: CharacterShare) -> str:
    return f"U+{ord(share.text):04X}" if share.kind == "character" else ""


def _bar(prob: float) -> str:
    return bar(prob, _BAR) if prob >= _SEEN else ""


def _ways(paths: Sequence[Path], tokenizer: Tokenizer) -> str:
    """ "是 87.8 % · 是一 0.4 %"; of the tokens of one path only the last can be whole."""
    shown = [path for path in paths if path is paths[0] or path.prob >= _SEEN]
    labels = ("".join(token_label(tokenizer, token) for token in path.tokens) for path in shown)
    ways = zip(labels, (percent(path.prob) for path in shown), strict=True)
    return SEPARATOR.join(f"{label} {share}" for label, share in ways)
