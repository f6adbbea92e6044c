"""What each token of a context is for: the template's own, a system prompt, a message, a reply.

Replies are found by their ids. Messages are found by their bytes, and by what the template
puts around messages, so that a message "user" isn't taken for the word in a template's header.
What can't be found, as a template may rewrite what came before, counts as the template's.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, groupby, pairwise, takewhile
from typing import Literal

from chatcli.chat.types import Turn
from chatcli.errors import ChatcliError
from chatcli.text.types import Message, Tokenizer

__all__ = ["Part", "PartKind", "context_parts"]

PartKind = Literal["template", "system", "message", "reply"]

_KINDS: dict[str, PartKind] = {"system": "system", "user": "message", "assistant": "reply"}
_CONTROL = b"\xff"  # stands for any control token: in no text, for UTF-8 has no such byte
_PROBE = "70917"  # a content that nothing in a template is mistaken for, whatever its case
_Around = dict[str, tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Part:
    """Neighbouring tokens for the same end, the first of them at `start` of the context.

    `turn` is the number of the turn on the path, from 1; None before the first.
    """

    kind: PartKind
    turn: int | None
    start: int
    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Content:
    """Something said that the context should hold."""

    message: Message
    turn: int | None = None
    ids: tuple[int, ...] = ()  # of a reply, as it was generated
    likely: int | None = None  # where they stand, unless the template rewrote what is before


def context_parts(
    tokenizer: Tokenizer,
    ids: Sequence[int],
    preamble: Sequence[Message],
    turns: Sequence[Turn],
    *,
    forgotten: int = 0,
) -> tuple[Part, ...]:
    """`ids` cut into parts, in order; `turns` are all those on the path, root first.

    The first `forgotten` of them aren't looked for. What a template puts before a message or
    reply belongs to its turn.
    """
    contents = [*map(_Content, preamble), *_said(turns, forgotten)]
    found = list(_places(tokenizer, ids, contents))
    if len(found) < len(contents):
        moved = _places(tokenizer, ids, _system_late(contents))
        found = max(found, list(moved), key=len)
    marks: list[tuple[PartKind, int | None]] = []
    for content, (start, stop) in found:
        marks += [("template", content.turn)] * (start - len(marks))
        marks += [(_KINDS[content.message.role], content.turn)] * (stop - len(marks))
    last = contents[-1].turn if contents else None
    marks += [("template", last)] * (len(ids) - len(marks))
    return tuple(_grouped(ids, marks))


def _said(turns: Sequence[Turn], forgotten: int) -> Iterator[_Content]:
    for number, turn in enumerate(turns[forgotten:], forgotten + 1):
        yield _Content(Message("user", turn.user), number)
        if turn.answered:
            # What a turn was prefilled with stands in its prompt, right before its reply.
            if turn.prefill:
                yield _Content(Message("assistant", turn.prefill), number)
            reply = Message("assistant", turn.reply.removeprefix(turn.prefill))
            likely = turn.prompt_length if turn.forgotten == forgotten else None
            yield _Content(reply, number, turn.tail[-turn.new_tokens :], likely)


def _system_late(contents: Sequence[_Content]) -> Sequence[_Content]:
    """The order of templates that put the system prompt before the last message (Mistral's)."""
    if contents[0].message.role != "system":
        return contents
    system, *rest = contents
    last = max((at for at, one in enumerate(rest) if one.message.role == "user"), default=0)
    return [*rest[:last], system, *rest[last:]]


def _grouped(ids: Sequence[int], marks: Sequence[tuple[PartKind, int | None]]) -> Iterator[Part]:
    start = 0
    for (kind, turn), group in groupby(marks):
        stop = start + len(list(group))
        yield Part(kind, turn, start, tuple(ids[start:stop]))
        start = stop


def _places(
    tokenizer: Tokenizer, ids: Sequence[int], contents: Sequence[_Content]
) -> Iterator[tuple[_Content, tuple[int, int]]]:
    """Each content that is there, with the places of its first token and of the one after."""
    pieces = _pieces(tokenizer, ids)
    starts = [0, *accumulate(map(len, pieces))]  # of each token, in bytes; then the end
    text, around, at = b"".join(pieces), _around(tokenizer), 0
    for content in contents:
        found = _by_ids(ids, content, at) or _by_bytes(text, starts, content, around, at)
        if found is not None:
            at = found[1]
            yield content, found


def _pieces(tokenizer: Tokenizer, ids: Sequence[int]) -> list[bytes]:
    return [_CONTROL if tokenizer.is_special(one) else tokenizer.token_bytes(one) for one in ids]


def _by_ids(ids: Sequence[int], content: _Content, at: int) -> tuple[int, int] | None:
    size = len(content.ids)
    likely = () if content.likely is None else (content.likely,)
    for start in chain(likely, range(at, len(ids))) if size else ():
        # The first id alone decides nearly always, and costs least.
        if at <= start < len(ids) and ids[start] == content.ids[0]:
            if tuple(ids[start : start + size]) == content.ids:
                return start, start + size
    return None


def _by_bytes(
    text: bytes, starts: Sequence[int], content: _Content, around: _Around, at: int
) -> tuple[int, int] | None:
    """Tokens that lie in the content by a byte at least: one may begin before it."""
    before, after = around.get(content.message.role, (b"", b""))
    for wanted in dict.fromkeys((content.message.content, content.message.content.strip())):
        data = wanted.encode("utf-8", "replace")
        for head, tail in ((before, after), (b"", after), (b"", b"")):
            place = text.find(head + data + tail, starts[at]) if data else -1
            if place >= 0:
                first = place + len(head)
                return _tokens_within(starts, first, first + len(data), at)
    return None


def _tokens_within(starts: Sequence[int], first: int, end: int, at: int) -> tuple[int, int]:
    return max(at, bisect_right(starts, first) - 1), bisect_left(starts, end)


def _around(tokenizer: Tokenizer) -> _Around:
    """What the template puts right before and after a content, by role, as far as it is always
    the same; the control tokens in it are one mark each."""
    before: dict[str, list[bytes]] = {}
    after: dict[str, list[bytes]] = {}
    for roles in (("user", "assistant", "user"), ("system", "user")):
        try:
            ids = tokenizer.encode_chat([Message(role, _PROBE) for role in roles])
        except ChatcliError:  # some know no system prompt
            continue
        gaps = b"".join(_pieces(tokenizer, ids)).split(_PROBE.encode())
        if len(gaps) == len(roles) + 1:
            for role, (left, right) in zip(roles, pairwise(gaps), strict=True):
                before.setdefault(role, []).append(left[::-1])
                after.setdefault(role, []).append(right)
    return {role: (_common(before[role])[::-1], _common(after[role])) for role in before}


def _common(texts: Sequence[bytes]) -> bytes:
    """The longest beginning that all share."""
    alike = takewhile(lambda column: len(set(column)) == 1, zip(*texts, strict=False))
    return bytes(column[0] for column in alike)
