"""The tokenizer of a new checkpoint: byte-level BPE, bilingual, every digit on its own.

It is written as `tokenizer.json` and `tokenizer_config.json`, which carry the control
tokens and the chat template, so that training and chat render through the same file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from chatcli.errors import TrainingError

__all__ = [
    "CHAT_TEMPLATE",
    "END_OF_TEXT",
    "END_OF_TURN",
    "ROLES",
    "TOKENIZER_FILES",
    "control_id",
    "read_vocabulary",
    "train_vocabulary",
]

END_OF_TEXT = "<|endoftext|>"  # before every document and conversation
END_OF_TURN = "<|end|>"
MAX_TOKEN_BYTES = 16  # five Chinese characters: longer tokens are whole phrases, seen too rarely
ROLES = ("system", "user", "assistant")
CONTROLS = (END_OF_TEXT, END_OF_TURN, *(f"<|{role}|>" for role in ROLES))
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")

# One control token opens a turn and one closes it: a small model has no tokens to spare.
CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{% if message.role not in ['system', 'user', 'assistant'] %}"
    "{{ raise_exception('unknown role ' + message.role) }}"
    "{% endif %}"
    "{{ '<|' + message.role + '|>' + message.content + '<|end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)

# Words keep one space before them and lose their case to nobody; digits stand alone, so
# that sums have a chance; Chinese runs are cut at punctuation; newlines are their own.
SPLIT = r"\p{N}| ?\p{L}+|\n+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def control_id(tokenizer: Tokenizer, token: str) -> int:
    """The id of a control token. Raises TrainingError where the tokenizer has none."""
    number = tokenizer.token_to_id(token)
    if number is None:
        raise TrainingError(
            f"the tokenizer has no token {token}: pretraining takes those that `chatcli train "
            "tokenizer` makes, and models that have one; `chatcli train sft` takes any model"
        )
    return number


def read_vocabulary(folder: Path) -> Tokenizer:
    """The tokenizer that `train_vocabulary` wrote. Raises TrainingError for any other."""
    for name in TOKENIZER_FILES:
        if not (folder / name).is_file():
            raise TrainingError(
                f"{folder} has no {name}; make a tokenizer with `chatcli train tokenizer`"
            )
    path = folder / "tokenizer.json"
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises nothing more precise
        raise TrainingError(f"{path} holds no tokenizer ({error}); make it again") from error
    for token in CONTROLS:
        control_id(tokenizer, token)
    return tokenizer


def train_vocabulary(texts: Iterable[str], vocab_size: int, folder: Path) -> Tokenizer:
    """Train on `texts`, write the two files into `folder` and return the tokenizer.

    Raises TrainingError where the texts can't give that many tokens.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(CONTROLS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        max_token_length=MAX_TOKEN_BYTES,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    if tokenizer.get_vocab_size() < vocab_size:
        raise TrainingError(
            f"vocab_size {vocab_size} is more than the text can give "
            f"({tokenizer.get_vocab_size()}); lower it, or add text"
        )
    bos = control_id(tokenizer, END_OF_TEXT)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{END_OF_TEXT} $A", special_tokens=[(END_OF_TEXT, bos)]
    )
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": END_OF_TEXT,
        "eos_token": END_OF_TURN,
        "pad_token": END_OF_TEXT,
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }
    text = json.dumps(config, ensure_ascii=False, indent=2)
    (folder / "tokenizer_config.json").write_text(text + "\n", encoding="utf-8")
    return tokenizer
