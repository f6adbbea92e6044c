"""`chatcli complete` through the entry point, on a random two-layer checkpoint."""

from __future__ import annotations

import io
import math
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from chatcli.cli import main
from chatcli.ui.environment import Environment
from tests.cli.world import ROOT, Outcome, command, run
from tests.fakes import ScriptedModel, tiny_checkpoint
from tests.ui.screen import Screen, screen_environment

PROMPT = "世界上最高的山"


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint with a context of 16 tokens."""
    return tiny_checkpoint(tmp_path_factory.mktemp("short") / "short", max_position_embeddings=16)


def complete(model: Path, *arguments: str, stdin: str | bytes = "") -> Outcome:
    return run("complete", "-m", model, *arguments, stdin=stdin)


def test_a_pipe_gets_the_text_alone(tiny: Path) -> None:
    outcome = complete(tiny, PROMPT, "-n", "8", "--seed", "7")
    assert outcome.status == 0 and outcome.out
    (end,) = [
        line
        for line in complete(tiny, PROMPT, "-n", "8", "--seed", "7", "--json").objects
        if "finish" in line
    ]
    assert outcome.out == end["text"]


def test_a_drawn_seed_is_printed_and_repeats_the_text(tiny: Path) -> None:
    first = complete(tiny, PROMPT, "-n", "12")
    found = re.search(r"seed (\d+)", first.err)
    assert found is not None
    assert complete(tiny, PROMPT, "-n", "12", "--seed", found[1]).out == first.out


@pytest.mark.parametrize("columns", [20, 59, 80, 120])
def test_the_display_does_not_disturb_the_text(tiny: Path, columns: int) -> None:
    arguments = ["complete", "-m", str(tiny), PROMPT, "-n", "12", "--seed", "3"]
    screen = Screen(columns, 24)
    assert main(arguments, screen_environment(screen)) == 0
    plain = run(*arguments)
    assert "".join(plain.out.split()) in "".join(screen.text().split())


def test_a_terminal_shows_the_prompt_before_what_continues_it(tiny: Path) -> None:
    screen = Screen(80, 24)
    main(["complete", "-m", str(tiny), PROMPT, "-n", "2"], screen_environment(screen))
    assert screen.text().startswith(PROMPT)


def test_a_terminal_shows_a_prefill_as_part_of_the_reply(tiny: Path) -> None:
    screen = Screen(80, 24)
    arguments = ["complete", "-m", str(tiny), "Hi", "--chat", "--prefill", "Sure", "-n", "2"]
    main(arguments, screen_environment(screen))
    assert screen.text().startswith("Sure")
    assert not run(*arguments).out.startswith("Sure")


def test_every_token_is_a_json_object_and_the_last_line_ends_the_sample(tiny: Path) -> None:
    outcome = complete(tiny, PROMPT, "-n", "6", "--seed", "1", "--json", "--top", "3")
    *tokens, end = outcome.objects
    assert [line["index"] for line in tokens] == list(range(len(tokens)))
    assert list(tokens[0]) == [
        "sample",
        "index",
        "token",
        "text",
        "raw_prob",
        "prob",
        "rank",
        "entropy_bits",
        "u",
        "candidates",
    ]
    assert list(end) == ["sample", "finish", "text", "usage", "seed", "sampling"]
    assert end["usage"]["new_tokens"] == len(tokens)
    assert end["seed"] == 1
    assert all(3 <= len(line["candidates"]) <= 4 for line in tokens)


def test_no_candidates_are_computed_where_none_are_asked_for(tiny: Path) -> None:
    tokens = complete(tiny, PROMPT, "-n", "3", "--json", "--top", "0").objects[:-1]
    assert all([one["token"] for one in line["candidates"]] == [line["token"]] for line in tokens)


def test_sample_i_has_the_seed_plus_i(tiny: Path) -> None:
    both = complete(tiny, PROMPT, "-n", "5", "--seed", "9", "--num", "2", "--json").objects
    alone = complete(tiny, PROMPT, "-n", "5", "--seed", "10", "--json").objects
    second = [{**line, "sample": 0} for line in both if line["sample"] == 1]
    assert [line["token"] for line in second[:-1]] == [line["token"] for line in alone[:-1]]
    assert second[-1]["seed"] == 10


def test_the_prompt_of_many_samples_is_read_once(tiny: Path) -> None:
    lines = complete(tiny, PROMPT, "-n", "2", "--num", "3", "--json").objects
    ends = [line["usage"] for line in lines if "finish" in line]
    assert [usage["reused_tokens"] for usage in ends] == [
        0,
        *[ends[0]["prompt_tokens"] - 1] * 2,
    ]


def test_samples_are_parted_in_a_pipe(tiny: Path) -> None:
    arguments = ["-n", "4", "--greedy", "--num", "2"]
    one = complete(tiny, PROMPT, *arguments[:-2]).out
    assert complete(tiny, PROMPT, *arguments).out == f"{one}\n{one}"


def test_echo_writes_the_prompt_first(tiny: Path) -> None:
    plain = complete(tiny, PROMPT, "-n", "4", "--greedy")
    assert complete(tiny, PROMPT, "-n", "4", "--greedy", "--echo").out == PROMPT + plain.out


def test_stdin_is_the_prompt_less_one_newline(tiny: Path) -> None:
    plain = complete(tiny, PROMPT, "-n", "4", "--greedy", "--json").objects
    told = complete(tiny, "-", "-n", "4", "--greedy", "--json", stdin=f"{PROMPT}\n").objects
    assert [line.get("token") for line in told] == [line.get("token") for line in plain]
    assert told[-1]["usage"]["prompt_tokens"] == plain[-1]["usage"]["prompt_tokens"]


def test_stop_cuts_the_text(tiny: Path) -> None:
    whole = complete(tiny, "the", "-n", "20", "--greedy").out
    cut = complete(tiny, "the", "-n", "20", "--greedy", "--stop", whole[2:4])
    assert cut.out == whole[: whole.index(whole[2:4])]
    assert "stop" in cut.err


def test_greedy_needs_no_luck(tiny: Path) -> None:
    *tokens, end = complete(tiny, PROMPT, "-n", "4", "--greedy", "--json").objects
    assert {(line["rank"], line["prob"], line["u"]) for line in tokens} == {(1, 1.0, None)}
    assert end["sampling"]["temperature"] == 0


def test_the_checkpoints_settings_beat_the_defaults_and_flags_beat_both(tiny: Path) -> None:
    sampling = complete(tiny, "a", "-n", "1", "--json", "-p", "0.5").objects[-1]["sampling"]
    assert (sampling["temperature"], sampling["top_k"], sampling["top_p"]) == (0.7, 40, 0.5)


@pytest.mark.parametrize("flag", [["--greedy"], ["-t", "1"], ["-p", "1"], ["-k", "3"]])
def test_a_list_of_stages_leaves_out_only_what_does_nothing(tiny: Path, flag: list[str]) -> None:
    assert complete(tiny, "a", "-n", "1", "--order", "top_k", *flag).status == 0


def test_chat_renders_the_template_and_prefill_starts_the_reply(tiny: Path) -> None:
    arguments = ["-n", "3", "--greedy", "--json"]
    raw = (
        "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
        "<|im_start|>assistant\nSure"
    )
    asked = ["--chat", "--system", "Be kind.", "--prefill", "Sure"]
    chat = complete(tiny, "Hi", *asked, *arguments).objects
    special = complete(tiny, raw, "--special", *arguments).objects
    assert [line.get("token") for line in chat] == [line.get("token") for line in special]
    assert chat[-1]["usage"]["prompt_tokens"] == special[-1]["usage"]["prompt_tokens"]


def test_a_prefill_without_chat_is_more_of_the_prompt(tiny: Path) -> None:
    arguments = ["-n", "3", "--greedy", "--json"]
    apart = complete(tiny, "世界上", "--prefill", "最高的山", *arguments).objects
    whole = complete(tiny, PROMPT, *arguments).objects
    assert [line.get("token") for line in apart] == [line.get("token") for line in whole]
    assert complete(tiny, "世界上", "--prefill", "最高的山", "-n", "1", "--echo").out.startswith(
        PROMPT
    )


def test_control_tokens_in_the_prompt_are_text_unless_asked_for(tiny: Path) -> None:
    def count(*flags: str) -> int:
        end = complete(tiny, "<|im_end|>", "-n", "1", "--json", *flags).objects[-1]
        return int(end["usage"]["prompt_tokens"])

    assert count() > count("--special")


def test_a_table_has_a_row_for_every_token_on_stderr(tiny: Path) -> None:
    plain = complete(tiny, PROMPT, "-n", "5", "--seed", "2")
    table = complete(tiny, PROMPT, "-n", "5", "--seed", "2", "--table")
    assert table.out == plain.out
    assert len(table.err.splitlines()) >= len(plain.err.splitlines()) + 2


def test_a_pace_changes_nothing_but_the_time(tiny: Path) -> None:
    plain = complete(tiny, PROMPT, "-n", "4", "--seed", "2")
    assert complete(tiny, PROMPT, "-n", "4", "--seed", "2", "--pace", "500").out == plain.out


def test_the_environment_names_the_model(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATCLI_MODEL", str(tiny))
    assert run("complete", "a", "-n", "1").status == 0


def test_an_empty_prompt_is_refused_where_no_token_starts_a_text(tiny: Path) -> None:
    outcome = complete(tiny, "")
    assert outcome.status == 2
    assert "the prompt is empty" in outcome.only_error


def test_an_empty_stdin_is_told_where_a_token_starts_the_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scripted(monkeypatch, ScriptedModel("hello"))
    empty, given = (run("complete", "-", "--greedy", stdin=text) for text in ("\n", "h"))
    assert (empty.status, empty.err.splitlines()[0]) == (
        0,
        "the prompt is empty; starting from the token that starts a text",
    )
    assert "empty" not in given.err


def test_an_empty_message_is_refused(tiny: Path) -> None:
    assert "the prompt is empty" in complete(tiny, " ", "--chat").only_error


def test_a_prompt_longer_than_the_context_says_both_numbers(short: Path) -> None:
    outcome = complete(short, "zq" * 15)
    assert outcome.status == 1
    assert re.search(r"\b30 tokens\b.*\b16\b", outcome.only_error)


def test_the_context_ends_the_text(short: Path) -> None:
    end = complete(short, "zq", "-n", "99", "-t", "9", "-k", "0", "--json", "--seed", "1")
    assert end.objects[-1]["finish"] in {"context", "eos"}


def test_a_text_that_fills_the_context_is_not_counted_beyond_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scripted(monkeypatch, ScriptedModel("hello", context_length=3))
    outcome = run("complete", "h", "--greedy")
    assert outcome.out == "el"
    assert "2 tokens, context" in outcome.err and "context 3/3" in outcome.err


def test_a_bias_beyond_the_vocabulary_is_2(tiny: Path) -> None:
    outcome = complete(tiny, "a", "--logit-bias", "99999=1")
    assert outcome.status == 2
    assert "99999" in outcome.err and len(outcome.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("spoil", "status", "word"),
    [
        (lambda folder: (folder / "config.json").unlink(), 1, "config.json"),
        (lambda folder: (folder / "tokenizer.json").unlink(), 1, "tokenizer"),
        (lambda folder: (folder / "model.safetensors").unlink(), 1, "weights"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"short"), 1, "safetensors"),
    ],
    ids=["no config", "no tokenizer", "no weights", "broken weights"],
)
def test_a_broken_checkpoint_is_one_line(
    tmp_path: Path, spoil: Callable[[Path], None], status: int, word: str
) -> None:
    folder = tiny_checkpoint(tmp_path / "broken")
    spoil(folder)
    outcome = complete(folder, "a")
    assert outcome.status == status
    assert word in outcome.only_error


def test_a_model_that_does_not_exist_is_one_line(tmp_path: Path) -> None:
    outcome = complete(tmp_path / "none", "a")
    assert outcome.status == 1
    assert "none" in outcome.only_error


def scripted(monkeypatch: pytest.MonkeyPatch, model: ScriptedModel) -> None:
    """Let every command load `model`."""
    monkeypatch.setattr("chatcli.model.load.load", lambda *_, **__: model)


def test_logits_that_are_nan_end_a_json_sample_as_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def logits(tokens: Sequence[int]) -> list[float]:
        return [math.nan if len(tokens) > 3 else 0.0] * 3

    scripted(monkeypatch, ScriptedModel(logits))
    outcome = run("complete", "a", "--json", "--seed", "1")
    assert outcome.status == 1
    assert outcome.objects[-1]["finish"] == "error"
    assert "NaN" in outcome.only_error


def test_an_unfinished_character_is_never_printed_in_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scripted(monkeypatch, ScriptedModel("峰峰"))
    assert run("complete", "a", "--greedy", "-n", "5").out == "峰\ufffd"


def test_a_reader_that_leaves_is_no_error(tiny: Path) -> None:
    """A real process, for the interpreter flushes once more at its end; natively run, too."""
    arguments = ["complete", "-m", str(tiny), PROMPT, "-n", "100", "--json"]
    code = (
        "import sys\nfrom chatcli.cli import main\n"
        f"sys.exit(main({arguments!r}) or 'transformers' in sys.modules)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.read(1) == b"{"
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait(60) == 0


def test_ctrl_c_keeps_what_there_is(tiny: Path) -> None:
    """A real process and a real signal, after the first of many slow tokens."""
    process = subprocess.Popen(
        command("complete", "-m", tiny, "the", "-n", "120", "--pace", "10", "--seed", "1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout is not None
    first = os.read(process.stdout.fileno(), 1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert first + out
    assert b"interrupted" in err and b"Traceback" not in err


def test_an_interrupted_json_sample_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def logits(tokens: Sequence[int]) -> list[float]:
        if list(tokens[-3:]) == [97] * 3:
            signal.raise_signal(signal.SIGINT)
        return [0.0] * 97 + [99.0]

    scripted(monkeypatch, ScriptedModel(logits))
    outcome = run("complete", "b", "--json", "--num", "2")
    assert outcome.status == 130
    assert len(outcome.objects) == 4
    assert (outcome.objects[-1]["finish"], outcome.objects[-1]["text"]) == ("interrupted", "aaa")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_no_space_left_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, ScriptedModel("hello"))
    err = io.StringIO()
    with open("/dev/full", "w", encoding="utf-8") as full:
        env = Environment(io.StringIO(), full, err)
        assert main(["complete", "h"], env) == 1
    (line,) = err.getvalue().splitlines()
    assert "No space left" in line
