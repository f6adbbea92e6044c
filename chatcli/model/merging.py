"""A PEFT adapter merged into its base by peft itself, so that inference costs no more.

Imported only where an adapter is loaded. What doesn't fit the base is an error, where peft
would leave it out or fill it with what training starts from.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from chatcli.errors import ChatcliError, CheckpointError, UnsupportedError, WeightsError
from chatcli.model.adapters import adapter_weights
from chatcli.model.device import memory_errors
from chatcli.model.files import tensor_headers
from chatcli.model.transformers import quiet

__all__ = ["merge_adapter", "merged_settings"]

NAME = "default"  # peft's own, which it puts into parameter names and leaves out of files
# How the embedding's name ends in the families that transformers knows.
EMBEDDINGS = ("embed_tokens.weight", "wte.weight", "embed_in.weight", "word_embeddings.weight")


def merge_adapter(module: Any, adapter: Path, name: str) -> Any:
    """`module`, a model of transformers, with the adapter folder's changes in its weights.

    Raises UnsupportedError where peft is absent or can't merge the adapter, WeightsError
    where its weights are damaged or don't fit the base.
    """
    weights = adapter_weights(adapter)
    with _foreign_errors(name), memory_errors(f"loading {name}", torch.device("cpu")), quiet():
        from peft import PeftConfig, get_peft_model

        config = PeftConfig.from_pretrained(str(adapter))
        config.inference_mode = True
        _grow_vocabulary(module, weights)
        model = get_peft_model(module, config)
        found = model.load_adapter(str(adapter), NAME, torch_device="cpu")
        _check_loaded(name, [*found.missing_keys, *found.unexpected_keys])
        _untie(model.get_base_model())
        return model.merge_and_unload().eval()


def merged_settings(config: Mapping[str, Any], module: Any) -> dict[str, Any]:
    """The base's config.json with what merging can change: vocabulary, and whether tied."""
    embedding, head = module.get_input_embeddings().weight, module.get_output_embeddings().weight
    tied = embedding.data_ptr() == head.data_ptr()
    return {**config, "vocab_size": embedding.shape[0], "tie_word_embeddings": tied}


def _grow_vocabulary(module: Any, weights: Path) -> None:
    """Room for the tokens that were added before the adapter was trained, as peft saves them."""
    if weights.suffix != ".safetensors":
        return
    headers = tensor_headers(weights)
    rows = [head.shape[0] for name, head in headers.items() if name.endswith(EMBEDDINGS)]
    if rows and rows[0] > module.get_input_embeddings().weight.shape[0]:
        module.resize_token_embeddings(rows[0], mean_resizing=False)


def _untie(module: Any) -> None:
    """Give the head its own weights where embedding or head is changed, but not the other."""
    embedding, head = module.get_input_embeddings(), module.get_output_embeddings()
    if head is None or not any(hasattr(layer, "base_layer") for layer in (embedding, head)):
        return
    if head.weight.data_ptr() == embedding.weight.data_ptr():
        own = getattr(head, "base_layer", head)
        own.weight = torch.nn.Parameter(own.weight.detach().clone(), requires_grad=False)


def _check_loaded(name: str, astray: list[str]) -> None:
    if astray:
        raise WeightsError(
            f"{name}: the adapter doesn't fit its base: {astray[0][:200]} has no counterpart; "
            "write the path of the base it was trained on into its adapter_config.json"
        )


@contextmanager
def _foreign_errors(name: str) -> Iterator[None]:
    """Map whatever peft raises to one line of ours."""
    try:
        yield
    except ChatcliError:
        raise
    except ImportError as error:
        raise UnsupportedError(
            f"{name} is a PEFT adapter, and peft is not installed: pip install 'chatcli[train]'"
        ) from error
    except (SafetensorError, pickle.UnpicklingError, EOFError, OSError) as error:
        raise WeightsError(
            f"{name}: the adapter's files are damaged ({_brief(error)}): copy or save them again"
        ) from error
    except NotImplementedError as error:
        raise UnsupportedError(
            f"{name}: peft can't merge this adapter into its base ({_brief(error)}): "
            "its own PeftModel runs it"
        ) from error
    except (RuntimeError, ValueError) as error:
        raise WeightsError(
            f"{name}: the adapter doesn't fit its base: {_brief(error)}; "
            "write the path of the base it was trained on into its adapter_config.json"
        ) from error
    except Exception as error:
        raise CheckpointError(
            f"{name}: peft can't load the adapter: {type(error).__name__}: {_brief(error)}"
        ) from error


def _brief(error: Exception) -> str:
    """The part of a message that says what is wrong: of torch's, the first mismatch."""
    words = " ".join(str(error).split()) or type(error).__name__
    words = words.split(": size mismatch for ")[-1] if ": size mismatch for " in words else words
    return words.split(". ")[0].split(" size mismatch for ")[0][:200]
