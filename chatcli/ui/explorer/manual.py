"""What the keys do, as `?` shows it."""

from __future__ import annotations

from chatcli.ui.explorer.cells import Row, fit, width, wrapped

__all__ = ["manual", "manual_height"]

_NARROW = 16  # cells for what a key does; with fewer, that stands below the key

_SECTIONS = (
    (
        "always",
        (
            ("↑ ↓  PgUp PgDn", "walk through the candidates"),
            ("Enter", "take the one in hand"),
            ("Backspace", "erase what is typed, or give the last token back"),
            ("Tab", "the model takes one token, by the chain and the seed"),
            ("Esc", "from typing to commands, and back"),
            ("F1 to F5", "table, waterfall, tree, watch list, next character"),
            ("Ctrl-C", "leave, and print the text; Ctrl-Z suspends"),
        ),
    ),
    (
        "commands",
        (
            ("g", "run until a breakpoint; any key stops"),
            ("b", "breakpoints: entropy>3 rank>20 p<5% watch<=10 sentence"),
            ("← →", "give back, and go on again"),
            ("t T  k K  p P  m M", "temperature, top-k, top-p, min-p: down, up"),
            ("o O  s S", "order before, next; seed + 1, another seed"),
            (":", "any setting: repetition_penalty 1.1"),
            ("/  n N", "find a token by text or id; next, previous"),
            ("w", "watch a text; once more: don't"),
            ("[ ]", "waterfall: stages before, behind"),
            ("a", "name this place"),
            ("tree: Enter f x", "go there, fold, mark to compare"),
            ("W R D", "save the walk in the store; open one, delete one"),
            ("c", "characters: the model's own distribution, or after the chain"),
            ("1 to 5  i  ?", "views, typing, this help and back"),
            ("q  Q", "leave and print the text; the ids too"),
        ),
    ),
)


def manual(columns: int, rows: int, first: int = 0) -> list[Row]:
    """The rows from `first` on; `first` may lie too far."""
    lines = _lines(columns)
    first = max(0, min(first, len(lines) - rows))
    return lines[first : first + rows]


def manual_height(columns: int) -> int:
    """How many rows there are."""
    return len(_lines(columns))


def _lines(columns: int) -> list[Row]:
    keys = max(width(key) for _, entries in _SECTIONS for key, _ in entries) + 2
    lines: list[Row] = []
    for title, entries in _SECTIONS:
        lines.append([("class:heading", f" {title}")])
        for key, text in entries:
            lines += _entry(key, text, keys, columns)
    return lines


def _entry(key: str, text: str, keys: int, columns: int) -> list[Row]:
    room = columns - 4 - keys
    if room < _NARROW:
        below: list[Row] = [[("", f"     {line}")] for line in wrapped(text, max(1, columns - 6))]
        return [[("class:key", f"   {key}")], *below]
    heads = [key, *[""] * len(text)]
    return [
        [("class:key", "   " + fit(head, keys)), ("", line)]
        for head, line in zip(heads, wrapped(text, room), strict=False)
    ]
