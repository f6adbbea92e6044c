"""The config file: what it is by default, what beats it, and every way to get it wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chatcli.cli import main
from chatcli.cli.configuration import presets
from chatcli.errors import ConfigError
from tests.cli.world import run, spawn
from tests.ui.screen import Screen, screen_environment

Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes the config file and returns its path."""
    monkeypatch.setenv("CHATCLI_CONFIG", str(tmp_path))

    def written(text: str | bytes) -> Path:
        path = tmp_path / "config.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return written


def settings(*command: str) -> dict[str, dict[str, Any]]:
    return {each["option"]: each for each in run("config", *command, "--json").objects}


def sampling(tiny: Path, *flags: str) -> dict[str, Any]:
    """The sampling settings that `complete` runs with."""
    outcome = run("complete", "a", "-m", tiny, "-n", "1", "--json", *flags)
    assert outcome.status == 0, outcome.err
    found: dict[str, Any] = outcome.objects[-1]["sampling"]
    return found


def test_a_setting_in_the_file_beats_the_models_own_and_a_flag_beats_it(
    write: Write, tiny: Path
) -> None:
    assert sampling(tiny)["temperature"] == 0.7  # the checkpoint's generation_config.json
    write("temperature = 0.5\ntop-k = 3\nseed = 11\n")
    found = sampling(tiny, "-k", "5")
    assert (found["temperature"], found["top_k"], found["top_p"]) == (0.5, 5, 0.9)
    assert found["seed"] == 11


def test_a_table_is_for_one_command_and_narrower_than_the_top_level(write: Write) -> None:
    write("top_k = 3\n[complete]\ntop_k = 4\nnum = 2\n[probs]\ntop = 5\n")
    assert settings("complete")["top_k"]["value"] == 4
    assert settings("complete")["num"]["where"] == "config.toml, [complete], line 4"
    assert settings("probs")["top_k"]["where"] == "config.toml, line 1"
    assert settings("chat")["top"]["source"] == "default"


def test_the_table_of_a_group_holds_for_its_commands(write: Write) -> None:
    write('device = "cpu"\nseed = 3\n[train]\nseed = 4\n[train.sft]\nseed = 5\n')
    assert settings("train", "sft")["seed"]["value"] == 5
    assert settings("train", "pretrain")["seed"]["value"] == 4
    assert settings("train", "eval")["device"]["value"] == "cpu"


def test_the_steps_of_training_take_nothing_from_the_top_level(write: Write) -> None:
    write('model = "tiny"\ncontext = 64\nmax-tokens = 9\nseed = 5\n')
    steps = [settings("train", name) for name in ("pretrain", "sft")]
    assert {each["source"] for step in steps for each in step.values()} == {"default"}
    assert settings("bench")["model"]["value"] == "tiny"
    assert settings("bench")["max_tokens"]["source"] == "default"
    assert settings("complete")["max_tokens"]["value"] == 9


def test_the_environment_beats_the_file(
    write: Write, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write('model = "nowhere"\n')
    monkeypatch.setenv("CHATCLI_MODEL", str(tiny))
    assert run("probs", "a").status == 0
    found = settings("probs")["model"]
    assert (found["value"], found["source"], found["where"]) == (
        *(str(tiny), "environment"),
        "CHATCLI_MODEL",
    )
    monkeypatch.setenv("CHATCLI_MODEL", "")
    assert settings("probs")["model"]["value"] == "nowhere"


def test_lists_and_switches_are_defaults_too(write: Write, tiny: Path) -> None:
    write(f'model = "{tiny}"\njson = true\nlogit-bias = ["5=-inf"]\nstop = ["结束"]\n')
    outcome = run("probs", "a")
    assert outcome.status == 0
    assert json.loads(outcome.out)["stages"][0]["name"] == "logit_bias"
    assert settings("chat")["stop"]["value"] == ["结束"]


def test_a_required_option_may_come_from_the_file(write: Write, tmp_path: Path) -> None:
    assert "Missing option" in run("train", "run").only_error
    write('[train.run]\ncorpus = "none"\nrun = "%s"\nout = "out"\n' % (tmp_path / "run"))
    assert "Missing option" not in run("train", "run").err


@pytest.mark.parametrize(
    ("text", "flags", "expected"),
    [
        ("greedy = true", ("-t", "0.9"), 0.9),
        ("temperature = 0.9", ("--greedy",), 0.0),
        ("temperature = 0.9\n[complete]\ngreedy = true", (), 0.0),
        ("greedy = true\n[complete]\ntemperature = 0.9", (), 0.9),
        ("greedy = true", (), 0.0),
    ],
)
def test_what_rules_each_other_out_is_decided_by_who_said_it_more_nearly(
    write: Write, tiny: Path, text: str, flags: tuple[str, ...], expected: float
) -> None:
    write(text)
    assert sampling(tiny, *flags)["temperature"] == expected


def test_two_flags_that_contradict_each_other_stay_an_error(write: Write) -> None:
    write("temperature = 0.9")
    assert "drop one" in run("complete", "a", "-t", "0.5", "--greedy").only_error


def test_a_default_without_a_place_in_the_order_asked_for_is_left_out(
    write: Write, tiny: Path
) -> None:
    write("min_p = 0.1\ntop_k = 4\n")
    found = sampling(tiny, "--order", "temperature,top_k", "-p", "1")
    assert (found["min_p"], found["top_k"]) == (0.0, 4)


def test_a_system_prompt_for_chats_leaves_raw_text_alone(write: Write, tiny: Path) -> None:
    write('system = "简短"\n')
    assert run("probs", "a", "-m", tiny).status == 0
    assert (
        run("probs", "a", "-m", tiny, "--chat", "--json").objects[0]["prompt_ids"]
        != (
            run("probs", "a", "-m", tiny, "--chat", "--system", "x", "--json").objects[0][
                "prompt_ids"
            ]
        )
    )


WRONG = [
    ("temprature = 1", "line 1: there is no option temprature at the top level; did you mean temp"),
    ("[complete]\nnun = 2", "line 2: there is no option nun in [complete]; did you mean num?"),
    ("repeat = 2", "line 1: repeat has no meaning at the top level; put it under [bench]"),
    ("[chat]\nlr = 2", "lr has no meaning in [chat]; put it under [train.pretrain] or [train.sft]"),
    ("\n[caht]\nx = 1", "line 2: there is no command for [caht]; did you mean [chat]?"),
    ("[train.stf]", "there is no command for [train.stf]; did you mean [train.sft]?"),
    ("[config]\njson = true", "there is no command for [config]"),
    ('top_k = "many"', 'line 1: top_k is "many", but must be a whole number'),
    ("top_k = 1.5", "top_k is 1.5, but must be a whole number"),
    ("top_k = true", "top_k is true, but must be a whole number"),
    ("top_k = -1", "line 1: top_k is -1, but must be a whole number, 0 (off) or more"),
    ("temperature = nan", "line 1: temperature is nan, but must be 0 (greedy), or from"),
    ("temperature = [1]", "temperature is [1], but must be a number"),
    ("greedy = 1", "greedy is 1, but must be true or false"),
    ("model = 5", 'model is 5, but must be a text in quotes, as in "this"'),
    ('stop = "x"', 'stop is "x", but must be a list of texts, as in ["one", "two"]'),
    ("stop = [1]", "stop is [1], but must be a list of texts"),
    ('engine = "vllm"', 'engine is "vllm", but must be one of auto, native, transformers'),
    ('dtype = "int4"', 'dtype is "int4", but must be one of auto, float32'),
    ("pace = 0", "pace is 0 tokens a second, but must be above 0"),
    ("[chat]\nmax-tokens = 0", "line 2: max_tokens: 0 is not in the range x>=1"),
    ('order = "topk"', "order is 'topk', but must be one of hf, llamacpp"),
    ('logit_bias = ["x"]', "--logit-bias wants ID=X"),
    ("[train.plot]\nforce = true", "force can't be a default: it is said each time, by --force"),
    ("top_k = 1\ntop-k = 2", "line 2: top_k is given twice; keep one"),
    ("greedy = true\ntemperature = 1", "line 2: greedy and temperature rule each other out"),
    (
        "[presets.x]\ntop_k = 1\ntemprature = 1",
        "line 3, [presets.x]: unknown sampling setting 'temprature'; did you mean temperature?",
    ),
    ("[presets.x]\nzz = 1", "line 2, [presets.x]: unknown sampling setting 'zz'; there are "),
    (
        "[presets.x]\n\ntop-p = 2",
        "line 3, [presets.x]: top_p is 2, but must be above 0 and at most 1",
    ),
    ('[presets."a b"]\ntop_k = 1', "line 1: the preset 'a b' needs a name without spaces"),
    ("[presets]\nx = 1", "line 2: x is 1; a preset is a table, [presets.NAME]"),
    ("top_k = x\n", "not TOML, Invalid value (at line 1, column 9); a line is key = value"),
    ("[presets.诗意]", 'a name that isn\'t plain ASCII wants quotes, as in [presets."诗意"]'),
    ("a = " + "[" * 5000, "tables nested too deeply"),
]


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_what_is_wrong_is_one_line_with_its_place(write: Write, text: str, said: str) -> None:
    path = write(text)
    outcome = run("probs", "a")
    assert outcome.status == 2 and outcome.out == ""
    assert outcome.only_error.startswith(str(path)) and said in outcome.only_error


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(text, marks=[pytest.mark.slow] if number else [])
        for number, (text, _) in enumerate(WRONG)
    ],
)
def test_config_and_help_work_whatever_the_file_holds(write: Write, text: str) -> None:
    path = write(text)
    shown = run("config", "chat")
    assert shown.status == 2
    assert any(row.split()[:2] == ["model", '"builtin"'] for row in shown.out.splitlines())
    assert str(path) in shown.only_error
    assert run("config", "--path").out == f"{path}\n"
    for command in ("probs", "models", "config"):
        helped = run(command, "--help")
        assert helped.status == 0 and helped.err == ""


def test_every_problem_is_listed_and_a_command_names_the_first(write: Write) -> None:
    write("[complete]\nnun = 2\nnum = 0\n[caht]\na = 1\nb = 2\n")
    assert len(run("config").err.splitlines()) == 2 + 3  # remarks, problems
    assert run("probs", "a").only_error.endswith("(2 more; see `chatcli config`)")


def test_a_file_that_cannot_be_read_is_named(write: Write) -> None:
    path = write(b"model = '\xff'")
    assert run("models").only_error == f"{path}: byte 10 isn't UTF-8; save the file as UTF-8"
    path.unlink()
    path.mkdir()
    assert f"{path}: Is a directory" in run("models").only_error


def test_the_list_says_what_is_set_where_and_for_whom(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(
        "seed = 5\n\n[complete]\nmax-tokens = [\n]\n".replace("[\n]", "7")
        + '[presets."诗意"]\ntop-k = 9\nlogit-bias = {"4" = -3}\n'
    )
    monkeypatch.setenv("CHATCLI_MODEL", "小模型")
    outcome = run("config")
    rows = [row.split("  ") for row in outcome.out.splitlines()]
    cells = [[cell.strip() for cell in row if cell] for row in rows]
    assert cells[0] == ["option", "value", "from", "holds for"]
    assert cells[1][:3] == ["model", '"小模型"', "CHATCLI_MODEL"]
    assert cells[2][:3] == ["seed", "5", "config.toml, line 1"]
    assert {"chat", "complete", "probs", "samplers"} <= set(cells[2][3].split(", "))
    assert cells[3] == ["max_tokens", "7", "config.toml, [complete], line 4", "complete"]
    assert cells[4] == [
        *("诗意", "top_k 9, logit_bias {4 = -3}"),
        *("[presets.诗意]", "/preset"),
    ]
    assert f"edit {path}" in outcome.err


def test_without_a_file_the_list_shows_how_to_write_one(write: Write) -> None:
    outcome = run("config")
    assert (outcome.status, outcome.out) == (0, "")
    example = "\n".join(row for row in outcome.err.splitlines() if row.startswith("    "))
    write("\n".join(row.strip() for row in example.splitlines()))
    assert run("config").status == 0 and "terse" in run("config").out


@pytest.mark.parametrize("columns", [60, 120])
def test_the_table_fits_the_screen(write: Write, columns: int) -> None:
    write('system = "%s"\n' % ("你是一位耐心的老师。" * 12))
    screen = Screen(columns)
    assert main(["config", "chat"], screen_environment(screen)) == 0
    rows = screen.lines()
    (row,) = [row for row in rows if row.startswith("system")]
    assert "你是一位" in row and row.endswith("config.toml, line 1")
    assert len(rows) == len(settings("chat")) + 1


def test_a_command_that_does_not_exist_is_named(write: Write) -> None:
    assert "did you mean 'train sft'?" in run("config", "sft").only_error
    assert "did you mean 'complete'?" in run("config", "compelte").only_error


def test_a_command_of_two_words_may_be_one_argument(write: Write) -> None:
    assert run("config", "train sft").out == run("config", "train", "sft").out != ""
    remarks = " ".join(run("config").err.split())
    assert " train sft, " in remarks and " sessions export, " in remarks


def test_control_characters_in_the_file_are_inert(write: Write) -> None:
    write('system = "\\u001b]0;x\\u0007\\u202e"\n')
    outcome = run("config")
    assert not {"\x1b", "\x07", "\u202e"} & set(outcome.out + outcome.err)


def test_presets_are_sampling_settings_by_name(write: Write) -> None:
    assert presets() == {}
    write('[presets."诗意"]\ntop-k = 9\norder = ["top_k"]\n[presets.dull.logit-bias]\n4 = -3.0\n')
    assert presets() == {
        "诗意": {"top_k": 9, "order": ["top_k"]},
        "dull": {"logit_bias": {"4": -3.0}},
    }
    write("[presets.x]\ntop_k = -1\n")
    with pytest.raises(ConfigError, match=r"presets\.x"):
        presets()


def test_a_command_with_a_config_file_imports_no_torch(write: Write) -> None:
    write("[models]\njson = false\n")
    code = (
        "import sys\nfrom chatcli.cli import main\n"
        "assert main(['config', 'models']) == 0\nassert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_a_prompt_file_beats_the_config_file_and_a_flag_beats_both(
    write: Write, tiny: Path, tmp_path: Path
) -> None:
    prompt = tmp_path / "诗.toml"
    prompt.write_text(
        'description = "x"\ntext = "{{ input }}"\n[sampling]\ntemperature = 0.4\n', encoding="utf-8"
    )
    write("greedy = true\ntop_k = 3\n")
    found = sampling(tiny, "--prompt", str(prompt))
    assert (found["temperature"], found["top_k"]) == (0.4, 3)
    assert sampling(tiny, "--prompt", str(prompt), "-t", "0.6")["temperature"] == 0.6


def test_the_model_at_the_top_level_counts_wherever_the_variable_does(write: Write) -> None:
    write('model = "tiny"\nseed = 3\n')
    for command in (["bench", "suite"], ["sessions", "import"]):
        assert settings(*command)["model"]["value"] == "tiny"
    assert settings("train", "sft")["model"]["shown"] == "required"


def test_lines_are_counted_over_long_texts(write: Write) -> None:
    text = "\n".join(['system = """', *["  一行 = ['''"] * 3000, '"""', "stop = [", '"]",', "]"])
    write(f'{text}\n\n  [complete]  # here\n{text}\n"num" = 3\nnun.x = 1\n')
    assert settings("chat")["system"]["where"] == "config.toml, line 1"
    assert settings("chat")["stop"]["where"] == "config.toml, line 3003"
    assert settings("complete")["num"]["where"] == "config.toml, [complete], line 6013"
    assert "line 6014: there is no command for [complete.nun]" in run("config").err


def test_ids_are_completed_in_the_shell_whatever_the_file_holds(write: Write) -> None:
    write("[[broken")
    done = spawn(
        [],
        _CHATCLI_COMPLETE="complete_bash",
        COMP_WORDS="chatcli config mod",
        COMP_CWORD="2",
    )
    assert done.stdout.decode().split() == ["models"]
