"""The entry point: exit statuses, one-line errors, help, version, shell completion."""

from __future__ import annotations

import io
import os
import shutil
import subprocess

import pytest

from chatcli import __version__
from chatcli.cli import main
from chatcli.cli.app import COMMANDS
from chatcli.errors import ContextError, SamplingError
from chatcli.ui.environment import Environment
from tests.cli.world import ROOT, command, run, spawn


class BrokenPipe(io.StringIO):
    """A reader that went away."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


class FullDisk(io.StringIO):
    """A device without space."""

    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(args: list[str], env: Environment) -> int:
        raise error

    monkeypatch.setattr("chatcli.cli._run", fail)


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (SamplingError("top_p is 2"), 2, "top_p is 2"),
        (ContextError("too long"), 1, "too long"),
        (OSError(28, "No space left on device", "x.txt"), 1, "x.txt: No space left on device"),
        (MemoryError(), 1, "out of memory; a smaller model, or a smaller --context"),
        (KeyError("k"), 1, "a bug in chatcli: KeyError: 'k'; please report it"),
    ],
)
def test_every_error_is_one_line_and_a_status(
    monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, message: str
) -> None:
    failing(monkeypatch, error)
    outcome = run()
    assert outcome.status == status
    assert outcome.only_error.startswith(message)
    assert not outcome.out


def test_an_interruption_is_130_and_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, KeyboardInterrupt())
    outcome = run()
    assert (outcome.status, outcome.out, outcome.err) == (130, "", "")


def test_a_bug_is_raised_where_it_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, KeyError("k"))
    monkeypatch.setenv("CHATCLI_DEBUG", "1")
    with pytest.raises(KeyError):
        run()


def test_a_named_error_stays_one_line_in_debugging_too(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, ContextError("too long"))
    monkeypatch.setenv("CHATCLI_DEBUG", "1")
    assert run().only_error == "too long"


def test_control_characters_in_an_error_are_shown_not_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failing(monkeypatch, ContextError("no \x1b]0;x\x07 here\nor there"))
    outcome = run()
    assert "\x1b" not in outcome.err and "\x07" not in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_a_closed_pipe_is_silence_and_success() -> None:
    err = io.StringIO()
    assert main(["--version"], Environment(io.StringIO(), BrokenPipe(), err)) == 0
    assert err.getvalue() == ""


def test_a_full_disk_is_one_line_and_1() -> None:
    err = io.StringIO()
    assert main(["--version"], Environment(io.StringIO(), FullDisk(), err)) == 1
    assert "No space left on device" in err.getvalue()
    assert len(err.getvalue().splitlines()) == 1


def test_an_error_that_cannot_be_told_still_has_its_status() -> None:
    assert main(["nonsense"], Environment(io.StringIO(), io.StringIO(), FullDisk())) == 2


def test_version_is_one_line() -> None:
    assert run("--version").out == f"chatcli {__version__}\n"


def test_the_bare_command_prints_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run().status == 0
    printed = capsys.readouterr().out
    assert all(f"  {name}  " in printed for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(name, "--help").status == 0
    assert f"Usage: chatcli {name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["complet"], "no command 'complet'; did you mean 'complete'?"),
        (["xyzzy"], "no command 'xyzzy'; there are chat, complete,"),
        (["--nonesuch"], "No such option"),
        (["complete"], "Missing argument 'PROMPT'"),
        (["complete", "a", "--nonesuch"], "No such option"),
        (["complete", "a", "-n", "0"], "Invalid value for '-n'"),
        (["complete", "a", "-n", "many"], "Invalid value for '-n'"),
        (["complete", "a", "b"], "Got unexpected extra argument"),
        (["complete", "a", "--num", "0"], "Invalid value for '--num'"),
        (["complete", "a", "--top", "-1"], "Invalid value for '--top'"),
        (["complete", "a", "--context", "0"], "Invalid value for '--context'"),
        (["complete", "a", "--pace", "0"], "--pace is 0.0 tokens a second"),
        (["complete", "a", "--pace", "nan"], "--pace is nan tokens a second"),
        (["complete", "a", "-t", "-1"], "temperature is -1.0"),
        (["complete", "a", "-t", "nan"], "temperature is nan"),
        (["complete", "a", "-p", "0"], "top_p is 0.0"),
        (["complete", "a", "-p", "1.5"], "top_p is 1.5"),
        (["complete", "a", "-k", "-1"], "top_k is -1"),
        (["complete", "a", "--min-p", "nan"], "min_p is nan"),
        (["complete", "a", "--seed", "-1"], "seed is -1"),
        (["complete", "a", "--order", "alphabetical"], "order is 'alphabetical'"),
        (
            ["complete", "a", "--order", "top_k, top_p", "-t", "1.4"],
            "--temperature 1.4 has no place in --order top_k,top_p: add temperature to it",
        ),
        (["probs", "a", "--order", "top_k", "--logit-bias", "4=-5"], "--logit-bias 4=-5 has no"),
        (["complete", "a", "--logit-bias", "7"], "--logit-bias wants ID=X"),
        (["complete", "a", "--logit-bias", "7=nan"], "logit_bias[7] is nan"),
        (["complete", "a", "--greedy", "-t", "1"], "--greedy is temperature 0, but"),
        (["complete", "a", "--system", "b"], "--system needs --chat"),
        (["complete", "a", "--chat", "--special"], "--special reads raw text"),
        (["probs"], "no PROMPT"),
        (["probs", "a", "--top", "0"], "Invalid value for '--top'"),
        (["chat", "-t", "inf"], "temperature is inf"),
        (["complete", "caf\udce9"], "PROMPT isn't UTF-8"),
    ],
)
def test_wrong_usage_is_2_and_one_line(arguments: list[str], message: str) -> None:
    outcome = run(*arguments)
    assert outcome.status == 2
    assert message in outcome.only_error
    assert not outcome.out


@pytest.mark.parametrize("name", ["complete", "probs"])
def test_stdin_that_is_not_utf8_is_named_by_its_offset(name: str) -> None:
    outcome = run(name, "-", stdin="世界".encode() + b"\xff")
    assert outcome.status == 2
    assert "byte 0xFF at offset 6" in outcome.only_error


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("chatcli com", {"compare", "complete"}),
        ("chatcli complete --temp", {"--temperature"}),
        ("chatcli complete --order ", {"hf", "llamacpp", "vllm", "mlx", "textgen"}),
    ],
)
def test_the_shell_completes_commands_options_and_values(words: str, offered: set[str]) -> None:
    count = str(len(words.split()) - (not words.endswith(" ")))
    done = spawn([], _CHATCLI_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=count)
    assert set(done.stdout.decode().split()) == offered
    assert done.returncode == 0


def test_the_completion_script_names_the_program() -> None:
    # typer asks the parent process which shell it is, so there has to be one.
    bash = shutil.which("bash") or pytest.skip("no bash here")
    line = subprocess.list2cmdline(command("--show-completion"))
    done = subprocess.run([bash, "-c", f"{line}; exit $?"], cwd=ROOT, capture_output=True)
    assert done.returncode == 0 and b"-F _chatcli_completion" in done.stdout


def test_a_module_run_is_the_command() -> None:
    done = spawn(["--version"])
    assert done.stdout.decode() == f"chatcli {__version__}{os.linesep}"


def test_streams_that_the_shell_closed_are_no_bug() -> None:
    line = subprocess.list2cmdline(command("complete", "a", "-t", "nan"))
    done = subprocess.run(["sh", "-c", f"{line} <&- >&-"], cwd=ROOT, capture_output=True)
    assert done.returncode == 2
    assert done.stderr.startswith(b"chatcli: temperature is nan")


def test_usage_has_no_braces_around_what_is_required() -> None:
    for words, usage in (
        ("sessions rename", "[OPTIONS] ID NAME"),
        ("sessions show", "[OPTIONS] [ID]"),
        ("sessions delete", "[OPTIONS] ID..."),
        ("prompts check", "[OPTIONS] [FILE...]"),
        ("config", "[OPTIONS] [COMMAND...]"),
    ):
        assert spawn([*words.split(), "--help"]).stdout.decode().splitlines()[0] == (
            f"Usage: chatcli {words} {usage}"
        )
