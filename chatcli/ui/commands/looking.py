"""Looking at what was said, and changing nothing: /tokens, /why, /context, /stats.

Records are made in `chat` and `probe` and laid out by views of their own; here they are
fetched, and arguments read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from chatcli.chat.parts import Part, context_parts
from chatcli.chat.tree import common
from chatcli.chat.types import Turn
from chatcli.errors import UsageError
from chatcli.sampling.chain import SamplerChain
from chatcli.text.visible import token_label
from chatcli.ui.commands import comparing, copying, exploring
from chatcli.ui.commands.registry import Command, Word, no_argument
from chatcli.ui.commands.views import numbered_turn, show_view, turn_numbers
from chatcli.ui.context_view import ContextUse, context_lines, turn_range
from chatcli.ui.explanation import explanation_lines
from chatcli.ui.figures import count
from chatcli.ui.folding import fold
from chatcli.ui.interrupt import Interrupt
from chatcli.ui.models_table import byte_size
from chatcli.ui.retraced import explained, retraced
from chatcli.ui.stats_view import made_by, stats_lines, tally
from chatcli.ui.theme import Paint
from chatcli.ui.tokens_view import token_flow, token_heading, token_rows
from chatcli.ui.why_table import Why, why, why_figures, why_table

if TYPE_CHECKING:
    from chatcli.engine.decode import Cancelled
    from chatcli.ui.repl import Repl

__all__ = ["COMMANDS"]

_CANDIDATES = 50  # of each token; so many that one which the chain removed is mostly among them


def _tokens(repl: Repl, argument: str) -> bool:
    words = argument.split()
    table = "table" in words
    numbers = [word for word in words if word != "table"]
    parts, cached = _parts(repl), None
    if not numbers:
        cached = common(repl.talk.cache.tokens, repl.talk.prompt_ids())
    else:
        number, _ = numbered_turn(repl, " ".join(numbers), "tokens")
        parts = [part for part in parts if part.turn == number]
        if not parts:
            out = turn_range(1, repl.talk.window().forgotten)
            raise UsageError(f"the model doesn't see turn {number} any more: {out} fell out")
    tokenizer, paint, columns = repl.talk.model.tokenizer, Paint(repl.env), repl.env.columns()
    view = token_rows if table else token_flow
    lines = [*token_heading(parts, tokenizer, cached, columns), *_unseen(repl)]
    show_view(repl, [*lines, *view(parts, tokenizer, paint, columns)])
    return True


def _parts(repl: Repl) -> Sequence[Part]:
    talk = repl.talk
    path = talk.path
    preamble = path[-1].preamble if path else talk.settings.preamble
    return context_parts(
        talk.model.tokenizer,
        talk.prompt_ids(),
        preamble,
        path,
        forgotten=talk.window().forgotten,
    )


def _unseen(repl: Repl) -> list[str]:
    forgotten = repl.talk.window().forgotten
    return [f"the model no longer sees {turn_range(1, forgotten)}"] if forgotten else []


def _why(repl: Repl, argument: str) -> bool:
    which, _, token = argument.partition(" ")
    number, turn = numbered_turn(repl, which, "why")
    _check_origin(repl, number, turn)
    if token.strip():
        _why_token(repl, number, turn, token.strip())
        return True
    with Interrupt() as interrupt:
        told = _told(repl, turn, interrupt.cancelled)
    if len(told) < turn.new_tokens:
        repl.say(f"stopped after {count(len(told), 'token')} of {turn.new_tokens:,}")
    if told:
        columns, paint = repl.env.columns(), Paint(repl.env)
        heads = [line for head in _chains(number, turn) for line in fold(head, columns)]
        table = why_table(told, repl.talk.model.tokenizer, paint, columns)
        figures = fold(why_figures([one.step for one in told]), columns)
        show_view(repl, [*heads, "", *table, "", *figures])
    return True


def _why_token(repl: Repl, number: int, turn: Turn, which: str) -> None:
    """What drew one token of a reply. Raises UsageError where it has no such token."""
    index = int(which) - 1 if which.isdecimal() else -1
    if not 0 <= index < turn.new_tokens:
        tokens = count(turn.new_tokens, "token")
        raise UsageError(f"reply {number} has {tokens}; /why {number} lists them, not {which!r}")
    model, ids = repl.talk.model, repl.talk.tree.ids(turn.id)
    with Interrupt() as interrupt:
        found = explained(model, turn, ids, index, cancelled=interrupt.cancelled)
    if found is None:
        return
    columns, paint, kept = repl.env.columns(), Paint(repl.env), ids[turn.prompt_length + index]
    facts = [f"reply {number}, token {index + 1:,} of {turn.new_tokens:,}", found.chain]
    if kept != found.drawn.token:
        facts.append(f"the reply has {token_label(model.tokenizer, kept)}, drawn now is another")
    lines = explanation_lines(found, model.tokenizer, paint, columns)
    seed = [] if found.u is None else [f"seed {found.seed}"]
    show_view(repl, [*fold([*facts, *seed], columns), "", *lines])


def _check_origin(repl: Repl, number: int, turn: Turn) -> None:
    """Raises UsageError where the turn has no reply, or not from the checkpoint at hand."""
    if not turn.answered:
        raise UsageError(f"turn {number} has no reply")
    here = repl.talk.origin.digest
    for origin in (run.origin for run in turn.runs):
        if origin.digest != here:
            raise UsageError(
                f"turn {number} was written by {origin.name}, another checkpoint than "
                f"{repl.talk.origin.name}: /model {origin.model} first, then /why {number}"
            )


def _told(repl: Repl, turn: Turn, cancelled: Cancelled) -> list[Why]:
    talk = repl.talk
    ids = talk.tree.ids(turn.id)
    steps = retraced(talk.model, turn, ids, top=_CANDIDATES, cancelled=cancelled)
    return why(steps, talk.model.tokenizer, ids[: turn.prompt_length])


def _chains(number: int, turn: Turn) -> Iterator[list[str]]:
    """The chain of each run, and of which tokens where there are several."""
    first = 1
    for run in turn.runs:
        last = first + run.tokens - 1
        which = f", tokens {first:,}–{last:,}" if len(turn.runs) > 1 else ""
        sampler = SamplerChain(run.sampling)
        seed = [] if run.sampling.greedy else [f"seed {sampler.seed}"]
        yield [f"reply {number}{which}", sampler.describe(), *seed]
        first = last + 1


def _context(repl: Repl, argument: str) -> bool:
    no_argument("context", argument)
    talk, window, parts = repl.talk, repl.talk.window(), _parts(repl)
    use = ContextUse(
        preamble=sum(len(part.ids) for part in parts if part.turn is None),
        turns=sum(len(part.ids) for part in parts if part.turn is not None),
        reserve=window.reserve,
        total=window.total,
        count=len(talk.path),
        forgotten=window.forgotten,
        next_out=talk.next_out(),
        near=window.near,
        policy=talk.settings.overflow,
    )
    show_view(repl, context_lines(use, Paint(repl.env), repl.env.columns()))
    return True


def _stats(repl: Repl, argument: str) -> bool:
    no_argument("stats", argument)
    talk = repl.talk
    path = [turn for turn in talk.path if turn.runs]
    if not path:
        raise UsageError("there is no reply yet to tell figures of")
    last = path[-1]
    whole = [turn for turn in map(talk.tree.__getitem__, talk.tree) if turn.runs]
    run = last.runs[-1]
    sampler = SamplerChain(run.sampling)
    seed = [] if run.sampling.greedy else [f"seed {sampler.seed}"]
    facts = [_surprise(repl, last), _memory(repl), made_by(run), [sampler.describe(), *seed]]
    tallies = tally([last]), tally(path), tally(whole)
    show_view(repl, stats_lines(*tallies, list(filter(None, facts)), repl.env.columns()))
    return True


def _surprise(repl: Repl, turn: Turn) -> list[str]:
    """What the last reply's steps come to, where they are still at hand."""
    steps = () if repl.reply is None else repl.reply.steps
    tokens = [step.token for step in steps]
    if not tokens or tokens != list(turn.tail[-turn.new_tokens :]):
        return []
    return why_figures(list(steps))


def _memory(repl: Repl) -> list[str]:
    cache = repl.talk.cache
    facts = [f"cache {count(len(cache.tokens), 'token')}"]
    size: int | None = getattr(cache, "nbytes", None)  # adapters can't tell
    return facts if size is None else [*facts, byte_size(size)]


def _token_words(repl: Repl, typed: str) -> Iterator[str]:
    yield Word("table", "one row a token, with its bytes")
    yield from turn_numbers(repl, typed)


COMMANDS = (
    Command(
        "tokens",
        "[N] [table]",
        "the context token by token, as the model reads it",
        "Looking",
        _tokens,
        _token_words,
        "all of it, or turn N; ids stand under the pieces, ◆ marks control tokens",
    ),
    Command(
        "why",
        "[N [TOKEN]]",
        "why each token of a reply came, and what nearly came instead",
        "Looking",
        _why,
        turn_numbers,
        "drawn: the probability it was drawn with; model, rank, entropy (in bits): of the model's\n"
        "own distribution; instead: the likeliest other token, in ( ) where the chain removed it\n"
        "with TOKEN, its number there: what number drew it, and what would have drawn another",
    ),
    Command("context", "", "how full the context is, and what falls out next", "Looking", _context),
    Command("stats", "", "what the last reply and the conversation cost", "Looking", _stats),
    *exploring.COMMANDS,
    *comparing.COMMANDS,
    *copying.COMMANDS,
)
