"""Every form in which a checkpoint brings its tokenizer, and every way it can be broken."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from chatcli.errors import TokenizerError
from chatcli.text import sentencepiece
from chatcli.text.pieces import ALPHABET
from chatcli.text.tokenizer import load_tokenizer
from chatcli.text.tokenizer_files import read_settings
from tests.shared import shared_path
from tests.text.toys import byte_level, save


def vocab_and_merges(folder: Path, merges: str, *extra: str, **files: Any) -> Path:
    pieces = [*ALPHABET, "th", "##", "#version", "12", *extra]
    vocab = {piece: number for number, piece in enumerate(pieces)}
    save(folder, vocab=vocab, **files)
    (folder / "merges.txt").write_text(merges, encoding="utf-8")
    return folder


def test_a_merge_of_hashes_is_a_merge_and_only_a_first_version_line_is_not(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(vocab_and_merges(tmp_path, "#version: 0.2\nt h\r\n# #\n\n"))
    assert len(tokenizer.encode("th")) == 1
    assert len(tokenizer.encode("##")) == 1
    bare = load_tokenizer(vocab_and_merges(tmp_path / "bare", "# #\nt h"))
    assert len(bare.encode("##")) == 1


def test_gpt2s_end_of_text_is_known_without_any_settings(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(vocab_and_merges(tmp_path, "t h", "<|endoftext|>"))
    (end,) = tokenizer.encode("<|endoftext|>", special=True)
    assert tokenizer.eos_ids == {end}
    assert end not in tokenizer.encode("<|endoftext|>")


@pytest.mark.parametrize(
    "files",
    [
        {"tokenizer_config": {"tokenizer_class": "Qwen2Tokenizer"}},
        {"config": {"model_type": "qwen3"}},
    ],
)
def test_qwen2s_words_are_cut_its_own_way(tmp_path: Path, files: dict[str, Any]) -> None:
    qwen2 = load_tokenizer(vocab_and_merges(tmp_path / "qwen", "1 2", **files))
    gpt2 = load_tokenizer(vocab_and_merges(tmp_path / "gpt", "1 2"))
    assert (len(qwen2.encode("12")), len(gpt2.encode("12"))) == (2, 1)
    assert qwen2.encode("e\u0301") == qwen2.encode("é")  # NFC


def test_declared_tokens_get_their_own_ids_and_no_others(tmp_path: Path) -> None:
    base = len(ALPHABET) + 4
    declared = {
        str(base): {"content": "<|im_end|>", "special": True},
        str(base + 1): {"content": "<think>", "special": False},
        str(base + 9): {"content": "<lost>", "special": True},
    }
    config = {"added_tokens_decoder": declared, "eos_token": "<|im_end|>", "pad_token": "<none>"}
    folder = vocab_and_merges(tmp_path, "t h", tokenizer_config=config)
    save(folder, added_tokens={"<tool>": base + 2})
    tokenizer = load_tokenizer(folder)
    assert tokenizer.encode("<|im_end|><think><tool>", special=True) == [base, base + 1, base + 2]
    assert [tokenizer.is_special(base + at) for at in range(3)] == [True, False, False]
    assert tokenizer.vocab_size == base + 3


def test_settings_come_from_all_files_and_the_main_one_wins(tmp_path: Path) -> None:
    save(
        tmp_path,
        special_tokens_map={"bos_token": {"content": "<s>"}, "eos_token": "<old>"},
        tokenizer_config={
            "bos_token": None,
            "eos_token": "</s>",
            "add_bos_token": None,
            "additional_special_tokens": ["<a>", {"content": "<b>"}],
            "extra_special_tokens": {"image": "<img>"},
        },
    )
    settings = read_settings(tmp_path)
    assert settings.named == {"bos_token": "<s>", "eos_token": "</s>"}
    assert settings.additional == ("<a>", "<b>", "<img>")
    assert settings.add_bos is None


def test_a_chat_template_is_found_wherever_it_lies(tmp_path: Path) -> None:
    several = [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "list"}]
    save(tmp_path, tokenizer_config={"chat_template": several})
    assert read_settings(tmp_path).chat_template == "list"
    save(tmp_path, chat_template={"chat_template": "json"})
    assert read_settings(tmp_path).chat_template == "json"
    (tmp_path / "chat_template.jinja").write_text("file", encoding="utf-8")
    assert read_settings(tmp_path).chat_template == "file"


def test_a_folder_without_a_tokenizer_is_told_what_to_add(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match="has no tokenizer: put its") as caught:
        load_tokenizer(save(tmp_path, vocab={}))
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("tokenizer.json", b"{", "can't be read"),
        ("tokenizer.json", b'{"version": "1.0"}', "can't be read"),
        ("tokenizer.json", b"\xff\xfe", "can't be read"),
        ("tokenizer_config.json", b"{", "can't be read"),
        ("tokenizer_config.json", b"[1]", "holds list, not a JSON object"),
        ("tokenizer_config.json", b"[" * 100_000, "can't be read"),
        ("special_tokens_map.json", b"\xff", "can't be read"),
    ],
)
def test_a_broken_file_is_named_in_one_line(
    tmp_path: Path, name: str, data: bytes, message: str
) -> None:
    save(tmp_path, byte_level("<s>"))
    (tmp_path / name).write_bytes(data)
    with pytest.raises(TokenizerError, match=message) as caught:
        load_tokenizer(tmp_path)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_of_the_wrong_shape_are_left_out(tmp_path: Path) -> None:
    config = {
        "added_tokens_decoder": ["x"],
        "additional_special_tokens": "x",
        "eos_token": 3,
        "chat_template": ["x"],
        "add_bos_token": "yes",
    }
    tokenizer = load_tokenizer(save(tmp_path, byte_level("<s>"), tokenizer_config=config))
    assert (tokenizer.eos_ids, tokenizer.chat_template) == (frozenset(), None)


def test_a_merges_line_that_is_no_pair_is_named(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match=r"merges\.txt: 't h e' is no merge"):
        load_tokenizer(vocab_and_merges(tmp_path, "t h e"))


def test_merges_that_do_not_fit_the_vocabulary_are_named(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match=r"merges\.txt can't be read"):
        load_tokenizer(vocab_and_merges(tmp_path, "x y"))


@pytest.mark.filterwarnings("ignore:builtin type .* has no __module__:DeprecationWarning")
def test_a_sentencepiece_file_is_converted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sentencepiece")
    source = shared_path("checkpoints", "stories260k")
    shutil.copy(source / "tokenizer.model", tmp_path)
    oracle, converted = load_tokenizer(source), load_tokenizer(tmp_path)
    monkeypatch.setattr(sentencepiece, "_convert", None)
    kept = load_tokenizer(tmp_path)
    for text in ("Once upon a time", "  two  spaces ", "你好\n", "<s>x</s>", "", "▁x"):
        for bos in (True, False):
            expected = oracle.encode(text, bos=bos)
            assert converted.encode(text, bos=bos) == kept.encode(text, bos=bos) == expected
    assert converted.eos_ids == kept.eos_ids == {2}


def test_a_sentencepiece_file_without_its_package_names_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tokenizer.model").write_bytes(b"pieces")
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(TokenizerError, match=r"pip install 'chatcli\[sentencepiece\]'"):
        load_tokenizer(tmp_path)


def test_a_cache_that_was_cut_short_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = byte_level("<s>")
    monkeypatch.setattr(sentencepiece, "_convert", lambda file, legacy: backend)
    (tmp_path / "tokenizer.model").write_bytes(b"pieces")
    sentencepiece.converted_tokenizer(tmp_path / "tokenizer.model")
    (cached,) = Path.home().rglob("tokenizers/*.json")
    cached.write_text("{", encoding="utf-8")
    again = sentencepiece.converted_tokenizer(tmp_path / "tokenizer.model")
    assert again.to_str() == backend.to_str() == cached.read_text(encoding="utf-8")


def test_a_cache_that_cannot_be_written_costs_only_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sentencepiece, "_convert", lambda file, legacy: byte_level("<s>"))
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path / "file"))
    (tmp_path / "tokenizer.model").write_bytes(b"pieces")
    assert sentencepiece.converted_tokenizer(tmp_path / "tokenizer.model").token_to_id("<s>")
