"""The list of models and the page of one, on screens of several widths."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len

from chatcli.model.catalog import ModelDetails, ModelEntry
from chatcli.model.sizes import ModelSizes
from chatcli.ui.environment import Environment
from chatcli.ui.models_table import show_details, show_models

BUILTIN = ModelEntry(
    "builtin", Path("/models/builtin"), "qwen3", 7_340_032, 15_728_640, "native", None
)
BROKEN = ModelEntry("珠穆朗玛/\x1b[2J", Path("b"), "", None, None, None, "no\nweights\x07")
DETAILS = ModelDetails(
    entry=BUILTIN,
    sizes=ModelSizes(8, 6, 2, 64, 384, 8192, None),
    stored="bfloat16",
    memory={"float32": 29_360_128, "bfloat16": 14_680_064},
    kv_per_token={"float32": 8192, "bfloat16": 4096},
    tokenizer="byte-level BPE",
    tokenizer_size=8192,
    chat_template=False,
    tokenizer_problem=None,
    sampling={"temperature": 0.7},
    digest="ab" * 32,
)


def world(columns: int | None = None) -> tuple[Environment, io.StringIO, io.StringIO]:
    out, err = io.StringIO(), io.StringIO()
    terminal = columns is not None
    size = (columns or 80, 24)
    env = Environment(io.StringIO(), out, err, stdout_is_terminal=terminal, size=lambda: size)
    return env, out, err


def test_the_list_has_a_row_a_model_and_says_what_is_wrong() -> None:
    env, out, err = world()
    show_models(env, [BUILTIN, BROKEN])
    assert out.getvalue().splitlines() == [
        "model          architecture  parameters   on disk  engine",
        "builtin        qwen3          7,340,032  15.0 MiB  native",
        "珠穆朗玛/␛[2J                   unknown   unknown  none",
    ]
    assert len(err.getvalue().splitlines()) == 1 and "\x07" not in err.getvalue()


def test_an_adapter_is_shown_with_its_base() -> None:
    tuned = replace(BUILTIN, name="tuned", method="LORA", base=Path("/models/base\x1b"))
    env, out, _ = world()
    show_models(env, [tuned])
    assert "qwen3, LORA on base␛ " in out.getvalue()
    show_details(env, replace(DETAILS, entry=tuned))
    assert "adapter        LORA, merged into its base /models/base␛\n" in out.getvalue()


@pytest.mark.parametrize("columns", [20, 40, 59])
def test_no_row_is_wider_than_the_terminal(columns: int) -> None:
    env, out, _ = world(columns)
    show_models(env, [BUILTIN, BROKEN])
    lines = out.getvalue().splitlines()
    assert max(map(cell_len, lines)) <= columns
    assert "builtin" in out.getvalue()


def test_a_page_says_what_a_model_needs() -> None:
    env, out, _ = world()
    show_details(env, DETAILS)
    assert out.getvalue().splitlines() == [
        "builtin",
        "path           /models/builtin",
        "architecture   qwen3",
        "engine         native",
        "layers         8",
        "heads          6",
        "width          384",
        "vocabulary     8,192",
        "context        unknown tokens",
        "parameters     7,340,032",
        "on disk        15.0 MiB as bfloat16",
        "memory         28.0 MiB in float32, 14.0 MiB in bfloat16",
        "KV cache       8.0 KiB in float32, 4.0 KiB in bfloat16, for each token",
        "tokenizer      byte-level BPE, 8,192 tokens",
        "chat template  none; chatcli's plain one",
        "sampling       temperature 0.7",
        f"digest         {'ab' * 32}",
    ]


def test_on_a_narrow_screen_a_fact_stands_under_its_title() -> None:
    env, out, _ = world(20)
    show_details(env, DETAILS)
    assert out.getvalue().startswith("builtin\npath\n  /models/builtin\narchitecture\n  qwen3\n")


def test_no_models_at_all_are_a_remark_and_no_table() -> None:
    env, out, err = world()
    show_models(env, [])
    assert out.getvalue() == ""
    assert err.getvalue().startswith("no model is here;")


def test_what_is_wrong_with_the_chat_template_is_said_below_the_page() -> None:
    env, out, err = world()
    show_details(env, replace(DETAILS, warnings=("it drops the <\x1b[2J> message", "and more")))
    assert "drops" not in out.getvalue()
    assert err.getvalue() == "it drops the <␛[2J> message\nand more\n"
