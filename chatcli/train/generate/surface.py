"""How people type: a mark left out, a small letter, a particle more.

Only user turns are varied; what the assistant says stays correct.
"""

from __future__ import annotations

import random

from chatcli.text.types import Message
from chatcli.train.corpus import Conversation
from chatcli.train.generate.wording import pick

__all__ = ["conversation", "join_opener", "lower_first", "particle", "typed"]

_PARTICLES = ("啊", "呀", "呢", "哈", "哦", "～")
# Words that lose their capital inside a sentence; names and "I" keep it.
_OPENING_WORDS = frozenset(
    "A After All Among An And Apart Are As At Between By Can Compared Could Did Do Does Don't "
    "Every Everybody Everyone First For From Has Have He Here How If In Instead Is It It's "
    "Keep Let Let's My Of On Once One Our Out Please Remember Say She So Some Tell That The "
    "There These They This To Today Tomorrow Tonight Was We We're Were What What's When "
    "When's Where Where's Which Who Who's Whose Will With Would Yes Yesterday You "
    "You're Your".split()
)


def conversation(turns: list[str], language: str, rng: random.Random) -> Conversation:
    """Messages from turns that alternate, user first, with the user's typing varied."""
    british = language == "zh" or rng.random() < 0.5
    messages = []
    for index, turn in enumerate(turns):
        text = turn if british else _american(turn)
        if index % 2:
            messages.append(Message("assistant", text))
        else:
            messages.append(Message("user", typed(text, language, rng)))
    return tuple(messages)


def typed(text: str, language: str, rng: random.Random) -> str:
    """A user's turn as somebody in a hurry might type it, one time in four."""
    chance = rng.random()
    if chance < 0.13:
        return text.rstrip("。？！.?! ") or text
    if chance < 0.16 and language == "zh" and text.endswith("？"):
        return text[:-1] + "?"
    if language == "en":
        if chance < 0.2:
            return lower_first(text)
        if chance < 0.24:
            return lower_first(text).rstrip(".?! ").replace("'", "")
    return text


def particle(text: str, rng: random.Random) -> str:
    """A Chinese saying with a particle before its last mark, where none stands yet."""
    bare = text.rstrip("。！")
    if len(bare) < 2 or not "一" <= bare[-1] <= "鿿" or bare[-1] in "啊呀呢哈哦吗吧了嘛啦么":
        return text
    return bare + pick(rng, _PARTICLES) + text[len(bare) :]


def join_opener(opener: str, sentence: str) -> str:
    """`opener` before `sentence`, which then begins with a small letter if it may."""
    if opener and opener.rstrip()[-1:] in (",", ":") and opener.isascii():
        return opener + lower_first(sentence)
    return opener + sentence


def lower_first(text: str) -> str:
    """`text` with a small first letter, unless that word always has a capital."""
    return text[0].lower() + text[1:] if text.split(" ", 1)[0] in _OPENING_WORDS else text


def _american(text: str) -> str:
    for british, american in (("olour", "olor"), ("avourite", "avorite"), ("eighbour", "eighbor")):
        text = text.replace(british, american)
    return text
