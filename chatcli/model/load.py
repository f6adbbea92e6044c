"""From a name to a LanguageModel: the one entrance that commands and programs use.

Finds the folder, chooses engine, device and dtype, checks the memory and reads the
tokenizer; reading the weights is left to the engine chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from chatcli.model.device import Demand, check_memory, pick_device, pick_dtype
from chatcli.model.files import read_config
from chatcli.model.generation import eos_ids_from_files
from chatcli.model.resolve import BUILTIN, resolve
from chatcli.model.sizes import ModelSizes, read_weight_sizes
from chatcli.model.support import choose_engine
from chatcli.model.types import LanguageModel
from chatcli.text.tokenizer import load_tokenizer

__all__ = ["load"]

# The cache grows as a text does, so a long context that nobody asked for is no demand.
CONTEXT_UNASKED = 2048


def load(
    name: str | Path = BUILTIN,
    *,
    device: str = "auto",
    dtype: str = "auto",
    engine: str = "auto",
    context: int | None = None,
    notice: Callable[[str], None] | None = None,
) -> LanguageModel:
    """Load the checkpoint that `name` stands for: "builtin", a folder, a file, a hub name.

    `context` is the most tokens to hold, at most the checkpoint's own; `notice` receives
    one-line remarks that are no errors. Raises CheckpointError, UnsupportedError,
    WeightsError, TokenizerError, DeviceError or UsageError, each with one line.
    """
    location = resolve(name)
    folder, config = location.folder, read_config(location.folder)
    chosen = choose_engine(location, config, engine)
    place = pick_device(device)
    weights, sizes = read_weight_sizes(folder, config), ModelSizes.from_json(config)
    sizes.check(location.name, weights)
    precision = pick_dtype(dtype, weights.stored, place, weights.parameters)
    held = min(context or CONTEXT_UNASKED, sizes.context_length or CONTEXT_UNASKED)
    demand = Demand(weights.parameters, sizes.kv_per_token or 0, held)
    check_memory(location.name, demand, precision, place)
    tokenizer = load_tokenizer(folder, extra_eos=eos_ids_from_files(folder, config))
    say = notice or (lambda line: None)
    if sizes.vocab_size and tokenizer.vocab_size > sizes.vocab_size:
        say(
            f"{location.name}: the tokenizer has {tokenizer.vocab_size:,} tokens, the model only "
            f"{sizes.vocab_size:,}: a text that needs the others is refused"
        )
    if chosen == "native":
        from chatcli.model.native.model import load_native

        return load_native(
            folder,
            device=place,
            dtype=precision,
            context=context,
            tokenizer=tokenizer,
            name=location.name,
        )
    from chatcli.model.transformers import load_adapter

    return load_adapter(
        folder,
        device=place,
        dtype=precision,
        context=context,
        tokenizer=tokenizer,
        name=location.name,
        notice=say,
    )
