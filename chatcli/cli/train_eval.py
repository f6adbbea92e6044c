"""`chatcli train eval`: what a model scores, as a table, as JSON, on its card, to be read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Context, Option

from chatcli.cli import Status
from chatcli.cli.options import ModelFlags, load_model, sampling_config

if TYPE_CHECKING:
    from chatcli.model.types import LanguageModel
    from chatcli.train.evaluation import Evaluation
    from chatcli.train.evaluation.measures import Watch
    from chatcli.ui.environment import Environment

__all__ = ["EvalFlags", "evaluate"]


@dataclass(frozen=True, slots=True)
class EvalFlags:
    """What is asked, and where the answers go."""

    questions: Annotated[
        Path | None,
        Option(metavar="FOLDER", help="Holds facts.jsonl, smalltalk.jsonl, lm_zh.txt …"),
    ] = None
    seed: Annotated[
        int, Option(min=0, metavar="N", help="Of the sampled replies and conversations.")
    ] = 0
    json: Annotated[bool, Option("--json", help="One JSON object, with the replies.")] = False
    samples: Annotated[
        Path | None,
        Option(metavar="FILE", help="Write the sampled replies here, as Markdown to be read."),
    ] = None
    card: Annotated[
        bool,
        Option("--card", help="Put the table and 20 conversations on the model's MODEL_CARD.md."),
    ] = False


def evaluate(ctx: Context, which: ModelFlags, flags: EvalFlags) -> int:
    """Ask a model what the built-in one is asked, and print its scores."""
    from chatcli.train.evaluation import evaluate as ask
    from chatcli.train.evaluation.card import check_card, samples_page
    from chatcli.ui.jsonl import json_line
    from chatcli.ui.scores_table import Asking, scores_object, show_scores

    env: Environment = ctx.obj
    _check_samples(flags.samples)
    model = load_model(which, env.say)
    if flags.card:
        check_card(model.checkpoint.path)
    with Asking(env) as asking:
        evaluation = ask(model, flags.questions, seed=flags.seed, watch=asking.watch)
        if flags.card:
            card = _write_card(model, evaluation, asking.watch)
    if flags.json:
        env.write(json_line(scores_object(evaluation)))
    else:
        show_scores(env, evaluation)
    if flags.samples is not None:
        flags.samples.write_text(samples_page(evaluation), encoding="utf-8")
        env.say(f"wrote {flags.samples}; read it and tick the replies that are on the subject")
    if flags.card:
        env.say(f"wrote {card}")
    if evaluation.left_out:
        env.say(_left_out(evaluation.left_out, flags.questions))
    return Status.DONE


def _check_samples(path: Path | None) -> None:
    """Before minutes of asking: whether the page can be written, over nobody's ticks."""
    from chatcli.errors import UsageError

    if path is None:
        return
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        raise UsageError(f"--samples {path} exists, perhaps with ticks; name another") from None
    except OSError as error:
        raise UsageError(f"--samples {path}: {error.strerror}; name another file") from None
    path.unlink()


def _write_card(model: LanguageModel, evaluation: Evaluation, watch: Watch) -> Path:
    from chatcli.train.evaluation.card import check_card, measured_part, rewrite_card
    from chatcli.train.evaluation.measures import converse
    from chatcli.train.evaluation.questions import OURS

    config = sampling_config({}, model.checkpoint.path)
    path = check_card(model.checkpoint.path)
    talks = converse(model, OURS / "conversations.jsonl", config, evaluation.seed, watch)
    settings = f"temperature {config.temperature:g}, top-k {config.top_k}, top-p {config.top_p:g}"
    rewrite_card(path, measured_part(evaluation, talks, settings))
    return path


def _left_out(names: tuple[str, ...], folder: Path | None) -> str:
    left = ", ".join(names)
    if folder is None:
        return f"not asked: {left}; name a folder that holds them with --questions"
    return f"not asked: {left}, which {folder} doesn't hold"
