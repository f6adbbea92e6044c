"""`chatcli complete`: continues a text, live on a terminal, plain in a pipe, or as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Context, Option

from chatcli.cli import Status
from chatcli.cli.ends import EndFlags, longest, stops
from chatcli.cli.groups import SectionedCommand, command_app, grouped
from chatcli.cli.options import (
    DisplayFlags,
    ModelFlags,
    SamplingFlags,
    display_options,
    load_model,
    sampling_config,
    sampling_given,
)
from chatcli.cli.prompting import (
    PLAIN,
    PromptFileFlags,
    PromptFlags,
    bound_prompt,
    check_prompt_flags,
    prompt_ids,
    raw_text,
    read_prompt,
    reply_prefill,
)
from chatcli.cli.tracing import TraceFlags, check_trace_flags, recording

if TYPE_CHECKING:
    from chatcli.engine.types import Chunk
    from chatcli.model.types import KVCache, LanguageModel
    from chatcli.sampling.chain import SamplerChain
    from chatcli.sampling.types import SamplingConfig
    from chatcli.text.prompt_binding import BoundPrompt
    from chatcli.ui.environment import Environment
    from chatcli.ui.frames import DisplayOptions
    from chatcli.ui.interrupt import Interrupt

__all__ = ["app"]


app = command_app()


@dataclass(frozen=True, slots=True)
class _Job:
    """What every sample of one command shares."""

    env: Environment
    model: LanguageModel
    ids: Sequence[int]
    cache: KVCache
    max_tokens: int
    stop: Sequence[str]
    prefix: str
    display: DisplayOptions
    interrupt: Interrupt

    def chunks(self, chain: SamplerChain, top: int | Callable[[], int]) -> Iterator[Chunk]:
        """One sample; the cache is shared, so the prompt is read once."""
        from chatcli.engine.stream import stream

        return stream(
            self.model,
            self.ids,
            chain,
            max_tokens=self.max_tokens,
            stop=self.stop,
            top=top,
            cache=self.cache,
            cancelled=self.interrupt.cancelled,
        )


@app.command(cls=SectionedCommand)
@grouped
def complete(
    ctx: Context,
    prompt: Annotated[
        str,
        Argument(metavar="PROMPT", help="The text to continue; - reads it from stdin."),
    ],
    how: PromptFlags,
    file: PromptFileFlags,
    which: ModelFlags,
    sampling: SamplingFlags,
    display: DisplayFlags,
    tracing: TraceFlags,
    ends: EndFlags,
    num: Annotated[
        int,
        Option("--num", min=1, metavar="N", help="Draw N samples; sample i has the seed + i."),
    ] = 1,
    echo: Annotated[bool, Option("--echo", help="Write PROMPT before what continues it.")] = False,
    json: Annotated[
        bool, Option("--json", help="A JSON object for each token, and one for each sample.")
    ] = False,
) -> int:
    """Continue PROMPT, and show the probability of every token."""
    from chatcli.ui.interrupt import Interrupt

    around = bound_prompt(file) or PLAIN
    check_prompt_flags(how, around)
    given = sampling_given(sampling, around.sampling)
    options = display_options(display)
    check_trace_flags(tracing)
    env: Environment = ctx.obj
    text = read_prompt(prompt, env)
    model = load_model(which, env.say)
    config = sampling_config(given, model.checkpoint.path)
    ids = prompt_ids(model, text, how, env.say, around)
    with recording(tracing) as sampler, Interrupt() as interrupt:
        run = _run_json if json else _run_shown
        job = _Job(
            env=env,
            model=model,
            ids=ids,
            cache=model.new_cache(),
            max_tokens=longest(ends, around),
            stop=stops(ends, around, model.tokenizer, how.chat),
            prefix=_prefix(text, how, around, echo, not json and env.stdout_is_terminal),
            display=options,
            interrupt=interrupt,
        )
        for sample, each in enumerate(_configs(config, num)):
            run(job, sample, sampler(each, model))
            if interrupt.cancelled():
                return Status.INTERRUPTED
    return Status.DONE


def _prefix(text: str, how: PromptFlags, around: BoundPrompt, echo: bool, terminal: bool) -> str:
    """What is written before the generated text: on a terminal, what it continues."""
    if not how.chat:
        return raw_text(text, how, around) if echo or terminal else ""
    prefill = reply_prefill(how, around)
    return text + prefill if echo else prefill if terminal else ""


def _configs(config: SamplingConfig, num: int) -> Iterator[SamplingConfig]:
    """The settings of each sample; each has a seed that repeats its sample alone."""
    from chatcli.sampling.random import draw_seed

    first = draw_seed() if config.seed is None else config.seed
    for sample in range(num):
        yield dataclasses.replace(config, seed=(first + sample) % 2**64)


def _run_shown(job: _Job, sample: int, chain: SamplerChain) -> None:
    """One sample as text: the display decides what a terminal or a pipe gets of it."""
    from chatcli.ui.display import Frames, show_reply

    if sample and not job.env.stdout_is_terminal:
        job.env.write("\n")  # a pipe gets the text alone, so something must part the samples
    frames = Frames(job.env, job.display)
    show_reply(
        job.env,
        job.chunks(chain, frames),
        model=job.model,
        chain=chain,
        frames=frames,
        interrupt=job.interrupt,
        prefix=job.prefix,
    )


def _run_json(job: _Job, sample: int, chain: SamplerChain) -> None:
    """One sample as JSON Lines; its last line is written whatever ended it."""
    from chatcli.engine.types import Chunk
    from chatcli.ui.jsonl import end_object, json_line, step_objects

    texts = [job.prefix]
    last = Chunk("")
    try:
        for last in job.chunks(chain, job.display.top):
            texts.append(last.text)
            for line in step_objects(sample, last, job.model.tokenizer):
                job.env.write(json_line(line))
    finally:
        finish = last.finish or ("interrupted" if job.interrupt.cancelled() else "error")
        end = end_object(sample, "".join(texts), finish, last.usage, chain)
        job.env.write(json_line(end))
