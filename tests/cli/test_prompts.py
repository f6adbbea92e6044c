"""`chatcli prompts` lists, shows and checks; `--prompt` uses what it shows."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from tokenizers import Tokenizer, models, pre_tokenizers

from chatcli.cli import main
from chatcli.folders import config_folder
from chatcli.ui.environment import Environment
from tests.cli.world import run, spawn
from tests.fakes import tiny_checkpoint

OWN = """
description = "Mine\\u001b[2J"
description_zh = "我的"
system = "Speak {{ language }}."
message = "<{{ input }}>"
text = "({{ input }})"
prefill = "Well"
stop = ["q"]
max_tokens = 3
variables.language = { default = "en", choices = ["en", "zh"] }
sampling = { temperature = 0, top_k = 5 }
"""


@pytest.fixture
def own(clean_environment: Path) -> Path:
    """A prompt of the user's."""
    path = config_folder() / "prompts" / "own.toml"
    path.parent.mkdir(parents=True)
    path.write_text(OWN, encoding="utf-8")
    return path


def on_terminal(columns: int, *arguments: str) -> str:
    out = io.StringIO()
    env = Environment(
        stdin=io.StringIO(),
        stdout=out,
        stderr=io.StringIO(),
        stdout_is_terminal=True,
        size=lambda: (columns, 24),
    )
    assert main(arguments, env) == 0
    return out.getvalue()


def test_the_list_has_a_row_for_each_with_variables_uses_and_source(own: Path) -> None:
    outcome = run("prompts")
    assert outcome.status == 0 and outcome.err == "" and "\t" not in outcome.out
    rows = {line.split()[0]: line for line in outcome.out.splitlines()}
    assert "language=zh" in rows["encyclopedia"] and rows["encyclopedia"].endswith("chatcli")
    assert "who, language=en" in rows["character"]
    assert rows["own"].endswith(f"chat, text  {own}") and "Mine␛[2J" in rows["own"]
    assert "format" in rows["plain-chat"] and "chat, text" not in rows["tutor"]


@pytest.mark.parametrize("columns", [60, 120])
@pytest.mark.parametrize("locale", ["C.UTF-8", "zh_CN.UTF-8"])
def test_the_list_fits_and_keeps_its_descriptions(
    columns: int, locale: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANG", locale)
    lines = on_terminal(columns, "prompts").splitlines()
    assert all(cell_len(line) <= columns for line in lines)
    assert not any("…" in line.replace("| … -", "") for line in lines)
    assert any("百科问答" in line for line in lines) == locale.startswith("zh")
    assert any("language=en" in line for line in lines) == (columns == 120)


def test_a_broken_file_is_named_below_the_list(own: Path) -> None:
    own.write_text("x = ", encoding="utf-8")
    outcome = run("prompts")
    assert outcome.status == 0 and "assistant" in outcome.out and "Mine" not in outcome.out
    (line,) = outcome.err.splitlines()
    assert line.startswith(f"{own} can't be read as a prompt file: ")
    assert run("prompts", "show", "own").out == "x = "  # to see what is wrong with it


def test_json_is_an_object_for_each(own: Path) -> None:
    found = {one["name"]: one for one in run("prompts", "--json").objects}
    assert found["own"]["path"] == str(own) and found["own"]["shipped"] is False
    assert found["assistant"]["shipped"] is True and found["assistant"]["for"] == ["chat", "text"]
    assert found["own"]["variables"] == [
        {"name": "language", "default": "en", "choices": ["en", "zh"], "help": ""}
    ]


def test_show_is_the_file_itself_in_a_pipe_and_inert_on_a_terminal(own: Path) -> None:
    own.write_text(OWN + "# \x07", encoding="utf-8")
    assert run("prompts", "show", str(own)).out == own.read_text(encoding="utf-8")
    own.write_text(OWN + "# \u202e", encoding="utf-8")
    assert "\u202e" in run("prompts", "show", "own").out
    shown = on_terminal(80, "prompts", "show", "own")
    assert "\u202e" not in shown and "⟨U+202E⟩" in shown


@pytest.mark.parametrize("flag", [["--var", "language=zh"], ["--render"]])
def test_show_renders_what_the_model_gets(own: Path, flag: list[str]) -> None:
    outcome = run("prompts", "show", "own", *flag)
    assert outcome.out.splitlines() == [
        "system",
        f"  Speak {'zh' if len(flag) > 1 else 'en'}.",
        "user",
        "  <{{ input }}>",
        "assistant, which starts with",
        "  Well",
        "as raw text",
        "  ({{ input }})",
        "sampling",
        "  temperature 0, top_k 5",
        "stop",
        "  'q'",
        "max_tokens",
        "  3",
    ]
    (found,) = run("prompts", "show", "own", *flag, "--json").objects
    assert found["text"] == "({{ input }})" and found["sampling"] == {"temperature": 0, "top_k": 5}
    assert found["messages"][0]["content"] == outcome.out.splitlines()[1].strip()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["show", "asistant"], 1, "no prompt 'asistant'; did you mean 'assistant'?"),
        (["show", "plain-chat", "--render"], 1, "plain-chat.toml is a chat format"),
        (["show", "own", "--var", "language"], 2, "--var wants NAME=TEXT"),
        (["show", "own", "--var", "langage=x"], 1, "no variable 'langage'; did you mean"),
        (["show", "extract", "--render"], 1, "needs a value for fields (the keys, such as"),
        (["show", "nowhere.toml"], 1, "nowhere.toml can't be read"),
    ],
)
def test_what_cannot_be_shown_is_one_line(
    own: Path, arguments: list[str], status: int, message: str
) -> None:
    outcome = run("prompts", *arguments)
    assert outcome.status == status and outcome.out == "" and message in outcome.only_error


def test_check_finds_nothing_wrong_with_what_ships(own: Path) -> None:
    outcome = run("prompts", "check")
    assert outcome.status == 0 and outcome.out == ""
    count = len(run("prompts", "--json").objects)
    assert outcome.err == f"{count} of {count} prompt files are right\n"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("top_k = 5", "top_k = -1", "sampling.top_k is -1, but must be a whole number, 0"),
        ("top_k = 5", "topk = 5", "unknown key 'sampling.topk'; did you mean 'top_k'?"),
        ("top_k = 5", 'order = "x"', "sampling.order is 'x', but must be one of hf"),
        ("<{{ input }}>", "<{{ inptu }}>", "message uses 'inptu'"),
        ("Speak {{", "{% if language == 'zh' %}{{ 1 / 0 }}{% endif %}{{", "division by zero"),
    ],
)
def test_check_has_a_line_for_each_file_that_is_wrong(
    own: Path, old: str, new: str, message: str
) -> None:
    assert old in OWN
    own.write_text(OWN.replace(old, new), encoding="utf-8")
    outcome = run("prompts", "check", str(own), "assistant", "nonesuch")
    first, second, last = outcome.err.splitlines()
    assert outcome.status == 1 and outcome.out == ""
    assert first.startswith(f"chatcli: {own}: ") and message in first
    assert "no prompt 'nonesuch'" in second and last == "1 of 3 prompt files are right"


@pytest.mark.parametrize("words", ["prompts", "prompts show sentiment --render", "prompts check"])
def test_no_prompt_needs_torch(words: str) -> None:
    code = f"import chatcli.cli as c, sys; c.main({words.split()!r}); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("False\n")


@pytest.mark.parametrize(
    ("words", "count", "found"),
    [
        ("chatcli complete --prompt ency", "3", {"encyclopedia"}),
        ("chatcli prompts show plain", "3", set()),
        ("chatcli probs --prompt translate --var to", "5", {"to=en", "to=zh"}),
        ("chatcli probs --prompt extract --var f", "5", {"fields="}),
        ("chatcli probs --prompt nonesuch --var f", "5", set()),
    ],
)
def test_names_and_variables_complete(words: str, count: str, found: set[str]) -> None:
    done = spawn([], _CHATCLI_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=count)
    assert set(done.stdout.decode().split()) == found


def last(*arguments: str | Path) -> dict[str, Any]:
    """The object that ends the sample."""
    outcome = run("complete", *arguments, "--json")
    assert outcome.status == 0, outcome.err
    return outcome.objects[-1]


def test_a_prompt_sets_what_no_flag_does(own: Path, tiny: Path) -> None:
    with_prompt: list[str | Path] = ["--prompt", "own", "-m", tiny, "x"]
    for way in ([], ["--chat"]):
        assert last(*with_prompt, *way)["usage"]["new_tokens"] <= 3
        sampling = last(*with_prompt, *way)["sampling"]
        # The checkpoint's own temperature is 0.7 and its top_p 0.9.
        assert [sampling[key] for key in ("temperature", "top_k", "top_p")] == [0.0, 5, 0.9]
    flags = ["-n", "9", "-t", "0.5", "--stop", "neverwritten", "--seed", "1"]
    other = last(*with_prompt, *flags)
    assert other["usage"]["new_tokens"] == 9
    assert other["sampling"]["temperature"] == 0.5
    assert other["sampling"]["top_k"] == 5


def test_the_stops_of_a_prompt_end_a_reply_and_a_flag_beats_them(own: Path, tiny: Path) -> None:
    base: list[str | Path] = ["-m", tiny, "x", "--greedy", "-n", "9"]
    whole = last(*base, "--prompt", "own")["text"]
    stop = whole[2:4]
    spelt = "".join(f"\\u{ord(char):04x}" for char in stop)
    own.write_text(OWN.replace('"q"', f'"{spelt}"'), encoding="utf-8")
    stopped = last(*base, "--prompt", "own")
    assert (stopped["finish"], stopped["text"]) == ("stop", whole.partition(stop)[0])
    assert last(*base, "--prompt", "own", "--stop", "neverwritten")["text"] == whole


def prompt_ids(tiny: Path, *arguments: str) -> list[int]:
    ids: list[int] = run("probs", "-m", tiny, *arguments, "--json").objects[0]["prompt_ids"]
    return ids


def test_flags_beat_the_system_prompt_and_the_prefill(own: Path, tiny: Path) -> None:
    flags = ["--chat", "--system", "S", "--prefill", "P"]
    assert prompt_ids(tiny, "x", "--prompt", "own", *flags) == prompt_ids(tiny, "<x>", *flags)
    spelt = ["--chat", "--system", "Speak zh.", "--prefill", "Well"]
    mine = prompt_ids(tiny, "x", "--prompt", "own", "--chat", "--var", "language=zh")
    assert mine == prompt_ids(tiny, "<x>", *spelt)


def test_raw_text_has_the_prefill_of_the_flag_alone(own: Path, tiny: Path) -> None:
    assert prompt_ids(tiny, "x", "--prompt", "own") == prompt_ids(tiny, "(x)")
    assert prompt_ids(tiny, "x", "--prompt", "own", "--prefill", "P") == prompt_ids(tiny, "(x)P")


def test_what_a_terminal_or_echo_shows_is_the_text_that_is_continued(own: Path, tiny: Path) -> None:
    words = ["complete", "-m", str(tiny), "x", "--prompt", "own", "-n", "1"]
    assert run(*words, "--echo").out.startswith("(x)")
    assert run(*words, "--echo", "--chat").out.startswith("xWell")
    assert not run(*words).out.startswith("(")
    assert on_terminal(80, *words, "--no-live").startswith("(x)")


@pytest.mark.parametrize("command", ["complete", "probs"])
@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--var", "a=b"], 2, "--var a=b sets a variable of a prompt: add --prompt NAME"),
        (["--prompt", "own", "--var", "a=b", "--var", "a=c"], 2, "--var a is given twice"),
        (["--prompt", "tutor"], 1, "tutor has no raw text for a model to continue; add --chat"),
        (["--prompt", "zzz"], 1, "no prompt 'zzz'"),
        (["--prompt", "classify"], 1, "needs a value for labels"),
        (["--prompt", "own", "--system", "x"], 2, "--system needs --chat"),
    ],
)
def test_a_prompt_that_cannot_be_used_is_one_line_before_anything_is_loaded(
    own: Path, command: str, arguments: list[str], status: int, message: str
) -> None:
    outcome = run(command, "x", "-m", "/no/such/model", *arguments)
    assert outcome.status == status and message in outcome.only_error


def test_a_flag_without_a_place_in_the_order_of_a_prompt_is_refused(own: Path) -> None:
    own.write_text(OWN.replace("top_k = 5", 'order = ["temperature"]'), encoding="utf-8")
    outcome = run("complete", "x", "-m", "/no/such/model", "--prompt", "own", "-k", "3")
    assert "--top-k 3 has no place in --order temperature" in outcome.only_error


def test_a_model_that_lacks_the_words_of_a_prompt_says_so(tmp_path: Path, own: Path) -> None:
    backend = Tokenizer(models.WordLevel(vocab={"<unk>": 0, "x": 1}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    backend.save(str(tiny_checkpoint(tmp_path) / "tokenizer.json"))
    outcome = run("probs", "-m", tmp_path, "x", "--prompt", "own", "--json")
    assert outcome.status == 0 and "vocabulary has no (" in outcome.err


def test_one_file_is_right_in_the_singular() -> None:
    assert run("prompts", "check", "translate").err == "1 of 1 prompt file is right\n"
