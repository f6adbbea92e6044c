"""How the next reply is drawn and what ends it: /set, /get, /preset.

All of it becomes the `settings` of the conversation, in force from the next reply on and
kept with it. How values are typed is in `values`, what a preset is in `presets`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from chatcli.chat.types import Settings, system_prompt
from chatcli.errors import UsageError
from chatcli.text.visible import visible
from chatcli.ui.columns import Column, table_lines
from chatcli.ui.commands.presets import apply_preset
from chatcli.ui.commands.registry import Command, Word
from chatcli.ui.commands.values import ABOUT, KEYS, changed, choices, known, spell, value_of
from chatcli.ui.commands.words import read_pairs
from chatcli.ui.folding import fold
from chatcli.ui.panel import clip

if TYPE_CHECKING:
    from chatcli.ui.repl import Repl

__all__ = ["COMMANDS", "next_reply", "pair_words"]

_REST = Settings()
_ALWAYS = ("temperature", "top_k", "top_p", "order", "seed", "max_tokens", "overflow")


def _set(repl: Repl, argument: str) -> bool:
    before = repl.talk.settings
    given = {known(key): value for key, value in _assignments(argument, before).items()}
    after = changed(before, given, repl.defaults)
    repl.talk.settings = after
    repl.say_facts(*(_now(key, before, after) for key in given), next_reply(repl))
    return True


def _assignments(argument: str, now: Settings) -> dict[str, str]:
    """KEY VALUE, or any number of KEY=VALUE."""
    match argument.split(maxsplit=1):
        case [key, *_] if "=" in key:
            return read_pairs(argument)
        case [key, value]:
            return {key: value}
        case [key]:
            shown = spell(known(key), value_of(now, key))
            raise UsageError(f"/set {key} needs a value; it is {shown}")
    raise UsageError(
        "/set needs a setting and its value, as in /set temperature 0.7; /get lists all"
    )


def _now(key: str, before: Settings, after: Settings) -> str:
    old, new = (spell(key, value_of(each, key)) for each in (before, after))
    return f"{key} is {new}" + (f" (was {old})" if old != new else ", as it was")


def next_reply(repl: Repl) -> str:
    """The chain that the next reply is drawn by."""
    return f"next reply: {repl.talk.chain.describe()}"


def _get(repl: Repl, argument: str) -> bool:
    if argument:
        repl.say(_one(repl, known(argument)))
    else:
        repl.say("\n".join([*_in_force(repl), *_table(repl)]))
    return True


def _one(repl: Repl, key: str) -> str:
    value, default = (spell(key, value_of(each, key)) for each in _both(repl))
    return f"{key} is {value}" + ("" if value == default else f" (default {default})")


def _both(repl: Repl) -> tuple[Settings, Settings]:
    return repl.talk.settings, repl.defaults


def _in_force(repl: Repl) -> list[str]:
    """The chain, and what is said to the model besides the messages."""
    settings = repl.talk.settings
    facts = [next_reply(repl)]
    if settings.prompt is not None:
        facts.append(f"prompt {settings.prompt}")
    if (system := system_prompt(settings.preamble)) is not None:
        facts.append(f"system {_short(system)}")
    if settings.prefill:
        facts.append(f"prefill {_short(settings.prefill)}")
    return fold(facts, repl.env.columns())


def _short(text: str) -> str:
    return clip(visible(text, keep_newlines=False), 40)


def _table(repl: Repl) -> list[str]:
    """The settings that do something, a dot where one isn't what it was at first; the others
    by name."""
    shown = [key for key in KEYS if key in _ALWAYS or not _at_rest(repl, key)]
    now, start = ([_spelt(each, key) for key in shown] for each in _both(repl))
    columns = (
        Column("", ["•" if value != at else "" for value, at in zip(now, start, strict=True)]),
        Column("setting", shown),
        Column("value", now, gives=True),
        Column("default", start),
    )
    width = repl.env.columns()
    others = ", ".join(key for key in KEYS if key not in shown)
    return [*table_lines(columns, width), *fold([f"at rest: {others}"], width)]


def _at_rest(repl: Repl, key: str) -> bool:
    """Whether a setting is as `Settings` has it, and is so by default."""
    rest = value_of(_REST, key)
    return all(value_of(each, key) == rest for each in _both(repl))


def _spelt(settings: Settings, key: str) -> str:
    return visible(spell(key, value_of(settings, key)), keep_newlines=False)


def _preset(repl: Repl, argument: str) -> bool:
    if not argument:
        repl.say("\n".join(_presets(repl)))
        return True
    talk = repl.talk
    talk.config = apply_preset(argument, repl.presets, talk.config)
    repl.say_facts(f"preset {argument}", next_reply(repl))
    return True


def _presets(repl: Repl) -> list[str]:
    """Each preset with the chain that it makes; a dot marks what is in force."""
    from chatcli.sampling.chain import SamplerChain

    config = repl.talk.config
    made = {name: apply_preset(name, repl.presets, config) for name in repl.presets}
    columns = (
        Column("", ["•" if each == config else "" for each in made.values()]),
        Column("preset", list(made)),
        Column("chain", [SamplerChain(each).describe() for each in made.values()], gives=True),
    )
    return table_lines(columns, repl.env.columns())


def _get_words(repl: Repl, typed: str) -> Iterable[str]:
    return (Word(each, ABOUT[each]) for each in KEYS)


def _preset_words(repl: Repl, typed: str) -> Iterable[str]:
    return repl.presets


def _set_words(repl: Repl, typed: str) -> Iterable[str]:
    """Keys, then the values of the one that was typed."""
    key, space, _ = typed.partition(" ")
    if not space:
        return (Word(f"{each} ", ABOUT[each]) for each in KEYS)
    return (f"{key} {word}" for word in _values(repl, key))


def _values(repl: Repl, key: str) -> Iterator[str]:
    """What may be typed as the value of `key`: its words, and what it is now."""
    if key in KEYS:
        yield from choices(key)
        yield spell(key, value_of(repl.talk.settings, key))


def pair_words(repl: Repl, typed: str) -> Iterator[str]:
    """KEY=VALUE after KEY=VALUE: what the last one may become."""
    before, last = typed[: typed.rfind(" ") + 1], typed[typed.rfind(" ") + 1 :]
    key, equals, _ = last.partition("=")
    if equals:
        yield from (f"{before}{key}={each}" for each in _values(repl, key))
    else:
        yield from (Word(f"{before}{each}=", ABOUT[each]) for each in KEYS)


COMMANDS = (
    Command(
        "set",
        "KEY VALUE",
        "change a setting, from the next reply on",
        "Settings",
        _set,
        _set_words,
        "/set temperature 0.7 · /set seed 7 · /set seed none · /set order llamacpp\n"
        '/set logit_bias 42=-5,43=-inf · /set stop "\\n\\n" 用户： · /set top_k default\n'
        "several at once: /set top_k=20 top_p=0.9\n"
        f"keys: {', '.join(KEYS)}",
    ),
    Command(
        "get",
        "[KEY]",
        "the chain in force, and every setting",
        "Settings",
        _get,
        _get_words,
        "• marks what isn't the default: what this checkpoint, or else chatcli, starts from.\n"
        "/get KEY shows one that is at rest, too",
    ),
    Command(
        "preset",
        "[NAME]",
        "sampling settings under one name",
        "Settings",
        _preset,
        _preset_words,
        "greedy, precise, balanced and creative are chatcli's; your own stand under\n"
        "[presets.NAME] in the config file. Order, bias and seed stay as they are.",
    ),
)
