"""What Tab offers after a slash."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatcli.sampling.orders import PRESETS as ORDERS
from chatcli.ui.commands.completion import path_words
from chatcli.ui.commands.presets import PRESETS
from chatcli.ui.commands.values import KEYS
from tests.ui.talking import Talk


def offered(talk: Talk, line: str) -> list[str]:
    """Whole lines that `line` may become."""
    return [line[: one.start] + one.text for one in talk.repl.complete(line)]


@pytest.mark.parametrize(
    ("line", "whole"),
    [
        ("/und", ["/undo"]),
        ("/sw", ["/switch "]),
        ("/set temp", ["/set temperature "]),
        ("/set order ll", ["/set order llamacpp"]),
        ("/set order ", [*ORDERS, "none", "default"]),
        ("/set overflow d", ["/set overflow drop-oldest", "/set overflow default"]),
        ("/set seed n", ["/set seed none"]),
        ("/set  top_k d", ["/set  top_k default"]),
        ("/get presence", ["/get presence_penalty"]),
        ("/retry temp", ["/retry temperature="]),
        ("/retry seed=5 order=m", ["/retry seed=5 order=mlx"]),
        ("/regen temp", ["/regen temperature="]),
        ("/preset ", list(PRESETS)),
        ("/prompt trans", ["/prompt translate"]),
        (
            "/prompt assistant lang",
            ["/prompt assistant language" + one for one in ("=", "=en", "=zh")],
        ),
        ("/prompt assistant language=z", ["/prompt assistant language=zh"]),
        ("/probs o", ["/probs on", "/probs off"]),
        ("/help bran", ["/help branch", "/help branches"]),
        ("/model b", ["/model builtin"]),
        ("/nothing x", []),
        ("/undo x", []),
    ],
)
def test_names_keys_and_values_are_offered(line: str, whole: list[str]) -> None:
    expected = [one if one.startswith("/") else line + one for one in whole]
    assert offered(Talk(), line) == expected


def test_every_setting_is_offered() -> None:
    assert offered(Talk(), "/set ") == [f"/set {key} " for key in KEYS]


def test_the_present_value_is_offered_once() -> None:
    talk = Talk()
    talk.say("/set top_k 7")
    assert offered(talk, "/set top_k ") == ["/set top_k default", "/set top_k 7"]


def test_branches_turns_and_conversations_are_offered_with_what_they_are() -> None:
    talk = Talk("one", "two")
    talk.say("第一", "/rename 山", "/branch b", "second", "/switch main")
    kept = talk.kept.id
    about = {
        one.text: one.description
        for line in ("/switch ", "/edit ", "/open ")
        for one in talk.repl.complete(line)
    }
    assert about == {"b": "second → two", "1": "第一", "山": "第一", kept: "第一"}


def test_files_are_offered_by_their_path(tmp_path: Path) -> None:
    (tmp_path / "chat one.md").touch()
    (tmp_path / "charts").mkdir()
    (tmp_path / ".hidden").touch()
    talk = Talk()
    found = offered(talk, f"/export {tmp_path}/cha")
    assert found == [f"/export {tmp_path}/charts/", f"/export {tmp_path}/chat one.md"]
    assert list(path_words(f"{tmp_path}/.h")) == [f"{tmp_path}/.hidden"]
    assert list(path_words("/no/such/folder/x")) == []


def test_a_tilde_stays_a_tilde(clean_environment: Path) -> None:
    (clean_environment / "notes.md").touch()
    assert list(path_words("~/not")) == ["~/notes.md"]


def test_a_model_is_a_folder_or_a_file_of_weights(tmp_path: Path) -> None:
    for name in ("a.gguf", "a.txt", "a.safetensors"):
        (tmp_path / name).touch()
    (tmp_path / "afolder").mkdir()
    found = offered(Talk(), f"/model {tmp_path}/a")
    assert found == [f"/model {tmp_path}/{one}" for one in ("a.safetensors", "afolder/")]
