"""`chatcli train tokenizer`, `pretrain` and `sft`: a checkpoint step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, cast

from typer import Context, Option

from chatcli.cli import Status
from chatcli.cli.launched import leads, watched
from chatcli.cli.train_flags import (
    Inputs,
    Out,
    RunFlags,
    TrainFlags,
    run_folder,
    training_given,
)
from chatcli.errors import UsageError

if TYPE_CHECKING:
    from chatcli.ui.environment import Environment

__all__ = ["pretrain", "sft", "tokenizer"]

_MODEL = "Model"
_LORA = "LoRA"


def tokenizer(
    ctx: Context,
    inputs: Inputs,
    out: Out,
    vocab_size: Annotated[
        int, Option(min=261, max=65_536, metavar="N", help="Tokens, 5 of them control tokens.")
    ] = 4096,
) -> int:
    """Train a tokenizer: byte-level BPE, for any language, every digit on its own."""
    from chatcli.train.steps import make_tokenizer

    env: Environment = ctx.obj
    with watched(env, None) as watcher:
        make_tokenizer(tuple(inputs), out, vocab_size, watcher, stdin=_bytes(env))
    env.say(f"wrote {out}; next: chatcli train pretrain … --tokenizer {out} --out FOLDER")
    return Status.DONE


def pretrain(
    ctx: Context,
    inputs: Inputs,
    out: Out,
    how: TrainFlags,
    where: RunFlags,
    tokenizer: Annotated[
        str | None,
        Option(
            metavar="FOLDER",
            help="Begin a new model with the tokenizer in this folder.",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    model: Annotated[
        str | None,
        Option(
            "-m",
            "--model",
            metavar="NAME",
            help="Go on with a model that chatcli trained instead.",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    layers: Annotated[
        int | None,
        Option(min=1, metavar="N", help="Its layers.", show_default="4", rich_help_panel=_MODEL),
    ] = None,
    width: Annotated[
        int | None,
        Option(
            min=32,
            metavar="N",
            help="Its width, a multiple of 32.",
            show_default="128",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    context: Annotated[
        int | None,
        Option(
            min=1,
            metavar="N",
            help="Tokens that it can see.",
            show_default="512",
            rich_help_panel=_MODEL,
        ),
    ] = None,
) -> int:
    """Pretrain a model: to predict the next token of text, documents end to end."""
    from chatcli.train.memory import keep_freed_memory
    from chatcli.train.steps import NewModel, Pretraining
    from chatcli.train.steps import pretrain as train

    sizes = {"layers": layers, "width": width, "context": context}
    given = {name: value for name, value in sizes.items() if value is not None}
    start = _start(tokenizer, model, given)
    run = run_folder(where, out)
    asked = Pretraining(
        inputs=tuple(inputs),
        start=start,
        size=NewModel(**given) if model is None else None,
        out=out,
        run=run,
        **training_given(how),
    )
    env: Environment = ctx.obj
    keep_freed_memory()
    with watched(env, run) as watcher:
        train(asked, watcher, device=where.device, stdin=_bytes(env), resume=where.resume)
    if leads():
        env.say(f"wrote {out}; try it: chatcli complete -m {out} …")
    return Status.DONE


def sft(
    ctx: Context,
    inputs: Inputs,
    model: Annotated[
        str,
        Option(
            "-m",
            "--model",
            metavar="NAME",
            help="The checkpoint to tune: a folder, a name in the hub cache, or builtin.",
            show_default=False,
        ),
    ],
    out: Out,
    how: TrainFlags,
    where: RunFlags,
    lora: Annotated[
        bool,
        Option(
            "--lora",
            help="Train a small adapter and leave the model as it is.",
            rich_help_panel=_LORA,
        ),
    ] = False,
    rank: Annotated[
        int | None,
        Option(min=1, metavar="N", help="Its rank.", show_default="16", rich_help_panel=_LORA),
    ] = None,
    alpha: Annotated[
        int | None,
        Option(
            min=1,
            metavar="N",
            help="It counts alpha / rank times.",
            show_default="32",
            rich_help_panel=_LORA,
        ),
    ] = None,
    dropout: Annotated[
        float | None,
        Option(
            min=0,
            max=0.95,
            metavar="X",
            help="Share of its inputs left out.",
            show_default="0",
            rich_help_panel=_LORA,
        ),
    ] = None,
) -> int:
    """Fine-tune a model on conversations: to write the assistant's replies."""
    from chatcli.train.finetune import FineTuning, fine_tune
    from chatcli.train.memory import keep_freed_memory
    from chatcli.train.tuning import LoraSettings

    shape: dict[str, Any] = {"rank": rank, "alpha": alpha, "dropout": dropout}
    given = {name: value for name, value in shape.items() if value is not None}
    if given and not lora:
        raise UsageError(f"--{next(iter(given))} is LoRA's: add --lora, or drop it")
    run = run_folder(where, out)
    asked = FineTuning(
        inputs=tuple(inputs),
        model=model,
        out=out,
        run=run,
        lora=LoraSettings(**given) if lora else None,
        **training_given(how),
    )
    env: Environment = ctx.obj
    keep_freed_memory()
    with watched(env, run) as watcher:
        fine_tune(asked, watcher, device=where.device, stdin=_bytes(env), resume=where.resume)
    if leads():
        env.say(f"wrote {out}; talk to it: chatcli chat -m {out}")
    return Status.DONE


def _start(tokenizer: str | None, model: str | None, sizes: dict[str, int]) -> str:
    """The folder of a tokenizer, or the name of the model to go on with."""
    if (tokenizer is None) == (model is None):
        raise UsageError(
            "give --tokenizer FOLDER to begin a model, or --model NAME to go on with one"
        )
    if model is not None and sizes:
        raise UsageError(
            f"--{next(iter(sizes))} is of a new model, but {model} has its size: drop it"
        )
    return tokenizer or model or ""


def _bytes(env: Environment) -> BinaryIO:
    return cast(BinaryIO, getattr(env.stdin, "buffer", env.stdin))
