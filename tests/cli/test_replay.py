"""`--trace` and `chatcli replay` through the entry point, on a random two-layer checkpoint."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rich.cells import cell_len

from chatcli.cli import main
from tests.cli.world import Outcome, run
from tests.ui.screen import Screen, screen_environment

PROMPT = "世界上最高的山"


@pytest.fixture(scope="module")
def recorded(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two samples of `complete`, with seeds 5 and 6."""
    path = tmp_path_factory.mktemp("traces") / "t.jsonl.gz"
    arguments = ("-n", "10", "--num", "2", "--seed", "5", "-k", "30", "--trace", path)
    assert run("complete", "-m", tiny, PROMPT, *arguments).status == 0
    return path


def replay(path: Path, *arguments: str) -> Outcome:
    return run("replay", path, *arguments)


def test_the_recorded_settings_give_the_recorded_tokens(recorded: Path, tiny: Path) -> None:
    plain = run("complete", "-m", tiny, PROMPT, "-n", "10", "--num", "2", "--seed", "5", "-k", "30")
    outcome = replay(recorded, "--json")
    ends = [line for line in outcome.objects if "sampling" in line]
    rows = [line for line in outcome.objects if "sampling" not in line]
    assert outcome.status == 0 and len(ends) == 2
    assert all(row["decided"] and row["token"] == row["recorded"] for row in rows)
    assert [end["divergence"] for end in ends] == [None, None]
    assert "\n".join(end["text"] for end in ends) == plain.out


@pytest.mark.parametrize("flags", [["-t", "1.6"], ["-k", "2"], ["--greedy"], ["--seed", "99"]])
def test_other_settings_go_as_a_real_run_would(
    flags: list[str], tiny: Path, recorded: Path
) -> None:
    settings = ["-k", "30", "--seed", "5", *flags]
    real = run("complete", "-m", tiny, PROMPT, "-n", "10", *settings, "--json").objects[:-1]
    *rows, end = replay(recorded, "--sample", "1", *flags, "--json").objects
    for row, line in zip(rows, real, strict=False):
        assert row["token"] == line["token"]
    assert end["divergence"] is not None
    assert rows[-1]["index"] == end["divergence"]
    assert all(row["token"] == row["recorded"] for row in rows[:-1])


def test_nothing_behind_the_divergence_is_printed(recorded: Path) -> None:
    outcome = replay(recorded, "--sample", "1", "-t", "1.6")
    (place,) = re.findall(r"they part at position (\d+)", outcome.out)
    table = [line for line in outcome.out.splitlines() if re.match(r" *\d+  ", line)]
    assert table[-1].split()[0] == place and "≠" in table[-1]
    assert "not replayed" in outcome.out


def test_all_says_that_what_follows_was_given(recorded: Path) -> None:
    outcome = replay(recorded, "--sample", "1", "-t", "1.6", "--all")
    assert len([line for line in outcome.out.splitlines() if re.match(r" *\d+  ", line)]) == 10
    assert "each token is given what was recorded" in outcome.out


def test_undecided_tokens_say_what_helps(tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "t"
    run("complete", "-m", tiny, PROMPT, "-n", "8", "--trace", path, "--trace-top", "2", "-k", "2")
    outcome = replay(path, "-k", "0", "-p", "1", "-t", "3", "--seed", "5")
    assert "undecided" in outcome.out and "--trace-top" in outcome.out


@pytest.mark.parametrize("columns", [60, 120])
@pytest.mark.parametrize("color", [None, "256"])
def test_a_replay_fits_its_terminal(recorded: Path, columns: int, color: str | None) -> None:
    screen = Screen(columns, 200)
    env = screen_environment(screen, color_system="256" if color else None)
    assert main(["replay", str(recorded), "-t", "1.6"], env) == 0
    assert max(map(cell_len, screen.text().splitlines())) <= columns
    assert "≠" in screen.text() and "sample 2" in screen.text()


def test_a_chat_is_recorded_turn_by_turn(tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl.xz"
    said = run(
        *("chat", "-m", tiny, "-n", "6", "--seed", "3", "--no-keep", "--trace", path),
        stdin="你好\nand then\n",
    )
    assert said.status == 0
    outcome = replay(path, "--json")
    ends = [line for line in outcome.objects if "sampling" in line]
    assert [end["divergence"] for end in ends] == [None, None]
    assert outcome.status == 0


def test_a_trace_is_not_written_over(recorded: Path, tiny: Path) -> None:
    before = recorded.read_bytes()
    outcome = run("complete", "-m", tiny, "a", "-n", "1", "--trace", recorded)
    assert outcome.status == 2 and "--force" in outcome.only_error
    assert recorded.read_bytes() == before


def test_force_is_for_a_trace(tiny: Path) -> None:
    outcome = run("complete", "-m", tiny, "a", "-n", "1", "--force")
    assert outcome.status == 2 and "--trace FILE" in outcome.only_error


def test_a_trace_that_breaks_off_is_replayed_so_far_and_named(tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "t"
    run("complete", "-m", tiny, PROMPT, "-n", "8", "--seed", "1", "--trace", path)
    path.write_bytes(path.read_bytes()[:-400])
    outcome = replay(path)
    assert outcome.status == 1
    assert "breaks off at line" in outcome.only_error
    assert "the same" in outcome.out


@pytest.mark.parametrize(
    ("text", "said"),
    [("hello\n", "is none of a trace's"), ("", "breaks off before its first token")],
)
def test_another_file_is_one_line(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_text(text)
    outcome = replay(path)
    assert outcome.status == 1 and said in outcome.only_error and not outcome.out


def test_a_sample_that_is_not_there_is_one_line(recorded: Path) -> None:
    assert "samples 1 to 2" in replay(recorded, "--sample", "3").only_error


def test_settings_that_are_texts_need_a_tokenizer(recorded: Path, tiny: Path) -> None:
    outcome = replay(recorded, "--dry-multiplier", "0.8")
    assert outcome.status == 2 and "--tokenizer" in outcome.only_error
    assert replay(recorded, "--dry-multiplier", "0.8", "--tokenizer", str(tiny)).status == 0


def test_the_config_file_does_not_hide_what_was_recorded(
    recorded: Path, clean_environment: Path
) -> None:
    folder = clean_environment / ".config" / "chatcli"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text("temperature = 3.0\n")
    ends = [line for line in replay(recorded, "--json").objects if "sampling" in line]
    assert [end["divergence"] for end in ends] == [None, None]


def test_no_model_is_loaded(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr("chatcli.model.load.load", refuse)
    assert replay(recorded).status == 0
