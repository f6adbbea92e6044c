"""The third step of a checkpoint on its own: fine-tuning one on conversations.

Opening and writing checkpoints is `tuning`'s work, what is learned of a conversation that of
`turns`; here conversations become the rows of a run that can be stopped and gone on with.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
import torch

from chatcli.errors import TrainingError
from chatcli.model.resolve import resolve
from chatcli.train.checkpoints import replace_text
from chatcli.train.corpus import BadLine, Reading, read_chats
from chatcli.train.devices import first_alone, open_accelerator
from chatcli.train.export import check_out
from chatcli.train.inputs import check_inputs, keep_stdin, sources
from chatcli.train.loop import Training
from chatcli.train.metrics import Hooks, read_metrics
from chatcli.train.recipe import Phase, Source, check_phase
from chatcli.train.rows import Data, Encoded, Rows, divide, load_data, pack, save_data
from chatcli.train.run import Watcher, begin, look_for_run
from chatcli.train.tuning import Base, LoraSettings, export_tuned, open_base
from chatcli.train.turns import encode_conversation
from chatcli.train.vocabulary import CHAT_TEMPLATE
from chatcli.train.writer import Writer

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["FineTuning", "fine_tune"]

PHASE_FOLDER = "1-sft"
ROW_LENGTH = 512
SAMPLES = 4  # prompts that are answered in turn while training


@dataclass(frozen=True, slots=True)
class Rates:
    """Learning rates, and the shares of the steps over which they rise and fall."""

    matrix_lr: float
    other_lr: float
    warmup: float
    decay: float


# A model that chatcli pretrained is small and has seen little: it takes the rates that the
# built-in one was tuned with, Muon's included. Others know more, and get AdamW's usual ones.
OURS = Rates(matrix_lr=0.005, other_lr=0.002, warmup=0.03, decay=0.8)
WHOLE = Rates(matrix_lr=0.0, other_lr=5e-5, warmup=0.03, decay=0.97)
LORA = Rates(matrix_lr=0.0, other_lr=2e-4, warmup=0.03, decay=0.97)


@dataclass(frozen=True, slots=True)
class FineTuning:
    """What `chatcli train sft` was asked for.

    `model` is a folder or a name that chatcli knows. None stands for what suits the model:
    rows of 512 tokens, or of its context where that is shorter, and its learning rates.
    """

    inputs: tuple[str, ...]
    model: str
    out: Path
    run: Path
    lora: LoraSettings | None = None
    minutes: float | None = None
    passes: float = 2.0
    batch_rows: int = 8
    accumulate: int = 1
    row_length: int | None = None
    matrix_lr: float | None = None
    lr: float | None = None
    seed: int = 0

    def phase(self, base: Base) -> Phase:
        """The phase of the loop that this is. Raises TrainingError for what can't be."""
        rates = _rates(base)
        context = base.context_length or ROW_LENGTH
        phase = Phase(
            name="sft",
            kind="sft",
            sources=sources(self.inputs, self.run),
            row_length=self.row_length or min(context, ROW_LENGTH),
            batch_rows=self.batch_rows,
            matrix_lr=rates.matrix_lr if self.matrix_lr is None else self.matrix_lr,
            other_lr=rates.other_lr if self.lr is None else self.lr,
            warmup=rates.warmup,
            decay=rates.decay,
            passes=self.passes,
            minutes=self.minutes,
            accumulate=self.accumulate,
        )
        check_phase(phase)
        if base.context_length and phase.row_length > base.context_length:
            raise TrainingError(
                f"--row-length is {phase.row_length}, but {base.name} has a context of "
                f"{base.context_length} tokens: use at most that"
            )
        return phase


def _rates(base: Base) -> Rates:
    if base.lora is not None:
        return LORA
    return OURS if base.tokenizer.chat_template == CHAT_TEMPLATE else WHOLE


def fine_tune(
    asked: FineTuning, watcher: Watcher, *, device: str, stdin: IO[bytes], resume: bool
) -> None:
    """Tune a model on conversations and write it, or its adapter, into a folder.

    Of several processes, each calls this. Raises loop.Stopped on request, TrainingError for
    what can't be used or written, and what `open_base` does.
    """
    check_out(asked.out)
    check_inputs(asked.inputs, asked.out, asked.run)
    look_for_run(asked.run, watcher, resume=resume)
    resolve(asked.model)
    accelerator = open_accelerator(device)
    torch.manual_seed(asked.seed)  # LoRA's first matrices
    base = open_base(Path(asked.model), lora=asked.lora, device=accelerator.device)
    watcher.say(_sizes(base))
    first_alone(accelerator, lambda: _prepare(asked, base, watcher, stdin, resume=resume))
    phase, folder = asked.phase(base), asked.run / PHASE_FOLDER
    data = load_data(folder / "rows.npz")
    _train(base, phase, data, folder, asked.seed, watcher, accelerator)
    card = _card(asked, base, phase, folder)
    first_alone(accelerator, lambda: _export(asked, base, card))


def _export(asked: FineTuning, base: Base, card: list[str]) -> None:
    replace_text(asked.run / "MODEL_CARD.md", "\n".join(card) + "\n")
    beside = [asked.run / PHASE_FOLDER / "metrics.jsonl"]
    export_tuned(base, asked.out, card, beside=beside)


def _sizes(base: Base) -> str:
    weights = list(base.model.parameters())
    trained = sum(weight.numel() for weight in weights if weight.requires_grad)
    line = f"{base.name}: {sum(weight.numel() for weight in weights):,} parameters"
    return line if base.lora is None else f"{line}, {trained:,} of them LoRA's, which are trained"


def _prepare(
    asked: FineTuning, base: Base, watcher: Watcher, stdin: IO[bytes], *, resume: bool
) -> None:
    """Begin the run and make its rows, if it has none yet."""
    keep_stdin(asked.inputs, asked.run, stdin, resume=resume)
    phase = asked.phase(base)
    lora = None if asked.lora is None else asdict(asked.lora)
    config = {"model": str(base.folder.resolve()), "lora": lora, "seed": asked.seed}
    begin(asked.run, {**config, "phase": asdict(phase)})
    kept = asked.run / PHASE_FOLDER / "rows.npz"
    if not kept.exists():
        data = _rows(phase, base, asked.seed, watcher)
        kept.parent.mkdir(parents=True, exist_ok=True)
        save_data(kept, data)


def _rows(phase: Phase, base: Base, seed: int, watcher: Watcher) -> Data:
    """The conversations of the sources, encoded and packed; what is wrong with them is said."""
    reading, width = Reading(), phase.row_length + 1
    encoded = list(_encoded(phase.sources, base, reading, width))
    for line in reading.summary():
        watcher.say(line)
    if not encoded:
        raise TrainingError(
            "the inputs hold no usable conversation; give JSON Lines with "
            '{"messages": [{"role": "user", "content": "…"}, {"role": "assistant", …}]}'
        )
    if cut := sum(len(ids) > width for ids, _ in encoded):
        longest = max(len(ids) for ids, _ in encoded)
        watcher.say(
            f"{cut:,} of {len(encoded):,} conversations are longer than a row of "
            f"{phase.row_length} tokens and were cut; the longest has {longest:,}"
        )
    none = Rows(np.empty((0, width), dtype=np.int32), np.empty((0, width), dtype=np.bool_))
    return divide(phase, pack(encoded, phase.row_length, whole=True), none, seed)


def _encoded(
    inputs: tuple[Source, ...], base: Base, reading: Reading, width: int
) -> Iterator[Encoded]:
    for source in inputs:
        for path, line, messages in read_chats(Path(source.path), reading):
            try:
                ids, learn = encode_conversation(base.tokenizer, messages)
            except TrainingError as error:
                reading.bad.append(BadLine(path, line, str(error)))
                continue
            if learn[1:width].any():
                yield ids, learn
            else:
                why = f"no reply within the first {width - 1} tokens; raise --row-length"
                reading.bad.append(BadLine(path, line, why))


def _train(
    base: Base,
    phase: Phase,
    data: Data,
    folder: Path,
    seed: int,
    watcher: Watcher,
    accelerator: Accelerator,
) -> None:
    prompts = _prompts(data, phase.row_length // 2)
    inner = base.model if base.lora is None else base.model.get_base_model()
    hooks = Hooks(
        report=watcher.report,
        show=watcher.show,
        write=Writer(inner, base.tokenizer, folder, prompts) if prompts else None,
        cancelled=watcher.cancelled,
    )
    if (folder / "checkpoint.pt").exists():
        watcher.say("sft: going on from its last checkpoint")
    training = Training(
        base.model, phase, data, folder, seed=seed, accelerator=accelerator, hooks=hooks
    )
    watcher.say(training.summary())
    training.run()


def _prompts(data: Data, longest: int) -> list[list[int]]:
    """How some conversations begin, up to the first reply; the model answers them meanwhile."""
    rows = data.validation if len(data.validation.ids) else data.train
    shown = zip(rows.ids[:SAMPLES], rows.learn[:SAMPLES], strict=True)
    prompts = [ids[: int(learn.argmax())].tolist() for ids, learn in shown]
    return [ids for ids in prompts if len(ids) <= longest]


def _card(asked: FineTuning, base: Base, phase: Phase, folder: Path) -> list[str]:
    """The part of the card that the run itself knows; judgement is added by hand."""
    last = read_metrics(folder / "metrics.jsonl")[-1]
    validation = last["validation_loss"]
    shown = "not measured" if validation is None else f"{validation:.3f}"
    lora = base.lora
    how = "all weights" if lora is None else f"LoRA of rank {lora.rank}, alpha {lora.alpha}"
    muon = f"Muon {phase.matrix_lr:g} for matrices, " if phase.matrix_lr else ""
    return [
        f"# {asked.out.name}",
        "",
        f"{base.name}, fine-tuned on conversations by `chatcli train sft`: {how}; {muon}AdamW "
        f"{phase.other_lr:g}; {last['step']:,} steps of up to {phase.batch_rows} rows of "
        f"{phase.row_length:,} tokens.",
        "",
        "| replies' tokens learned | last loss | last validation loss | seconds |",
        "|---|---|---|---|",
        f"| {last['tokens']:,} | {last['loss']:.3f} | {shown} | {last['seconds']:,.0f} |",
        "",
        "Losses are nats a token of the assistant's.",
        "",
        "## Sources",
        "",
        *(f"- {name}" for name in asked.inputs),
    ]
