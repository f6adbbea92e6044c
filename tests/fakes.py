"""The two fixtures that everything is tested on.

`ScriptedModel` is a LanguageModel whose logits are scripted, over bytes as tokens; it
keeps every id it was fed. `tiny_checkpoint` writes a random two-layer Llama with a real
byte-level BPE tokenizer to disk, without transformers.
"""

from __future__ import annotations

import codecs
import json
import re
import zlib
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor

from chatcli.errors import ContextError
from chatcli.model.types import Checkpoint, KVCache
from chatcli.text.types import Message

__all__ = [
    "ASSISTANT",
    "BOS",
    "CHATML",
    "END",
    "EOS",
    "SYSTEM",
    "USER",
    "ByteDetokenizer",
    "ByteTokenizer",
    "ScriptedCache",
    "ScriptedModel",
    "tiny_checkpoint",
    "tiny_config",
]

BOS, EOS, SYSTEM, USER, ASSISTANT, END = range(256, 262)
SPELLINGS = {
    BOS: "<bos>",
    EOS: "<eos>",
    SYSTEM: "<system>",
    USER: "<user>",
    ASSISTANT: "<assistant>",
    END: "<end>",
}
CONTROL = {spelling: token for token, spelling in SPELLINGS.items()}

Script = Callable[[Sequence[int]], "Sequence[float] | Tensor"]


class ByteDetokenizer:
    """Bytes in, whole characters out; control tokens are left out of the text."""

    def __init__(self, context: Sequence[int] = ()) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        for token in context:
            self.add(token)

    def add(self, token: int) -> str:
        if token >= 256:
            return self.finish()
        return self._decoder.decode(bytes([token]))

    def finish(self) -> str:
        return self._decoder.decode(b"", final=True)


class ByteTokenizer:
    """Ids 0 to 255 are bytes, the six after them control tokens."""

    vocab_size = 256 + len(SPELLINGS)
    eos_ids = frozenset({EOS, END})
    fallback_stop: tuple[str, ...] = ()
    chat_template: str | None = (
        "<bos>{% for m in messages %}<{{ m.role }}>{{ m.content }}<end>{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}"
    )

    def encode(self, text: str, *, bos: bool = False, special: bool = False) -> list[int]:
        head = [BOS] if bos else []
        if not special:
            return head + list(text.encode())
        pieces = re.split(f"({'|'.join(CONTROL)})", text)
        return head + [token for piece in pieces for token in self._piece(piece)]

    @staticmethod
    def _piece(piece: str) -> list[int]:
        return [CONTROL[piece]] if piece in CONTROL else list(piece.encode())

    def decode(self, ids: Sequence[int], *, special: bool = True) -> str:
        kept = (token for token in ids if special or not self.is_special(token))
        return b"".join(self.token_bytes(token) for token in kept).decode(errors="replace")

    def unreadable(self, text: str, *, special: bool = False) -> str:
        return ""  # every text is bytes

    def token_bytes(self, token: int) -> bytes:
        return SPELLINGS[token].encode() if self.is_special(token) else bytes([token])

    def is_special(self, token: int) -> bool:
        return token in SPELLINGS

    def detokenizer(self, context: Sequence[int] = ()) -> ByteDetokenizer:
        return ByteDetokenizer(context)

    def encode_chat(
        self,
        messages: Sequence[Message],
        *,
        add_generation_prompt: bool = True,
        prefill: str = "",
        date: datetime | None = None,
    ) -> list[int]:
        ids = [BOS]
        for message in messages:
            ids += [CONTROL[f"<{message.role}>"], *message.content.encode(), END]
        return ids + ([ASSISTANT, *prefill.encode()] if add_generation_prompt else [])


class ScriptedCache:
    """A KVCache that holds ids and nothing else."""

    def __init__(self) -> None:
        self.tokens: list[int] = []

    def reuse(self, ids: Sequence[int]) -> list[int]:
        if not ids:
            raise ValueError("no ids to feed")
        shared = 0
        while shared < min(len(self.tokens), len(ids) - 1) and self.tokens[shared] == ids[shared]:
            shared += 1
        self.crop(shared)
        return list(ids[shared:])

    def crop(self, length: int) -> None:
        if not 0 <= length <= len(self.tokens):
            raise ValueError(f"can't crop {len(self.tokens)} tokens to {length}")
        del self.tokens[length:]


class ScriptedModel:
    """A LanguageModel that says what it is told, or gives the logits that a function gives.

    `script` is one of
    - a text: after any ids that end in the first k bytes of it comes byte k (k as large as
      can be), and EOS after the last; so a prefill that begins the text is continued;
    - a list of texts, one for each assistant turn of a conversation, the last one for more;
    - a function from all tokens so far to logits; a short row is padded with -inf.
    `peak` is the logit of the byte to be said; `noise` the standard deviation of the other
    logits, a fixed function of the tokens so far. `fed` lists the ids of each forward.
    """

    def __init__(
        self,
        script: str | Sequence[str] | Script,
        *,
        peak: float = 20.0,
        noise: float = 0.0,
        context_length: int = 2048,
    ) -> None:
        self.script = script
        self.peak = peak
        self.noise = noise
        self.fed: list[list[int]] = []
        self.tokenizer = ByteTokenizer()
        self.checkpoint = Checkpoint(
            name="scripted",
            path=None,
            architecture="Scripted",
            engine="scripted",
            n_layer=1,
            n_head=1,
            d_model=1,
            vocab_size=self.tokenizer.vocab_size,
            context_length=context_length,
            parameters=0,
            dtype="float32",
            device="cpu",
            digest="0" * 64,
        )

    def new_cache(self) -> ScriptedCache:
        return ScriptedCache()

    def forward(self, ids: Sequence[int], cache: KVCache, *, last: bool = False) -> Tensor:
        assert isinstance(cache, ScriptedCache), "a cache of another model"
        assert ids, "nothing to feed"
        held, limit = len(cache.tokens), self.checkpoint.context_length
        if held + len(ids) > limit:
            raise ContextError(f"{held} + {len(ids)} tokens are more than the context of {limit}")
        self.fed.append(list(ids))
        cache.tokens.extend(ids)
        ends = range(held + 1, len(cache.tokens) + 1)
        return torch.stack([self._row(cache.tokens[:end]) for end in (ends[-1:] if last else ends)])

    def _row(self, tokens: list[int]) -> Tensor:
        """Logits [V] after `tokens`."""
        if callable(self.script):
            given = torch.as_tensor(self.script(tokens), dtype=torch.float32)
            row = torch.full((self.checkpoint.vocab_size,), -torch.inf)
            row[: len(given)] = given
            return row
        generator = torch.Generator().manual_seed(zlib.crc32(str(tokens).encode()))
        row = self.noise * torch.randn(self.checkpoint.vocab_size, generator=generator)
        row[self._next(tokens)] = self.peak
        return row

    def _next(self, tokens: list[int]) -> int:
        said = self._text(tokens).encode()
        for length in range(min(len(said), len(tokens)), -1, -1):
            if tokens[len(tokens) - length :] == list(said[:length]):
                break
        return said[length] if length < len(said) else EOS

    def _text(self, tokens: list[int]) -> str:
        if isinstance(self.script, str):
            return self.script
        assert not callable(self.script)
        turn = max(tokens.count(ASSISTANT) - 1, 0)
        return self.script[min(turn, len(self.script) - 1)]


CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
SAMPLE = [
    "the highest mountain in the world is in the north",
    "世界上最高的山是珠穆朗玛峰，山高",
] * 8


def tiny_tokenizer() -> Tokenizer:
    """A byte-level BPE of about 300 tokens that knows the three control tokens of ChatML."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=[AddedToken(text, special=True) for text in SPECIALS],
    )
    tokenizer.train_from_iterator(SAMPLE, trainer)
    return tokenizer


def tiny_config(**overrides: Any) -> dict[str, Any]:
    """config.json of a two-layer Llama, d_model 32, as transformers 5 writes it."""
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "hidden_act": "silu",
        "max_position_embeddings": 128,
        "rms_norm_eps": 1e-5,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
        "tie_word_embeddings": False,
        "attention_bias": False,
        "mlp_bias": False,
        "vocab_size": 300,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "dtype": "float32",
    }
    return config | overrides


def tiny_weights(config: dict[str, Any], seed: int = 0) -> dict[str, Tensor]:
    """Random weights for `config` under transformers' names; norms lie around 1."""
    d, vocab, inner = config["hidden_size"], config["vocab_size"], config["intermediate_size"]
    queries = config["num_attention_heads"] * config["head_dim"]
    keys = config["num_key_value_heads"] * config["head_dim"]
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (vocab, d)}
    for layer in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{layer}"
        shapes |= {
            f"{prefix}.input_layernorm.weight": (d,),
            f"{prefix}.self_attn.q_proj.weight": (queries, d),
            f"{prefix}.self_attn.k_proj.weight": (keys, d),
            f"{prefix}.self_attn.v_proj.weight": (keys, d),
            f"{prefix}.self_attn.o_proj.weight": (d, queries),
            f"{prefix}.post_attention_layernorm.weight": (d,),
            f"{prefix}.mlp.gate_proj.weight": (inner, d),
            f"{prefix}.mlp.up_proj.weight": (inner, d),
            f"{prefix}.mlp.down_proj.weight": (d, inner),
        }
    shapes["model.norm.weight"] = (d,)
    if not config["tie_word_embeddings"]:
        shapes["lm_head.weight"] = (vocab, d)
    generator = torch.Generator().manual_seed(seed)
    dtype = getattr(torch, config["dtype"])
    return {
        name: (torch.randn(shape, generator=generator) * 0.2 + (len(shape) == 1)).to(dtype)
        for name, shape in shapes.items()
    }


def tiny_checkpoint(folder: Path, *, seed: int = 0, **config_overrides: Any) -> Path:
    """Write a random two-layer Llama with its tokenizer and chat template; return `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = tiny_tokenizer()
    config = tiny_config(**{"vocab_size": tokenizer.get_vocab_size()} | config_overrides)
    documents = {
        "config.json": config,
        "generation_config.json": {
            "bos_token_id": 0,
            "eos_token_id": [0, 2],
            "do_sample": True,
            "temperature": 0.7,
            "top_p": 0.9,
        },
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": "<|im_end|>",
            "chat_template": CHATML,
        },
    }
    for name, document in documents.items():
        (folder / name).write_text(json.dumps(document, ensure_ascii=False, indent=2))
    tokenizer.save(str(folder / "tokenizer.json"))
    save_file(tiny_weights(config, seed), folder / "model.safetensors", metadata={"format": "pt"})
    return folder
