"""Fine-tuning a checkpoint that exists: opening it, whole or under LoRA, and writing it out.

The result is a folder that chatcli and everything that reads such folders load at once.
Training in between is the loop's work, turning conversations into ids that of `turns`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from chatcli.errors import TrainingError
from chatcli.model.device import STORED, memory_errors
from chatcli.model.files import TOKENIZER_DOCUMENTS, read_config, read_json
from chatcli.model.generation import GENERATION_CONFIG, eos_ids_from_files
from chatcli.model.resolve import resolve
from chatcli.model.sizes import ModelSizes, read_weight_sizes
from chatcli.model.support import choose_engine
from chatcli.model.transformers import load_module, quiet
from chatcli.text.tokenizer import CheckpointTokenizer
from chatcli.text.tokenizer_files import read_backend, read_settings
from chatcli.train.export import new_folder

__all__ = ["Base", "LoraSettings", "export_tuned", "open_base"]

ALL_LINEAR: Literal["all-linear"] = "all-linear"
# chatcli's plain dialogue, as prompts/plain-chat.toml has it, with a token that ends a reply.
PLAIN_TEMPLATE = """\
{{- BEGIN -}}
{%- for message in messages -%}
    {%- if message.role == 'system' -%}
        {{- message.content | trim + '\\n\\n' -}}
    {%- else -%}
        {{- message.role | capitalize + ': ' + message.content | trim -}}
        {{- (END if message.role == 'assistant' else '') + '\\n' -}}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt %}{{ 'Assistant:' }}{% endif -%}
"""


@dataclass(frozen=True, slots=True)
class LoraSettings:
    """Low-rank adaptation (Hu et al. 2021, arXiv:2106.09685): update scaled by alpha / rank.

    `targets` are the names of the matrices that get one, or all but the head's.
    """

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    targets: tuple[str, ...] | Literal["all-linear"] = ALL_LINEAR


@dataclass(frozen=True, slots=True)
class Base:
    """A checkpoint opened for tuning.

    `model` is transformers', in float32 and in training mode, wrapped by peft where `lora`
    is given. `template` is the chat template that it was lent, None where it has its own;
    `stored` the dtype of its files, `context_length` None where it has no limit.
    """

    model: Any
    tokenizer: CheckpointTokenizer
    folder: Path
    name: str
    lora: LoraSettings | None
    template: str | None
    stored: torch.dtype
    context_length: int | None


def open_base(folder: Path, *, lora: LoraSettings | None, device: torch.device) -> Base:
    """Open the checkpoint in `folder` (or one that chatcli knows by this name) for tuning.

    LoRA's first matrices are drawn from torch's global generator. Raises TrainingError for
    an adapter, without peft, for targets that match nothing and for a model that has neither
    chat template nor end token; CheckpointError, TokenizerError and DeviceError as `load`.
    """
    location = resolve(folder)
    if location.adapter is not None:
        raise TrainingError(
            f"{location.name} is an adapter; tune its base, {location.folder}, or merge the two "
            "with peft (merge_and_unload), save_pretrained that, and tune the result"
        )
    config = read_config(location.folder)
    choose_engine(location, config, "transformers")
    weights, sizes = read_weight_sizes(location.folder, config), ModelSizes.from_json(config)
    sizes.check(location.name, weights)
    ends = eos_ids_from_files(location.folder, config)
    tokenizer, template = _tokenizer(location.folder, ends)
    model = load_module(
        location.folder, dtype=torch.float32, name=location.name, notice=lambda line: None
    )
    model.config.use_cache = False
    if lora is not None:
        model = _with_lora(model, lora, location.folder)
    with memory_errors(f"loading {location.name}", device):
        model.to(device).train()
    return Base(
        model=model,
        tokenizer=tokenizer,
        folder=location.folder,
        name=location.name,
        lora=lora,
        template=template,
        stored=STORED.get(weights.stored, torch.float32),
        context_length=sizes.context_length,
    )


def _tokenizer(folder: Path, ends: Sequence[int]) -> tuple[CheckpointTokenizer, str | None]:
    """The folder's tokenizer, and the template that it had to be lent."""
    backend, settings = read_backend(folder), read_settings(folder)
    own = CheckpointTokenizer(backend, settings, extra_eos=ends)
    if own.chat_template is not None:
        return own, None
    end = own.backend.id_to_token(min(own.eos_ids)) if own.eos_ids else None
    if end is None or not own.is_special(min(own.eos_ids)):
        raise TrainingError(
            f"{folder} has no chat template, and no special end token to make one with: set "
            "eos_token in its tokenizer_config.json"
        )
    begin = own.decode(own.encode("", bos=True))
    template = PLAIN_TEMPLATE.replace("END", json.dumps(end)).replace("BEGIN", json.dumps(begin))
    lent = replace(settings, chat_template=template)
    return CheckpointTokenizer(read_backend(folder), lent, extra_eos=ends), template


def _with_lora(module: Any, lora: LoraSettings, folder: Path) -> Any:
    targets = lora.targets if lora.targets == ALL_LINEAR else list(lora.targets)
    try:
        with quiet():
            from peft import LoraConfig, get_peft_model

            settings = LoraConfig(
                r=lora.rank,
                lora_alpha=lora.alpha,
                lora_dropout=lora.dropout,
                target_modules=targets,
                task_type="CAUSAL_LM",
            )
            model = get_peft_model(module, settings)
    except ImportError as error:
        raise TrainingError("LoRA needs peft: pip install 'chatcli[train]'") from error
    except ValueError as error:
        linear = sorted({name.rpartition(".")[2] for name, _ in _matrices(module)})
        raise TrainingError(
            f"LoRA can't be laid on {', '.join(targets)}: the matrices of {folder.name} are "
            f"{', '.join(linear)}"
        ) from error
    # An adapter says where its base lies, wherever it is loaded from.
    model.peft_config["default"].base_model_name_or_path = str(folder.resolve())
    return model


def _matrices(module: Any) -> Iterator[tuple[str, Any]]:
    """The layers that hold a matrix, the embeddings left out."""
    for name, layer in module.named_modules():
        weight = getattr(layer, "weight", None)
        embeds = isinstance(layer, torch.nn.Embedding)
        if isinstance(weight, Tensor) and weight.ndim == 2 and not embeds:
            yield name, layer


def export_tuned(
    base: Base, out: Path, card_lines: Sequence[str], *, beside: Sequence[Path] = ()
) -> None:
    """Write what `base` became into the folder `out`: a whole model, or its adapter alone.

    The base's tokenizer files go along as they are, its chat template (or the one lent), and
    a generation_config.json that names every end token; `card_lines` become MODEL_CARD.md, and
    the files `beside` are copied. Raises TrainingError where `out` holds something, and where
    writing fails; nothing half written is left under that name.
    """
    with new_folder(out) as folder:
        _write_weights(base, folder)
        _write_tokenizer(base, folder)
        _write_generation_config(base, folder)
        (folder / "MODEL_CARD.md").write_text("\n".join(card_lines) + "\n", encoding="utf-8")
        for path in beside:
            shutil.copyfile(path, folder / path.name)


def _write_weights(base: Base, folder: Path) -> None:
    with quiet():
        if base.lora is not None:
            base.model.save_pretrained(folder, save_embedding_layers=False)
            (folder / "README.md").unlink(missing_ok=True)  # peft's empty form of a card
            return
        # Its own file of settings is written below, and may hold what transformers refuses.
        base.model.generation_config = type(base.model.generation_config)()
        base.model.save_pretrained(folder, state_dict=_cast(base.model.state_dict(), base.stored))
    shutil.copyfile(base.folder / "config.json", folder / "config.json")


def _cast(tensors: dict[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """Copies in the files' dtype; those that share their memory, as a tied head does, still do."""
    made: dict[int, Tensor] = {}
    for tensor in tensors.values():
        if tensor.data_ptr() not in made:
            made[tensor.data_ptr()] = tensor.detach().to("cpu", dtype)
    return {name: made[tensor.data_ptr()] for name, tensor in tensors.items()}


def _write_tokenizer(base: Base, folder: Path) -> None:
    for name in TOKENIZER_DOCUMENTS:
        if (base.folder / name).is_file():
            shutil.copyfile(base.folder / name, folder / name)
    if base.template is not None:
        (folder / "chat_template.jinja").write_text(base.template, encoding="utf-8")


def _write_generation_config(base: Base, folder: Path) -> None:
    """The base's own, with every token that ends a reply; those it named stay in front."""
    path = base.folder / GENERATION_CONFIG
    values = read_json(path) if path.exists() else {}
    named = values.get("eos_token_id")
    own = named if isinstance(named, list) else [] if named is None else [named]
    values["eos_token_id"] = list(dict.fromkeys([*own, *sorted(base.tokenizer.eos_ids)]))
    text = json.dumps(values, ensure_ascii=False, indent=2)
    (folder / GENERATION_CONFIG).write_text(text + "\n", encoding="utf-8")
