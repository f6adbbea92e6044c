"""A conversation as a file: Markdown and one page of HTML to read, JSON Lines to train on.

    markdown   turns under headings, what each reply was made with under it
    messages   lines as `chatcli train sft` reads them and `chatcli sessions import` takes them
    html       one page that needs nothing else and runs nothing (`page` writes it)

Each takes the turns of one branch, oldest first. Which they are is up to the caller.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from chatcli.chat.page import html
from chatcli.chat.records import (
    CHANGED,
    ENDED,
    end_of,
    facts_of,
    model_of,
    said,
    title_of,
    was_cut,
)
from chatcli.chat.tree import messages_of
from chatcli.chat.types import Session, Turn
from chatcli.errors import OutputError, UsageError
from chatcli.text.json_text import json_text
from chatcli.text.types import Message
from chatcli.text.visible import visible

__all__ = [
    "FORMATS",
    "check_export",
    "format_of",
    "html",
    "left_out",
    "markdown",
    "messages",
    "write_export",
]

# What Markdown would let run on over the end of a text, or take for a heading of ours.
_RUNS_ON = re.compile(
    r"^ {0,3}(?:#{1,6}(?:\s|$)|<(?:[!?]|script\b|pre\b|style\b|textarea\b))", re.I
)
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#!|&~$])")


def messages(session: Session, turns: Sequence[Turn], *, cut: bool = False) -> str:
    """A line of JSON for each conversation, `{"messages": [{"role", "content"}, …]}`; exact texts.

    A turn without a reply teaches nothing, one whose reply was cut that replies end like that:
    both are left out, the latter unless `cut`. A conversation ends where one was left out, and
    where the preamble changes, for what was said before it was not said under it. Raises
    UsageError where nothing is left.
    """
    conversations = _conversations(turns, cut)
    if not conversations:
        raise UsageError(
            "every reply was cut before its end; `chatcli sessions export --cut` takes them too"
            if any(turn.reply for turn in turns)
            else "no turn has a reply yet, so there are no messages to export"
        )
    return "".join(map(_line, conversations))


def left_out(turns: Sequence[Turn], *, cut: bool = False) -> list[str]:
    """What `messages` doesn't say of these turns, or says apart; a remark on each."""
    remarks = []
    if silent := sum(not turn.reply for turn in turns):
        remarks.append(f"left out {_count(silent, 'turn')} without a reply")
    ends = Counter(end_of(turn) for turn in turns if turn.reply and was_cut(turn))
    if ends and not cut:
        why = ", ".join(f"{number:,} {end}" for end, number in ends.items())
        whose = _count(ends.total(), "turn")
        remarks.append(f"left out {whose} whose reply isn't whole ({why}); --cut takes them too")
    if (lines := len(_conversations(turns, cut))) > 1:
        remarks.append(
            f"{lines:,} conversations: one ends where the system prompt changes, or a turn is "
            "left out"
        )
    return remarks


def _conversations(turns: Sequence[Turn], cut: bool) -> list[list[Turn]]:
    """The turns to learn from, those together that were said in one go under one preamble."""
    found: list[list[Turn]] = []
    goes_on = False
    for turn in turns:
        whole = bool(turn.reply) and (cut or not was_cut(turn))
        if whole and goes_on and turn.preamble == found[-1][-1].preamble:
            found[-1].append(turn)
        elif whole:
            found.append([turn])
        goes_on = whole
    return found


def _line(turns: Sequence[Turn]) -> str:
    rows = [*turns[0].preamble, *messages_of(turns)]
    plain = [{"role": row.role, "content": row.content} for row in rows]
    return json_text({"messages": plain}) + "\n"


def markdown(session: Session, turns: Sequence[Turn]) -> str:
    """The conversation to be read; control characters are shown, not written."""
    parts = [f"# {_literal(title_of(session, turns))}", _literal(" · ".join(facts_of(session)))]
    preamble: tuple[Message, ...] = ()
    for number, turn in enumerate(turns, 1):
        parts.append(f"## {number}")
        if turn.preamble != preamble:
            preamble = turn.preamble
            parts += [] if number == 1 else [f"*{CHANGED if preamble else ENDED}*"]
            parts += [f"**{row.role}**\n\n{_quoted(row.content)}" for row in preamble]
        parts.append(f"**user**\n\n{_quoted(turn.user)}")
        parts.append(f"**{_literal(model_of(turn))}**\n\n{_reply(turn)}")
        if said(turn):
            parts.append(f"*{_literal(' · '.join(said(turn)))}*")
    return "\n\n".join(parts) + "\n"


FORMATS: Mapping[str, Callable[[Session, Sequence[Turn]], str]] = {
    "md": markdown,
    "jsonl": messages,
    "html": html,
}


def format_of(path: Path, named: str | None = None) -> str:
    """The format that is `named`, or that the file's ending tells. Raises UsageError."""
    ending = path.suffix.lower().removeprefix(".")
    if named is not None:
        if named not in FORMATS:
            raise UsageError(f"format {named!r} doesn't exist; there are {', '.join(FORMATS)}")
        return named
    if ending not in FORMATS:
        raise UsageError(
            f"{path}: the name doesn't tell the format; end it in .md, .jsonl or .html"
        )
    return ending


def check_export(path: Path, force: bool = False) -> None:
    """Raise UsageError where `write_export` would find something there already."""
    if path.exists() and not (force and path.is_file()):
        remedy = "choose another name, or --force" if path.is_file() else "name a file"
        raise UsageError(f"{path} exists; {remedy}")


def write_export(path: Path, text: str, force: bool = False) -> None:
    """Write `text` to `path`, whole or not at all, for the user alone (0600).

    Raises UsageError where the file exists, unless `force`; OutputError where it can't be
    written.
    """
    check_export(path, force)
    try:
        aside = _written_aside(path, text.encode("utf-8", "replace"))
    except OSError as error:
        raise OutputError(f"can't write {path}: {error.strerror or error}") from error
    try:
        _put_in_place(aside, path, force)
    except FileExistsError:
        raise UsageError(f"{path} exists by now; choose another name, or --force") from None
    except OSError as error:
        raise OutputError(f"can't write {path}: {error.strerror or error}") from error
    finally:
        aside.unlink(missing_ok=True)


def _written_aside(path: Path, data: bytes) -> Path:
    """A file beside `path` with `data` on the disk; mkstemp makes it 0600."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        os.unlink(name)
        raise
    return Path(name)


def _put_in_place(aside: Path, path: Path, force: bool) -> None:
    """A link, unlike a rename, never replaces what came to be there meanwhile."""
    if force:
        os.replace(aside, path)
        return
    try:
        os.link(aside, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if path.exists():
            raise FileExistsError(path) from None
        os.replace(aside, path)


def _reply(turn: Turn) -> str:
    """The reply as it is, so that its Markdown is rendered; quoted where it would run on."""
    text = visible(turn.reply)
    if not text.strip():
        return "*(no reply)*"
    return text.strip("\n") if _ends_with_itself(text.split("\n")) else _quoted(text)


def _ends_with_itself(lines: Sequence[str]) -> bool:
    """Whether nothing that the lines begin, outside of code, goes on after them."""
    fence: str | None = None
    for line in lines:
        match = _FENCE.match(line)
        if fence is None:
            if _RUNS_ON.match(line):
                return False
            fence = match[1] if match else None
        elif match and match[1].startswith(fence) and not line[match.end() :].strip():
            fence = None
    return fence is None


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _quoted(text: str) -> str:
    """A quotation: whatever is begun in it ends with it."""
    return "\n".join(f"> {line}".rstrip() for line in visible(text).split("\n"))


def _literal(text: str) -> str:
    """`text` in one line that Markdown takes for text, where it doesn't begin a line."""
    return _SPECIAL.sub(r"\\\1", visible(text, keep_newlines=False))
