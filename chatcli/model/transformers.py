"""The adapter: every causal architecture that transformers loads, behind LanguageModel.

Imported only when the native decoder doesn't know an architecture, a checkpoint has only
pickled weights, or the user asks for it. Nothing is fetched, no code of a checkpoint runs,
and weights that are missing are an error, not random numbers.
"""

from __future__ import annotations

import inspect
import logging
import pickle
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from chatcli.errors import (
    ChatcliError,
    CheckpointError,
    ContextError,
    UnsupportedError,
    WeightsError,
)
from chatcli.model.adapter_cache import AdapterCache
from chatcli.model.checks import check_ids, context_in_force
from chatcli.model.device import memory_errors
from chatcli.model.files import PICKLE, read_config, weight_files
from chatcli.model.sizes import ModelSizes
from chatcli.model.types import Checkpoint, KVCache
from chatcli.text.types import Tokenizer

__all__ = ["AdapterModel", "load_adapter", "load_module", "quiet"]

# What forward's cache argument is called: transformers 5.24 and later, and before it.
CACHE_ARGUMENTS = ("cache", "past_key_values")
# Masks and tables that older files store beside the weights.
STRAY_BUFFERS = (".attn.bias", ".attn.masked_bias", ".attention.bias", ".masked_bias", ".inv_freq")


def load_module(
    folder: Path, *, dtype: torch.dtype, name: str, notice: Callable[[str], None]
) -> Any:
    """A checkpoint folder as a model of transformers' AutoModelForCausalLM, on CPU.

    Raises UnsupportedError for an architecture that transformers doesn't know,
    WeightsError for weights that are missing, damaged, misshapen or that are a pickle with
    more than tensors, DeviceError where memory ends.
    """
    if any(path.suffix != ".safetensors" for path in weight_files(folder)):
        notice(
            f"{name}: weights come from {PICKLE}, a pickle, read as tensors only; to load faster, "
            "and natively where the architecture allows, save_pretrained it as safetensors"
        )
    _require_known(name, read_config(folder))
    with _foreign_errors(name), memory_errors(f"loading {name}", torch.device("cpu")):
        module, info = _from_pretrained(folder, dtype)
        _check_loaded(name, info, notice)
    return module.eval()


def load_adapter(
    module: Any,
    *,
    device: torch.device,
    dtype: torch.dtype,
    context: int | None,
    tokenizer: Tokenizer,
    name: str,
    path: Path,
    digest: str,
) -> AdapterModel:
    """Move a model of transformers to `device`, behind the adapter.

    Raises UsageError for a context out of range, DeviceError where memory ends.
    """
    sizes = ModelSizes.from_json(module.config.to_dict())
    length = context_in_force(sizes.context_length, context)
    with memory_errors(f"loading {name}", device):
        module.to(device)
    checkpoint = Checkpoint(
        name=name,
        path=path,
        architecture=str(module.config.model_type),
        engine="transformers",
        n_layer=sizes.n_layer or 0,
        n_head=sizes.n_head or 0,
        d_model=sizes.d_model or 0,
        vocab_size=int(module.get_input_embeddings().weight.shape[0]),
        context_length=length,
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        dtype=str(dtype).removeprefix("torch."),
        device=str(device),
        digest=digest,
    )
    return AdapterModel(checkpoint, tokenizer, module, device)


def _from_pretrained(folder: Path, dtype: torch.dtype) -> tuple[Any, dict[str, Any]]:
    with quiet():
        from transformers import AutoModelForCausalLM

        return AutoModelForCausalLM.from_pretrained(  # type: ignore[no-any-return]
            folder,
            dtype=dtype,
            local_files_only=True,
            trust_remote_code=False,
            weights_only=True,
            output_loading_info=True,
        )


def _require_known(name: str, config: Mapping[str, Any]) -> None:
    import transformers
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as known

    if config.get("model_type") in known:
        return
    remedy = (
        "it brings code of its own, which chatcli never runs"
        if config.get("auto_map")
        else "a newer transformers may know it"
    )
    raise UnsupportedError(
        f"{name}: architecture {config.get('model_type')!r:.60} is none of the native engine's, "
        f"nor a causal language model of transformers {transformers.__version__}: {remedy}"
    )


def _check_loaded(name: str, info: Mapping[str, Any], notice: Callable[[str], None]) -> None:
    """transformers fills what it doesn't find with random numbers; here that is an error."""
    if missing := sorted(info.get("missing_keys") or ()):
        raise WeightsError(
            f"{name}: {_some(missing)} missing: "
            "the weights don't belong to this config.json, or were not copied whole"
        )
    unexpected = info.get("unexpected_keys") or ()
    if ignored := sorted(key for key in unexpected if not key.endswith(STRAY_BUFFERS)):
        notice(f"{name}: {_some(ignored)} without a place in the model, so not used")


def _some(tensors: list[str]) -> str:
    more = f" and {len(tensors) - 1} more are" if len(tensors) > 1 else " is"
    return f"{tensors[0][:200]}{more}"


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers' progress bars, log lines and warnings off the user's screen."""
    from transformers.utils import logging as theirs

    bars, level = theirs.is_progress_bar_enabled(), theirs.get_verbosity()
    theirs.disable_progress_bar()
    theirs.set_verbosity(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        theirs.set_verbosity(level)
        if bars:
            theirs.enable_progress_bar()


@contextmanager
def _foreign_errors(name: str) -> Iterator[None]:
    """Map whatever transformers, torch.load and safetensors raise to one line of ours."""
    try:
        yield
    except ChatcliError:
        raise
    except (pickle.UnpicklingError, SafetensorError, EOFError, OSError) as error:
        if called := re.search(r"GLOBAL (\S+)", str(error)):
            raise WeightsError(
                f"{name}: its pickle calls {called[1][:80]}, so it holds code, not only weights; "
                "nothing was run: ask its author for safetensors"
            ) from error
        raise WeightsError(
            f"{name}: its weights are damaged ({_brief(error)}): copy or download them again"
        ) from error
    except RuntimeError as error:
        if "ignore_mismatched_sizes" not in str(error):
            raise WeightsError(f"{name}: its weights can't be loaded: {_brief(error)}") from error
        raise WeightsError(
            f"{name}: its weights have other shapes than config.json says: "
            "they don't belong together, or one of the two was edited"
        ) from error
    except Exception as error:
        raise CheckpointError(
            f"{name}: transformers can't load it: {type(error).__name__}: {_brief(error)}"
        ) from error


def _brief(error: Exception) -> str:
    """The part of a message that says what is wrong; some of torch's go on for a page."""
    words = " ".join(str(error).split()) or type(error).__name__
    words = words.split("WeightsUnpickler error: ")[-1].split(" Check the documentation")[0]
    return words.split(". ")[0][:200]


class AdapterModel:
    """A LanguageModel that runs a model of transformers."""

    def __init__(
        self, checkpoint: Checkpoint, tokenizer: Tokenizer, module: Any, device: torch.device
    ) -> None:
        self.checkpoint = checkpoint
        self.tokenizer = tokenizer
        self.module = module
        self._device = device
        names = inspect.signature(module.forward).parameters
        self._cache_argument = next((name for name in CACHE_ARGUMENTS if name in names), None)
        self._keeps_logits = "logits_to_keep" in names

    def new_cache(self) -> AdapterCache:
        """An empty cache that `forward` can fill."""
        return AdapterCache(self._make_state)

    def _make_state(self) -> Any:
        from transformers import DynamicCache

        return DynamicCache(config=self.module.config)

    @torch.no_grad()
    def forward(self, ids: Sequence[int], cache: KVCache, *, last: bool = False) -> Tensor:
        """Feed `ids` after what `cache` holds; float32 logits [T, V], or [1, V] with `last`.

        Raises ContextError where the context in force would be exceeded, CheckpointError on
        an id outside the vocabulary, ValueError on no ids.
        """
        if not isinstance(cache, AdapterCache):
            raise TypeError("this model fills caches made by its own new_cache()")
        fed = list(ids)
        self._check(fed, len(cache.tokens))
        with memory_errors(f"feeding {len(fed):,} tokens", self._device):
            logits = self._run(cache, fed, 1 if last else len(fed))
        cache.tokens.extend(fed)
        if self._cache_argument:
            cache.filled = len(cache.tokens)
        return logits

    def _run(self, cache: AdapterCache, ids: list[int], rows: int) -> Tensor:
        """Logits [rows, V] of the last `rows` positions."""
        steps = [cache.pending(ids)]
        if cache.filled and cache.recurrent:
            # A recurrent layer that has a state reads it for one token at a time only:
            # some of transformers' would start a longer input from an empty state.
            steps = [[token] for token in steps[0]]
        state = cache.opened() if self._cache_argument else None
        with quiet():
            return torch.cat([self._logits(step, state, rows) for step in steps])[-rows:]

    def _logits(self, ids: list[int], state: Any, rows: int) -> Tensor:
        """Logits of the last `rows` positions of `ids`, or of all where there are fewer."""
        options: dict[str, Any] = {"use_cache": state is not None}
        if self._cache_argument and state is not None:
            options[self._cache_argument] = state
        if self._keeps_logits:
            options["logits_to_keep"] = rows
        fed = torch.tensor([ids], device=self._device)  # (1, T)
        logits: Tensor = self.module(input_ids=fed, **options).logits  # (1, T or rows, V)
        return logits[0, -rows:].float().cpu()

    def _check(self, ids: list[int], held: int) -> None:
        check_ids(ids, self.checkpoint.vocab_size)
        limit = self.checkpoint.context_length
        if held + len(ids) > limit:
            raise ContextError(
                f"{held + len(ids)} tokens don't fit in the context of {limit}: "
                "shorten the prompt or raise --context if the checkpoint allows it"
            )
