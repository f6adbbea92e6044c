"""What holds for every test: no network, an empty home, a fixed terminal, one thread."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch

from tests.fakes import tiny_checkpoint

HOMES = itertools.count()
PREFIXES = ("CHATCLI_", "HF_", "HUGGINGFACE_", "TRANSFORMERS_", "XDG_")
TERMINAL = {"COLUMNS": "80", "LINES": "24", "TERM": "xterm-256color", "LANG": "C.UTF-8"}
UNSET = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "LC_ALL", "PYTHONUTF8")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Fail a test that connects or looks a name up, even where the code catches the error."""
    attempts: list[str] = []

    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        attempts.append(repr(args[-1] if args else kwargs))
        raise OSError("the network is blocked in tests")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    yield attempts
    assert not attempts, f"the test reached for the network: {', '.join(attempts)}"


@pytest.fixture(autouse=True)
def clean_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """An empty home, no settings from outside, an 80 by 24 terminal; returns the home."""
    for name in [name for name in os.environ if name.startswith(PREFIXES)]:
        monkeypatch.delenv(name)
    for name in UNSET:
        monkeypatch.delenv(name, raising=False)
    # Not numbered by pytest, which looks through all homes before for the next number.
    home = tmp_path_factory.mktemp(f"home{next(HOMES)}", numbered=False)
    monkeypatch.setenv("HOME", str(home))
    for name, value in TERMINAL.items():
        monkeypatch.setenv(name, value)
    return home


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """The same kernels, and so the same rounding, whatever the machine.

    A second thread gains nothing at these sizes, and on busy cores each product would wait
    for it; a test of what threads change sets their number itself.
    """
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The random two-layer Llama; tests only read it."""
    return tiny_checkpoint(tmp_path_factory.mktemp("checkpoints") / "tiny")
