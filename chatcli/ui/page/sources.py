"""What a report is made of: a kept conversation and its checkpoint, or a trace.

A reply is told token by token where the checkpoint at hand wrote it; of any other the text is
shown, and why there is no more. A trace needs no model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from chatcli.chat.origin import origin_of
from chatcli.chat.records import facts_of, model_of, said, sampling_words, title_of
from chatcli.chat.tree import Tree
from chatcli.chat.types import Origin, Run, Session, Turn
from chatcli.model.types import KVCache, LanguageModel
from chatcli.probe.report import Passage, Report, told_sample, told_steps
from chatcli.probe.trace import Sample, Trace
from chatcli.sampling.catalog import describe
from chatcli.sampling.types import SamplingConfig
from chatcli.text.detokenizer import StreamDetokenizer
from chatcli.text.types import Message
from chatcli.ui.retraced import retraced

__all__ = ["session_report", "trace_report"]


def session_report(
    model: LanguageModel,
    session: Session,
    turns: Sequence[Turn],
    path: Sequence[Turn],
    *,
    top: int,
    notice: Callable[[str], None],
) -> Report:
    """The conversation along `path`, of all its `turns`; `notice` is told which replies `model`
    didn't write."""
    telling = _Telling(model, origin_of(model, session.model), Tree(turns), top)
    preamble: tuple[Message, ...] = ()
    sections: list[tuple[Passage, ...]] = []
    for number, turn in enumerate(path, 1):
        changed = turn.preamble if turn.preamble != preamble else ()
        preamble = turn.preamble
        before = [Passage(row.role, row.role, row.content) for row in changed]
        reply = telling.reply(turn)
        if reply.note:
            notice(f"turn {number}: {reply.note}")
        sections.append((*before, Passage("user", "user", turn.user), reply))
    return Report(title_of(session, path), tuple(facts_of(session)), tuple(sections))


class _Telling:
    """One checkpoint, and the cache in which neighbouring turns share what they have read."""

    def __init__(self, model: LanguageModel, here: Origin, tree: Tree, top: int) -> None:
        self._model, self._here, self._tree, self._top = model, here, tree, top
        self._cache: KVCache = model.new_cache()

    def reply(self, turn: Turn) -> Passage:
        name, about, made = model_of(turn), tuple(said(turn)), tuple(_made(turn))
        if note := self._silence(turn):
            return Passage("assistant", name, turn.reply, (), about, made, note)
        ids = self._tree.ids(turn.id)
        steps = retraced(self._model, turn, ids, top=self._top, cache=self._cache)
        told = tuple(told_steps(steps, self._model.tokenizer, ids[: turn.prompt_length]))
        return Passage("assistant", name, turn.reply, told, about, made)

    def _silence(self, turn: Turn) -> str | None:
        """Why nothing can be told of a reply's tokens; None where it can, or there is no reply."""
        if not turn.answered:
            return "it has no reply"
        if not turn.new_tokens:
            return "only the text of its reply is known, so there are no probabilities"
        for origin in (run.origin for run in turn.runs):
            if origin.digest != self._here.digest:
                return (
                    f"written by {origin.name} ({origin.digest[:12]}), another checkpoint than "
                    f"{self._here.name} ({self._here.digest[:12]}), so there are no probabilities"
                )
        return None


def _made(turn: Turn) -> Iterator[tuple[str, str]]:
    """The settings of each run, and where it was made."""
    first = 1
    for run in turn.runs:
        last = first + run.tokens - 1
        if len(turn.runs) > 1:
            yield "tokens", f"{first:,}–{last:,}"
        yield from _settings(run.sampling, run.sampling.seed)
        yield from _place(run)
        first = last + 1


def _settings(sampling: SamplingConfig, seed: int | None) -> Iterator[tuple[str, str]]:
    yield "chain", describe(sampling)
    if not sampling.greedy and seed is not None:
        yield "seed", str(seed)


def _place(run: Run) -> Iterator[tuple[str, str]]:
    origin = run.origin
    yield "checkpoint", f"{origin.name}, {origin.digest}"
    yield "run by", f"{origin.engine}, {origin.dtype} on {origin.device}, {origin.version}"
    yield "ended", run.finish or "cut off"


def trace_report(trace: Trace, name: str, *, top: int) -> Report:
    """All samples of a trace whose file has the `name`."""
    count = len(trace.samples)
    facts = [f"trace of chatcli {trace.chatcli}", f"{count:,} sample" + ("" if count == 1 else "s")]
    if trace.cut:
        facts.append(f"breaks off at {trace.cut}")
    sections = [tuple(_sample(trace, sample, top)) for sample in trace.samples]
    return Report(name, tuple(facts), tuple(sections))


def _sample(trace: Trace, sample: Sample, top: int) -> Iterator[Passage]:
    yield Passage("prompt", "prompt", _spelt(trace, sample.prompt_ids))
    told = tuple(told_sample(trace, sample, top=top))
    of = {key: str(value) for key, value in sample.checkpoint.items()}
    about = [f"{of['name']} {of['digest'][:12]}", sampling_words(sample.sampling)]
    yield Passage(
        role="assistant",
        name=of["name"],
        text="".join(one.text for one in told),
        told=told,
        about=(*about, f"{len(told):,} token" + ("" if len(told) == 1 else "s")),
        made=(
            *_settings(sample.sampling, sample.seed),
            ("checkpoint", f"{of['name']}, {of['digest']}"),
            ("run by", f"{of['engine']}, {of['dtype']} on {of['device']}"),
        ),
        note=None if told else "the trace breaks off before its first token",
    )


def _spelt(trace: Trace, ids: Sequence[int]) -> str:
    detokenizer = StreamDetokenizer(trace.token_bytes)
    return "".join(map(detokenizer.add, ids)) + detokenizer.finish()
