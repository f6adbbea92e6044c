"""`chatcli compare`: two settings or two checkpoints under the same luck, side by side."""

from __future__ import annotations

import dataclasses
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Context, Option

from chatcli.cli import Status
from chatcli.cli.chat_flags import typed_options
from chatcli.cli.ends import EndFlags, longest, stops
from chatcli.cli.groups import SectionedCommand, command_app, grouped
from chatcli.cli.options import (
    ModelFlags,
    SamplingFlags,
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
    read_prompt,
)
from chatcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chatcli.model.types import LanguageModel
    from chatcli.text.prompt_binding import BoundPrompt
    from chatcli.ui.compare_view import Named
    from chatcli.ui.environment import Environment

__all__ = ["app"]

_EXAMPLE = 'like "-t 0.7 -k 40", "temperature=0.7 top_k=40" or "-m runs/x"'

app = command_app()


@app.command(cls=SectionedCommand)
@grouped
def compare(
    ctx: Context,
    prompt: Annotated[
        str,
        Argument(metavar="PROMPT", help="The text to continue; - reads it from stdin."),
    ],
    a: Annotated[str, Option("--a", metavar="FLAGS", help=f"One side, {_EXAMPLE}.")],
    b: Annotated[str, Option("--b", metavar="FLAGS", help="The other side.")],
    how: PromptFlags,
    file: PromptFileFlags,
    which: ModelFlags,
    sampling: SamplingFlags,
    ends: EndFlags,
    json: Annotated[
        bool, Option("--json", help="A JSON object for each token, and one for the whole.")
    ] = False,
) -> int:
    """Continue PROMPT by two settings or checkpoints with the same luck; show where they part.

    What stands outside of --a and --b holds for both sides.
    """
    around = bound_prompt(file) or PLAIN
    check_prompt_flags(how, around)
    wanted = [
        _wanted(letter, text, which, sampling, around) for letter, text in (("a", a), ("b", b))
    ]
    env: Environment = ctx.obj
    text = read_prompt(prompt, env)
    sides = _sides(env, wanted, text, how, around)

    from chatcli.probe.compare import compare as measured
    from chatcli.ui.compare_view import show_comparison, write_comparison
    from chatcli.ui.interrupt import Interrupt

    with Interrupt() as interrupt:
        found = measured(
            sides[0].side,
            sides[1].side,
            max_tokens=longest(ends, around),
            stop=stops(ends, around, sides[0].side.model.tokenizer, how.chat),
            cancelled=interrupt.cancelled,
        )
        show = write_comparison if json else show_comparison
        show(env, sides[0], sides[1], found)
        return Status.INTERRUPTED if interrupt.cancelled() else Status.DONE


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the flags say of one side."""

    flags: str
    which: ModelFlags
    given: Mapping[str, Any]


def _wanted(
    letter: str, text: str, which: ModelFlags, sampling: SamplingFlags, around: BoundPrompt
) -> _Wanted:
    """One side: the flags in `text`, over those of the command. Raises UsageError."""
    typed = _parsed(letter, text)
    changes = {name: value for name, value in typed.items() if hasattr(which, name)}
    which = dataclasses.replace(which, **changes)
    ours = {name: value for name, value in typed.items() if hasattr(sampling, name)}
    if "temperature" in ours:
        ours.setdefault("greedy", False)
    if ours.get("greedy"):
        ours.setdefault("temperature", None)
    try:
        given = sampling_given(dataclasses.replace(sampling, **ours), around.sampling)
    except UsageError as error:
        raise UsageError(f"--{letter}: {error}") from None
    return _Wanted(text, which, given)


_sides_app = typer.Typer(add_completion=False, rich_markup_mode=None)


@_sides_app.command()
@grouped
def _side(ctx: Context, which: ModelFlags, sampling: SamplingFlags) -> int:
    """The options that a side can have."""
    return Status.DONE


def _parsed(letter: str, text: str) -> dict[str, Any]:
    """What the flags in `text` set, by the names of their fields."""
    parser_error: Any = typer.BadParameter.__mro__[2]
    try:
        words = [word for each in shlex.split(text) for word in _spelt(each)]
        command = typer.main.get_command(_sides_app)
        with command.make_context(f"--{letter}", words) as ctx:
            context: Any = ctx
            typed = typed_options(context)
            return {name: value for name, value in ctx.params.items() if name in typed}
    except ValueError as error:
        raise UsageError(
            f"--{letter} {text!r} can't be read: {error}; write it {_EXAMPLE}"
        ) from None
    except parser_error as error:
        what = error.format_message().rstrip(".")
        raise UsageError(f"--{letter} {text!r}: {what}; write it {_EXAMPLE}") from None


def _spelt(word: str) -> list[str]:
    """ "top_k=40" as the flag that it stands for; a switch has no value."""
    name, sign, value = word.partition("=")
    if not sign or word.startswith("-") or not name.isidentifier():
        return [word]
    flag = f"--{name.replace('_', '-')}"
    if value.lower() in ("true", "false"):
        return [flag] if value.lower() == "true" else []
    return [flag, value]


def _sides(
    env: Environment,
    wanted: list[_Wanted],
    text: str,
    how: PromptFlags,
    around: BoundPrompt,
) -> list[Named]:
    """Both sides; one checkpoint is loaded once, and a seed that isn't given is drawn for both."""
    from chatcli.probe.compare import Side
    from chatcli.sampling.random import draw_seed
    from chatcli.ui.compare_view import Named

    seed, said = draw_seed(), set[str]()

    def notice(remark: str) -> None:
        """What holds for both sides is said once."""
        if remark not in said:
            said.add(remark)
            env.say(remark)

    models: dict[ModelFlags, LanguageModel] = {}
    sides = []
    for each in wanted:
        if each.which not in models:
            models[each.which] = load_model(each.which, notice)
        model = models[each.which]
        config = sampling_config(each.given, model.checkpoint.path)
        if config.seed is None:
            config = dataclasses.replace(config, seed=seed)
        ids = prompt_ids(model, text, how, notice, around)
        sides.append(Named(each.flags, Side(model, ids, config)))
    return sides
