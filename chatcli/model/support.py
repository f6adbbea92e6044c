"""Which engine runs a checkpoint, or what else would: decided from config and file names.

Torch and transformers are not imported here, so a list of models costs little.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chatcli.errors import CheckpointError, UnsupportedError, UsageError
from chatcli.model.files import weight_files
from chatcli.model.resolve import Location
from chatcli.model.sizes import architecture

__all__ = ["ENGINES", "choose_engine"]

ENGINES = ("auto", "native", "transformers")

# transformers would load these as decoders, although they were trained as encoders.
ENCODERS = frozenset(
    "albert bert camembert deberta deberta-v2 distilbert electra ernie layoutlm longformer "
    "modernbert mpnet nomic_bert roberta xlm-roberta".split()
)
HEADS = ("MaskedLM", "Classification", "QuestionAnswering", "MultipleChoice", "Encoder")
QUANTISED = {
    "gptq": "vLLM, or transformers with gptqmodel,",
    "awq": "vLLM, or transformers with gptqmodel,",
    "fp8": "vLLM, or transformers on a recent GPU,",
    "bitsandbytes": "transformers with bitsandbytes",
    "compressed-tensors": "vLLM, or transformers with compressed-tensors,",
}


def choose_engine(location: Location, config: Mapping[str, Any], engine: str = "auto") -> str:
    """ "native" or "transformers", whichever is to run this checkpoint.

    Raises UnsupportedError, with what would run it, for a checkpoint that neither can, and
    UsageError for an engine of no such name.
    """
    if engine not in ENGINES:
        raise UsageError(f"engine {engine!r} is none of {', '.join(ENGINES)}")
    _refuse_unnamed(location, config)
    _refuse_quantised(location, config)
    _refuse_encoders(location, config)
    if engine == "transformers":
        return engine
    pickled = _pickled(location.folder)
    if engine == "native":
        if pickled:
            raise UnsupportedError(
                f"{location.name} has its weights in {pickled.name}, and the native engine reads "
                "safetensors only: use --engine transformers, or save_pretrained it once"
            )
        _require_native(config)
        return engine
    return "native" if not pickled and _native(config) else "transformers"


def _native(config: Mapping[str, Any]) -> bool:
    from chatcli.model.native.config import native_supports

    return native_supports(config)


def _require_native(config: Mapping[str, Any]) -> None:
    from chatcli.model.native.config import NativeConfig

    NativeConfig.from_json(config)


def _pickled(folder: Path) -> Path | None:
    """The first weight file, if it is a pickle."""
    return next((path for path in weight_files(folder) if path.suffix != ".safetensors"), None)


def _refuse_unnamed(location: Location, config: Mapping[str, Any]) -> None:
    if not isinstance(config.get("model_type"), str):
        raise CheckpointError(
            f"{location.name}: config.json has no model_type, so its architecture is unknown: "
            'add the line that transformers writes, such as "model_type": "llama"'
        )


def _refuse_quantised(location: Location, config: Mapping[str, Any]) -> None:
    settings = config.get("quantization_config") or config.get("compression_config")
    if not settings:
        return
    method = settings.get("quant_method") if isinstance(settings, Mapping) else None
    loads = QUANTISED.get(str(method), "vLLM, or transformers with that method's package,")
    raise UnsupportedError(
        f"{location.name} is quantised ({str(method or 'method unnamed')[:40]}), which chatcli "
        f"can't run: {loads} would; its unquantised original runs here"
    )


def _refuse_encoders(location: Location, config: Mapping[str, Any]) -> None:
    name = architecture(config)[:60]
    if config.get("is_encoder_decoder") is True or config["model_type"] in ("t5", "mt5", "bart"):
        raise UnsupportedError(
            f"{location.name} ({name}) is an encoder-decoder, which chatcli can't run: "
            "transformers' AutoModelForSeq2SeqLM loads it"
        )
    encoder = config["model_type"] in ENCODERS and config.get("is_decoder") is not True
    if encoder or any(head in name for head in HEADS):
        raise UnsupportedError(
            f"{location.name} ({name}) is an encoder or classifier and doesn't generate text: "
            f"transformers' {_auto_class(name)} loads it"
        )


def _auto_class(name: str) -> str:
    if "MaskedLM" in name:
        return "AutoModelForMaskedLM"
    return "AutoModelForSequenceClassification" if "Classification" in name else "AutoModel"
