"""`chatcli score`: how well a model foretells a text, or which of several endings it prefers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Context, Option

from chatcli.cli.groups import SectionedCommand, command_app, grouped
from chatcli.cli.json_lines import Line, read_lines
from chatcli.cli.options import ModelFlags, load_model
from chatcli.cli.prompting import PromptFileFlags, PromptFlags, check_prompt_flags, read_prompt
from chatcli.cli.score_choices import CHOICES, Asker
from chatcli.cli.score_flags import ChoiceFlags, SourceFlags, check_sources, norm_of
from chatcli.cli.score_run import Scoring, choose, classify
from chatcli.cli.text_files import read_file_text
from chatcli.errors import UsageError

if TYPE_CHECKING:
    from chatcli.ui.environment import Environment

__all__ = ["app"]

app = command_app()


@app.command(cls=SectionedCommand)
@grouped
def score(
    ctx: Context,
    source: SourceFlags,
    weighed: ChoiceFlags,
    how: PromptFlags,
    file: PromptFileFlags,
    which: ModelFlags,
    text: Annotated[
        str | None, Argument(metavar="TEXT", help="What is scored; - reads it from stdin.")
    ] = None,
    stride: Annotated[
        int | None,
        Option(
            min=1,
            metavar="N",
            help="Tokens that each window of a text longer than the context goes on by.",
            show_default="half the context",
        ),
    ] = None,
    table: Annotated[bool, Option("--table", help="A row for every token.")] = False,
    json: Annotated[
        bool, Option("--json", help="An object for each token or line, and one for the whole.")
    ] = False,
) -> int:
    """Show how probable each token of TEXT was, or which of several --choices is likeliest.

    Into a pipe goes the table. With --choices, TEXT is the prompt that they end.
    """
    env: Environment = ctx.obj
    check_sources(text, source)
    norm = norm_of(weighed.norm)
    asker = Asker(file, how, weighed, env.say)
    if source.lines:
        picked = _picked(read_lines(source.file, env), source.where or ())
        first, lines = _peeked(picked, source.where or ())
        if asker.chooses or any(name in first.fields for name in CHOICES):
            questions = [asker.line_question(line) for line in lines]
            return classify(env, load_model(which, env.say), asker, questions, norm, json=json)
        return Scoring(env, load_model(which, env.say), how, asker, stride, table, json).lines(
            lines
        )
    whole = _text(text, source, env)
    check_prompt_flags(how, asker.prompt())
    model = load_model(which, env.say)
    if asker.chooses:
        return choose(env, model, asker, asker.question(whole), norm, json=json)
    return Scoring(env, model, how, asker, stride, table, json).text(whole)


def _text(text: str | None, source: SourceFlags, env: Environment) -> str:
    return (
        read_prompt(text or "", env, "TEXT") if source.file is None else read_file_text(source.file)
    )


def _peeked(lines: Iterator[Line], wanted: Sequence[str]) -> tuple[Line, Iterator[Line]]:
    """The first line, and all of them."""
    first = next(lines, None)
    if first is None:
        raise UsageError(f"no line has {' and '.join(wanted)}; check --where")
    return first, chain([first], lines)


def _picked(lines: Iterator[Line], wanted: Sequence[str]) -> Iterator[Line]:
    pairs = [pair.partition("=") for pair in wanted]
    for name, sign, _ in pairs:
        if not sign:
            raise UsageError(f"--where wants FIELD=TEXT, such as task=sentiment; got {name!r}")
    for line in lines:
        if all(str(line.fields.get(name)) == value for name, _, value in pairs):
            yield line
