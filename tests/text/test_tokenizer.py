"""Text to ids and back, on real tokenizers and on small ones."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)

from chatcli.text.tokenizer import CheckpointTokenizer, load_tokenizer
from tests.shared import shared_path
from tests.text.toys import byte_level, save, sentencepiece_like

TEXTS = [
    "Once upon a time, in a land",
    "世界上最高的山是珠穆朗玛峰。",
    "👨‍👩‍👧‍👦 👍🏽 🇯🇵 e\u0301a\u0308 \U00020bb7",
    "a\tb\r\nc\n\n\n  d",
    "नमस्ते दुनिया สวัสดี שלום",
    "don't 12345 #include <x> ## \ufffd \ufdd0",
    " leading and trailing ",
    "<|im_end|><s></s><unk>",
    "",
]
SHARED = ("tok-qwen2", "tok-gpt2", "stories260k")


@pytest.fixture(scope="module", params=SHARED)
def real(request: pytest.FixtureRequest) -> CheckpointTokenizer:
    return shared_tokenizer(request.param)


@cache
def shared_tokenizer(name: str) -> CheckpointTokenizer:
    return load_tokenizer(shared_path("checkpoints", name))


def streamed(tokenizer: CheckpointTokenizer, ids: list[int], context: int = 0) -> str:
    stream = tokenizer.detokenizer(ids[:context])
    return "".join(stream.add(token) for token in ids[context:]) + stream.finish()


@pytest.mark.parametrize("text", TEXTS)
def test_streamed_text_is_the_decoded_text(real: CheckpointTokenizer, text: str) -> None:
    ids = real.encode(text)
    whole = real.backend.decode(ids, skip_special_tokens=False)
    assert real.decode(ids) == streamed(real, ids) == whole


@pytest.mark.parametrize("text", TEXTS)
def test_streamed_text_continues_its_context(real: CheckpointTokenizer, text: str) -> None:
    ids = real.encode(f"a {text}")
    for context in range(1, len(ids)):
        before = b"".join(map(real.token_bytes, ids[:context]))
        if before.decode("utf-8", "ignore").encode() == before:  # no character is open here
            assert real.decode(ids[:context]) + streamed(real, ids, context) == real.decode(ids)


def test_token_bytes_join_to_the_text(real: CheckpointTokenizer) -> None:
    for text in TEXTS[1:6]:
        joined = b"".join(map(real.token_bytes, real.encode(text)))
        assert joined.decode().lstrip(" ") == real.decode(real.encode(text))


def test_an_id_outside_the_vocabulary_is_no_text(real: CheckpointTokenizer) -> None:
    for token in (-1, real.vocab_size, 2**40):
        assert real.token_bytes(token) == b""
        assert real.decode([token]) == ""


def test_shared_tokenizers_end_and_begin_as_their_files_say() -> None:
    qwen2, gpt2, stories = map(shared_tokenizer, SHARED)
    ends = [sorted(tokenizer.eos_ids) for tokenizer in (qwen2, gpt2, stories)]
    assert ends == [[151645], [50256], [2]]
    assert stories.encode("Once", bos=True) == [1, *stories.encode("Once")]
    assert qwen2.encode("Once", bos=True) == qwen2.encode("Once")
    assert gpt2.encode("Hello world") == [15496, 995]
    assert gpt2.encode("## a") == [2235, 257]
    assert (qwen2.vocab_size, gpt2.vocab_size, stories.vocab_size) == (151646, 50257, 512)


def toy(folder: Path, backend: Tokenizer | None = None, **config: Any) -> CheckpointTokenizer:
    backend = backend or byte_level("<s>", "</s>", "<|im_end|>")
    return load_tokenizer(save(folder, backend, tokenizer_config=config))


def test_control_tokens_in_a_text_are_text_unless_asked_for(tmp_path: Path) -> None:
    tokenizer = toy(tmp_path)
    plain, control = tokenizer.encode("a</s>"), tokenizer.encode("a</s>", special=True)
    assert tokenizer.decode(plain) == tokenizer.decode(control) == "a</s>"
    assert (len(plain), len(control)) == (5, 2)
    assert [tokenizer.is_special(token) for token in control] == [False, True]
    assert tokenizer.decode(control, special=False) == streamed(tokenizer, control) == "a"
    assert tokenizer.encode("a</s>") == plain


@pytest.mark.parametrize(
    ("token", "template", "plain"),
    [
        ("<|fim_prefix|>", None, True),
        ("<think>", "{{ '<think>' }}", True),
        ("[INST]", "[INST]{{ messages }}", True),
        ("<think>", None, False),
        ("<b>", "{{ messages }}", False),
        ("    ", "    {{ messages }}", False),
        ("õ", None, False),
    ],
)
def test_unflagged_tokens_steer_where_the_template_writes_them(
    tmp_path: Path, token: str, template: str | None, plain: bool
) -> None:
    backend = byte_level(added=(AddedToken(token, normalized=False),))
    tokenizer = toy(tmp_path, backend, chat_template=template)
    (number,) = tokenizer.encode(token, special=True)
    assert (number not in tokenizer.encode(token)) is plain
    assert not tokenizer.is_special(number)
    assert streamed(tokenizer, [number]) == token


def with_bos(token: str, number: int) -> Tokenizer:
    backend = byte_level("<s>", "</s>")
    backend.post_processor = processors.TemplateProcessing(
        single=f"{token} $A </s>", special_tokens=[(token, number), ("</s>", number + 1)]
    )
    return backend


@pytest.mark.parametrize(
    ("processor", "config", "expected"),
    [
        (False, {}, False),
        (True, {}, True),
        (True, {"add_bos_token": True, "bos_token": "<s>"}, True),
        (True, {"add_bos_token": False, "bos_token": "<s>"}, False),
        (False, {"add_bos_token": True, "bos_token": {"content": "<s>"}}, True),
        (False, {"add_bos_token": True}, False),
    ],
)
def test_a_text_begins_as_the_checkpoint_says(
    tmp_path: Path, processor: bool, config: dict[str, Any], expected: bool
) -> None:
    number = byte_level("<s>").token_to_id("<s>")
    assert number is not None
    tokenizer = toy(tmp_path, with_bos("<s>", number) if processor else None, **config)
    ids = tokenizer.encode("the", bos=True)
    assert ids == ([number] if expected else []) + tokenizer.encode("the")
    assert tokenizer.encode("<s>the", bos=True, special=True).count(number) == 1


def test_every_source_of_an_end_counts(tmp_path: Path) -> None:
    folder = save(tmp_path, byte_level("<s>", "</s>"), tokenizer_config={"eos_token": "</s>"})
    end = byte_level("<s>", "</s>").token_to_id("</s>")
    assert load_tokenizer(folder, extra_eos=[3, -1]).eos_ids == {end, 3}


def test_a_lone_surrogate_becomes_a_replacement_character(tmp_path: Path) -> None:
    tokenizer = toy(tmp_path)
    assert tokenizer.decode(tokenizer.encode("a\ud800b😀")) == "a\ufffdb😀"


def test_truncation_and_padding_saved_with_a_tokenizer_are_off(tmp_path: Path) -> None:
    backend = byte_level("<pad>")
    backend.enable_truncation(4)
    backend.enable_padding(length=8)
    assert len(toy(tmp_path, backend).encode("abcdef")) == 6


def test_the_leading_space_of_sentencepiece_belongs_to_the_start_only(tmp_path: Path) -> None:
    tokenizer = toy(tmp_path, sentencepiece_like("first"))
    ids = tokenizer.encode("ab c 峰")
    assert tokenizer.decode(ids) == streamed(tokenizer, ids) == "ab c 峰"
    assert tokenizer.token_bytes(ids[0]) == b" "
    assert streamed(tokenizer, [1, *ids], context=1) == "ab c 峰"
    assert streamed(tokenizer, [*ids, *ids], context=len(ids)) == " ab c 峰"
    assert tokenizer.decode([1, *ids]) == "<s> ab c 峰"


@pytest.mark.parametrize(
    ("decoder", "pieces", "text"),
    [
        (decoders.WordPiece(), ["un", "##happy", "cat"], "unhappy cat"),
        (decoders.Metaspace(), ["▁a", "▁b", "c"], "a bc"),
        (decoders.Metaspace(prepend_scheme="never"), ["▁a", "▁b"], " a b"),
        (decoders.Fuse(), ["A", "B"], "AB"),
        (None, ["A", "B"], "A B"),
    ],
)
def test_other_decoders_give_their_own_text(
    tmp_path: Path, decoder: Any, pieces: list[str], text: str
) -> None:
    vocab = {piece: number for number, piece in enumerate(pieces)}
    backend = Tokenizer(models.WordLevel(vocab, unk_token=pieces[0]))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    if decoder is not None:
        backend.decoder = decoder
    tokenizer, ids = toy(tmp_path, backend), list(vocab.values())
    assert tokenizer.decode(ids) == streamed(tokenizer, ids) == text == backend.decode(ids)


@pytest.mark.parametrize("text", [*TEXTS, " x ", "a\ud800", "▁", "\n", "ﬁ Ａ e\u0301"])
def test_byte_tokenizers_read_every_character(real: CheckpointTokenizer, text: str) -> None:
    assert real.unreadable(text) == real.unreadable(text, special=True) == ""


def word_level(unknown: str) -> Tokenizer:
    """A token for each of A, B and space, and `unknown` for all else."""
    vocab = {piece: number for number, piece in enumerate(dict.fromkeys([unknown, *"AB "]))}
    backend = Tokenizer(models.WordLevel(vocab=vocab, unk_token=unknown))
    backend.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    backend.decoder = decoders.Fuse()
    return backend


@pytest.mark.parametrize("unknown", ["A", "<unk>"])
@pytest.mark.parametrize(
    ("text", "lost"),
    [("AB", ""), ("A B", ""), ("hello", "helo"), ("世AB\n世", "世\n"), ("unk", "unk")],
)
def test_what_becomes_the_unknown_token_is_unreadable(
    tmp_path: Path, unknown: str, text: str, lost: str
) -> None:
    tokenizer = load_tokenizer(save(tmp_path, word_level(unknown)))
    assert tokenizer.unreadable(text) == lost


def test_a_control_token_that_is_asked_for_is_readable(tmp_path: Path) -> None:
    backend = sentencepiece_like("never")
    tokenizer = load_tokenizer(save(tmp_path, backend))
    assert tokenizer.unreadable("a <unk> b </s>", special=True) == ""


def test_what_a_vocabulary_drops_is_unreadable(tmp_path: Path) -> None:
    backend = Tokenizer(models.BPE(vocab={"a": 0, "b": 1}, merges=[]))
    backend.decoder = decoders.Fuse()
    assert load_tokenizer(save(tmp_path, backend)).unreadable("a cab") == "c"


def test_normalised_characters_and_moved_spaces_are_readable(tmp_path: Path) -> None:
    vocab = {"[UNK]": 0, "fi": 1, "a": 2, "##b": 3}
    backend = Tokenizer(models.WordPiece(vocab=vocab, unk_token="[UNK]"))
    backend.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.decoder = decoders.WordPiece()
    tokenizer = load_tokenizer(save(tmp_path, backend))
    assert tokenizer.unreadable(" ﬁ\n Ａ\tAB ") == ""
    assert tokenizer.unreadable("ﬁ Ｚ") == "Ｚ"
    assert tokenizer.unreadable("ab ba ab") == "ba"


@pytest.mark.parametrize("scheme", ["always", "first", "never"])
def test_a_leading_space_is_readable(tmp_path: Path, scheme: str) -> None:
    tokenizer = load_tokenizer(save(tmp_path, sentencepiece_like(scheme)))
    assert [tokenizer.unreadable(text) for text in ("a", " a", "a b ", "世")] == [""] * 4
