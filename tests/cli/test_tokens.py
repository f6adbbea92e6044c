"""`chatcli tokens`: one tokenizer, several, chats, control tokens, and bad arguments."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.cells import cell_len

from chatcli.cli import main
from chatcli.folders import config_folder
from tests.cli.world import run
from tests.shared import shared_path
from tests.test_exports import loaded_after, run_main
from tests.ui.screen import Screen, screen_environment


@pytest.fixture
def alone(tiny: Path, tmp_path: Path) -> Path:
    """A folder with a tokenizer and no model."""
    folder = tmp_path / "tok"
    folder.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((tiny / name).read_bytes())
    return folder


def rows(text: str) -> list[list[str]]:
    """The cells of each line of a table."""
    return [line.split() for line in text.splitlines()]


def test_each_token_has_its_id_its_piece_and_its_bytes(tiny: Path) -> None:
    outcome = run("tokens", "a鑫", "-m", tiny)
    name, facts, _, heading, first, *_, last = outcome.out.splitlines()
    assert name == tiny.name and "2 characters · 4 bytes" in facts and "◆" in facts
    assert heading.split() == ["#", "id", "token", "bytes"]
    assert first.split()[2:] == ["a", "61"] and last.split()[2:] == ["⟨AB⟩", "→", "鑫", "AB"]


def test_a_folder_with_a_tokenizer_alone_will_do(tiny: Path, alone: Path) -> None:
    mine, theirs = (run("tokens", "hello", "-m", each, "--json").objects for each in (tiny, alone))
    assert mine[0]["pieces"] == theirs[0]["pieces"] and theirs[0]["model"] == "tok"


def test_several_tokenizers_stand_side_by_side(tiny: Path, alone: Path) -> None:
    outcome = run("tokens", "世界 is", "-m", "builtin", "-m", alone)
    lines = outcome.out.splitlines()
    assert lines[0] == "5 characters, 9 bytes"
    assert rows(outcome.out)[3][:3] == ["builtin", "8,192", "2"]
    (heading,) = [line for line in lines if line.startswith("text")]
    assert heading.split() == ["text", "id", "builtin", "id", "tok"]
    (row,) = [line for line in lines if line.startswith("世界")]
    assert row.split()[2] == "世界" and "⟨E4" in row


def test_the_same_tokenizer_twice_is_shown_once(tiny: Path) -> None:
    assert len(run("tokens", "a", "-m", tiny, "-m", tiny, "--json").objects) == 1


def test_chat_tells_the_templates_tokens(tiny: Path) -> None:
    (found,) = run("tokens", "hi", "--chat", "--system", "S", "-m", tiny, "--json").objects
    parts = [piece["part"] for piece in found["pieces"]]
    assert {"template", "system", "message"} == set(parts)
    assert found["tokens"] == parts.count("message")
    said = [piece["text"] for piece in found["pieces"] if piece["part"] == "message"]
    assert "".join(said) == "hi"
    assert "◆<|im_start|>" in run("tokens", "hi", "--chat", "-m", tiny).out


def test_templates_that_differ_have_a_table_each(tiny: Path) -> None:
    outcome = run("tokens", "hi", "--chat", "-m", tiny, "-m", "builtin")
    assert "they don't spell the same text" in outcome.out
    assert outcome.out.count("tokens/character") == 2


def test_control_tokens_count_only_where_asked(tiny: Path) -> None:
    plain, special = (
        run("tokens", "<|im_end|>", "-m", tiny, "--json", *flags).objects[0]["pieces"]
        for flags in ((), ("--special",))
    )
    assert not any(piece["special"] for piece in plain) and len(plain) > 1
    assert [piece["special"] for piece in special] == [True]
    assert bytes.fromhex(special[0]["bytes"]) == b"<|im_end|>"


def test_the_text_may_come_from_a_file_or_a_pipe(tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("世界\n", encoding="utf-8")
    asked = [
        run("tokens", "世界", "-m", tiny, "--json").out,
        run("tokens", "--file", path, "-m", tiny, "--json").out,
        run("tokens", "-", "-m", tiny, "--json", stdin="世界\n").out,
    ]
    assert asked[0] == asked[1] == asked[2]


def test_characters_that_the_vocabulary_lacks_are_named() -> None:
    folder = shared_path("checkpoints", "nano-sort-gpt")
    outcome = run("tokens", "A世", "-m", folder)
    if outcome.status == 0:
        assert "vocabulary has no" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((), "no TEXT to cut; give one, - to read it from stdin, or --file FILE"),
        (("a", "--file", "b"), "TEXT and --file b are both given; drop one"),
        (("--file", "/nowhere/x"), "can't read /nowhere/x: No such file or directory"),
        (("a", "-m", "nonesuch"), "there is no model 'nonesuch'"),
        (("a", "--system", "b"), "--system needs --chat"),
        (("a", "--chat", "--special"), "drop one"),
        ((" ", "--chat"), "TEXT is empty; --chat needs a message to render"),
        (("\udcff",), "TEXT isn't UTF-8"),
    ],
)
def test_what_cannot_be_cut_is_one_line(arguments: tuple[str, ...], error: str) -> None:
    outcome = run("tokens", *arguments)
    assert outcome.status in (1, 2) and error in outcome.only_error and not outcome.out


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bytes"
    path.write_bytes(b"ab\xff")
    assert "byte 0xFF at offset 2" in run("tokens", "--file", path).only_error


def test_the_config_file_may_name_one_model_or_several(tiny: Path, alone: Path) -> None:
    path = config_folder() / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'model = "{alone}"\n')
    assert run("tokens", "a", "--json").objects[0]["model"] == "tok"
    path.write_text(f'model = "{alone}"\n[tokens]\nmodel = ["builtin", "{tiny}"]\n')
    found = [each["model"] for each in run("tokens", "a", "--json").objects]
    assert found == ["builtin", tiny.name]
    assert run("tokens", "a", "-m", alone, "--json").objects[0]["model"] == "tok"


def test_the_environment_names_a_model(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATCLI_MODEL", str(alone))
    assert run("tokens", "a", "--json").objects[0]["model"] == "tok"


def test_no_weights_are_read_and_no_torch(alone: Path) -> None:
    loaded = loaded_after(run_main("tokens", "hello", "--json", "-m", str(alone)))
    assert "tokenizers" in loaded and not {"torch", "numpy", "transformers"} & loaded


@pytest.mark.parametrize("columns", [40, 60, 120])
def test_no_line_is_wider_than_the_screen(columns: int, tiny: Path, alone: Path) -> None:
    screen = Screen(columns, 200)
    arguments = ["tokens", "世界上最高的山 is\thigh", "-m", "builtin", "-m", str(alone)]
    assert main(arguments, screen_environment(screen)) == 0
    assert all(cell_len(line) <= columns for line in screen.text().splitlines())
    assert "世界上" in screen.text()


def test_what_a_terminal_acts_on_is_shown(tiny: Path) -> None:
    out = run("tokens", "\x1b[31m\u202e", "-m", tiny).out
    assert "\x1b" not in out and "\u202e" not in out
