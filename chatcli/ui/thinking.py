"""Thinking parts in a reply as it streams: what lies between `<think>` and `</think>`.

Pure: pieces of text in, parts of the same text out, nothing added and nothing lost; only
`Thoughts` folds, for a view. What a part looks like is left to the views. A reply may think
once, before it says anything else: a tag further on, or behind a backtick, is text, and the
first closing tag ends the part, so that no answer is taken for thinking by what it quotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from chatcli.engine.types import Chunk
from chatcli.errors import ChatcliError
from chatcli.text.types import Message, Tokenizer
from chatcli.ui.figures import count

__all__ = [
    "Part",
    "Thinking",
    "ThinkingSplitter",
    "Thoughts",
    "opening_of",
    "spelled_tokens",
    "split_reply",
]

Thinking = Literal["show", "fold"]  # what is done with such parts

# DeepSeek, Qwen and many others; some fine-tunes; Magistral, as control tokens.
_TAGS = {"<think>": "</think>", "<thinking>": "</thinking>", "[THINK]": "[/THINK]"}
_NOTHING = re.compile(r"(?:\s|</?think(?:ing)?>|\[/?THINK\])*")  # a part of a model told not to


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a reply; its tags belong to the thinking."""

    text: str
    thinking: bool


class ThinkingSplitter:
    """Feeds on a reply in pieces; holds back what could still become a tag.

    `opened` is what stands before the first piece and is never given back: a template may
    open the part, and a reply that goes on may stand within one, or behind.
    """

    def __init__(self, opened: str = "") -> None:
        self._held = ""
        self._close = ""  # the tag that ends the part, while in one
        self._started = False  # something was said that is no thinking
        self._before = ""  # the last character that was given back
        self._known = 0  # of what is held back, how much is never given back
        for _ in self.feed(opened):
            pass
        self._known = len(self._held)

    @property
    def thinking(self) -> bool:
        """Whether the next character belongs to a thinking part, as far as is known."""
        return bool(self._close)

    @property
    def over(self) -> bool:
        """Whether all that comes is the answer."""
        return self._started

    def feed(self, text: str) -> Iterator[Part]:
        """What is now sure to be thinking or not, in order."""
        self._held += text
        if not self._started and not self._close:
            self._open()
        if self._close:
            yield from self._think()
        if self._started:
            yield from self._give(len(self._held), thinking=False)

    def mark(self, tag: str) -> Iterator[Part]:
        """A control token that is a tag, which the text leaves out."""
        if self._close == tag:
            yield from self._give(len(self._held), thinking=True)
            self._close, self._started = "", True
        elif tag in _TAGS and not self._started and not self._close:
            yield from self._give(len(self._held), thinking=False)
            self._close = _TAGS[tag]

    def finish(self) -> Iterator[Part]:
        """What was held back, now that no more text comes."""
        yield from self._give(len(self._held), thinking=self.thinking)

    def _open(self) -> None:
        """Decide whether the reply begins with a tag, as soon as that is sure."""
        said = self._held.lstrip()
        for tag, close in _TAGS.items():
            if said.startswith(tag):
                self._close = close
                return
        self._started = bool(said) and not any(tag.startswith(said) for tag in _TAGS)

    def _think(self) -> Iterator[Part]:
        at = self._end_of_part()
        if at is None:
            keep = _could_begin(self._held, self._close)
            yield from self._give(len(self._held) - keep, thinking=True)
        else:
            yield from self._give(at, thinking=True)
            self._close, self._started = "", True

    def _end_of_part(self) -> int | None:
        """Where the text behind the closing tag begins."""
        at = self._held.find(self._close)
        while at >= 0:
            if (self._before + self._held[:at])[-1:] != "`":
                return at + len(self._close)
            at = self._held.find(self._close, at + 1)
        return None

    def _give(self, length: int, *, thinking: bool) -> Iterator[Part]:
        text, self._held = self._held[:length], self._held[length:]
        self._before = text[-1:] or self._before
        text, self._known = text[self._known :], max(0, self._known - length)
        if text:
            yield Part(text, thinking)


class Thoughts:
    """Follows a reply chunk by chunk: its parts, and what the thinking took so far.

    Folded, what was thought gives way to a few words, "thinking… 128 tokens, 3.2 s", and the
    answer begins on a row of its own; `aside` is then the end of that line as it grows.
    """

    def __init__(self, tokenizer: Tokenizer, how: Thinking, opened: str = "") -> None:
        self._splitter = ThinkingSplitter(opened)
        self._tags = spelled_tokens(tokenizer)
        self._folds = how == "fold"
        self._folding = False  # the line was begun and isn't ended
        self._strips = False  # the blank lines that stand between thinking and answer
        self._tokens, self._seconds = 0, 0.0

    @property
    def aside(self) -> str:
        """What the thinking took so far, while it is folded and goes on."""
        return self._sum() if self._folding else ""

    def start(self, prefix: str) -> list[Part]:
        """The parts of how the reply begins, before any token."""
        return self._shown(self._splitter.feed(prefix))

    def add(self, chunk: Chunk) -> list[Part]:
        """What is to be shown of a chunk."""
        if self._splitter.over and not self._strips:  # nearly every chunk of most replies
            return [Part(chunk.text, False)] if chunk.text else []
        thinking = self._splitter.thinking
        parts = [*self._splitter.feed(chunk.text)]
        for step in chunk.steps:
            if step.token in self._tags:
                parts += self._splitter.mark(self._tags[step.token])
        if thinking or self._splitter.thinking or any(part.thinking for part in parts):
            self._tokens += len(chunk.steps)
            # The first token waited for the prompt to be read.
            self._seconds += sum(step.seconds for step in chunk.steps if step.index)
        return self._shown(parts)

    def finish(self) -> list[Part]:
        """What was held back, now that the reply is over."""
        parts = self._shown(self._splitter.finish())
        return [*parts, Part(self._sum(), True)] if self._folding else parts

    def _shown(self, parts: Iterable[Part]) -> list[Part]:
        return [shown for part in parts for shown in self._fold(part)] if self._folds else [*parts]

    def _fold(self, part: Part) -> Iterator[Part]:
        if part.thinking:
            self._strips = True
            if not self._folding and not _NOTHING.fullmatch(part.text):
                self._folding = True
                yield Part("thinking… ", True)
            return
        text = part.text.lstrip() if self._strips else part.text
        if not text:
            return
        if self._folding:
            yield Part(f"{self._sum()}\n", True)
        self._folding = self._strips = False
        yield Part(text, False)

    def _sum(self) -> str:
        return f"{count(self._tokens, 'token')}, {self._seconds:.1f} s"


def split_reply(text: str) -> list[Part]:
    """The parts of a whole reply; of one that a template opened there is only the end."""
    opened = next((tag for tag, close in _TAGS.items() if _only_closed(text, tag, close)), "")
    splitter = ThinkingSplitter(opened)
    return [*splitter.feed(text), *splitter.finish()]


def opening_of(tokenizer: Tokenizer) -> str:
    """The tag that the chat template writes at the start of every reply; "" for none."""
    try:
        ids = tokenizer.encode_chat([Message("user", "?")])
    except ChatcliError:  # a template that wants more than a question; who asks is told
        return ""
    end = tokenizer.decode(ids[-8:]).rstrip()
    return next((tag for tag in _TAGS if end.endswith(tag)), "")


def spelled_tokens(tokenizer: Tokenizer) -> Mapping[int, str]:
    """The control tokens that are tags, which streaming text leaves out, with their spelling."""
    tags = [*_TAGS, *_TAGS.values()]
    ids = [(tokenizer.encode(tag, special=True), tag) for tag in tags]
    return {each[0]: tag for each, tag in ids if len(each) == 1 and tokenizer.is_special(each[0])}


def _only_closed(text: str, tag: str, close: str) -> bool:
    """Whether a line begins with `close` and `tag` doesn't stand before it."""
    before, found, _ = f"\n{text}".partition(f"\n{close}")
    return bool(found) and tag not in before


def _could_begin(text: str, tag: str) -> int:
    """Length of the longest end of `text` that begins `tag`."""
    lengths = range(min(len(tag) - 1, len(text)), 0, -1)
    return next((length for length in lengths if tag.startswith(text[-length:])), 0)
