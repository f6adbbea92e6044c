"""Every prompt that ships is rendered and run; its ids are those of a second, plain reading.

The oracle takes the TOML as it is, renders it with Jinja's own environment, puts the input in
by hand, and joins ChatML token by token; none of chatcli's prompt code is in it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest
from rich.cells import cell_len
from tokenizers import Tokenizer

from chatcli.cli.prompting import (
    PLAIN,
    PromptFileFlags,
    PromptFlags,
    bound_prompt,
    prompt_ids,
)
from chatcli.model.load import load
from chatcli.model.types import LanguageModel
from chatcli.text.prompts import check_prompt, prompt_files, read_file
from tests.cli.world import run
from tests.fakes import tiny_checkpoint

FOLDER = Path(__file__).parents[1] / "prompts"
NAMES = sorted(path.stem for path in FOLDER.glob("*.toml") if path.stem != "plain-chat")
WANTED = (
    "assistant encyclopedia translate story poem explain-code summarize sentiment entailment "
    "similarity multiple-choice tutor"
)
INPUT = "世界上最高的山 {{ language }} is high"
REQUIRED = {"who": "苏东坡 {{ x }}", "fields": "name, 年份", "labels": "体育, science"}


def content(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


def settings(name: str) -> Iterator[dict[str, str]]:
    """Values for the variables: the defaults, then each of the other choices."""
    variables = content(name).get("variables", {})
    usual = {key: one.get("default", REQUIRED.get(key)) for key, one in variables.items()}
    yield usual
    for key, one in variables.items():
        yield from ({**usual, key: choice} for choice in one.get("choices", ()))


CASES = [(name, values) for name in NAMES for values in settings(name)]


def rendered(source: str, values: dict[str, Any]) -> str:
    environment = jinja2.Environment(
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    return environment.from_string(source).render(values)


def oracle_messages(name: str, values: dict[str, str]) -> list[tuple[str, str]]:
    """(role, content) of everything before the reply."""
    whole = content(name)

    def text(source: str) -> str:
        return rendered(source, {**values, "input": "\0"}).strip("\n")

    around = text(whole.get("message", "{{ input }}"))
    messages = [("system", text(whole["system"]))] if "system" in whole else []
    for example in whole.get("examples", ()):
        if all(values[key] == value for key, value in example.get("when", {}).items()):
            messages.append(("user", around.replace("\0", text(example["user"]))))
            messages.append(("assistant", text(example["assistant"])))
    return [*messages, ("user", around.replace("\0", INPUT))]


def oracle_text(name: str, values: dict[str, str]) -> str:
    whole = content(name)
    examples = [
        example
        for example in whole.get("examples", ())
        if all(values[key] == value for key, value in example.get("when", {}).items())
    ]
    text = rendered(whole["text"], {**values, "input": "\0", "examples": examples})
    return text.strip("\n").replace("\0", INPUT)


@pytest.fixture(scope="module")
def roomy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint, with a context that holds any of the prompts."""
    return tiny_checkpoint(tmp_path_factory.mktemp("roomy"), max_position_embeddings=8192)


@pytest.fixture(scope="module")
def model(roomy: Path) -> LanguageModel:
    return load(roomy)


@pytest.fixture(scope="module")
def tokenizer(roomy: Path) -> Tokenizer:
    return Tokenizer.from_file(str(roomy / "tokenizer.json"))


def fed_ids(model: LanguageModel, name: str, values: dict[str, str], *, chat: bool) -> list[int]:
    """What chatcli feeds for `--prompt name --var …`, which must need no remark."""
    file = PromptFileFlags(name, [f"{key}={value}" for key, value in values.items()])
    remarks: list[str] = []
    around = bound_prompt(file) or PLAIN
    ids = prompt_ids(model, INPUT, PromptFlags(chat=chat), remarks.append, around)
    assert remarks == []
    return ids


def chat_ids(tokenizer: Tokenizer, messages: list[tuple[str, str]], prefill: str) -> list[int]:
    """ChatML by hand: 1 opens a turn, 2 ends it."""

    def plain(text: str) -> list[int]:
        ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    ids: list[int] = []
    for role, body in messages:
        ids += [1, *plain(f"{role}\n{body}"), 2, *plain("\n")]
    return [*ids, 1, *plain(f"assistant\n{prefill}")]


def test_at_least_twelve_kinds_ship_and_all_are_right() -> None:
    assert set(WANTED.split()) <= set(NAMES) and len(NAMES) >= 12
    for path in prompt_files():
        check_prompt(read_file(path))


@pytest.mark.parametrize("name", [*NAMES, "plain-chat"])
def test_a_name_and_its_description_fit_on_a_narrow_screen(name: str) -> None:
    whole = content(name)
    for key in ("description", "description_zh"):
        assert whole[key] and len(name) + 2 + cell_len(whole[key]) <= 60


@pytest.mark.parametrize(("name", "values"), CASES)
def test_a_chat_gets_the_ids_of_the_oracle(
    model: LanguageModel, tokenizer: Tokenizer, name: str, values: dict[str, str]
) -> None:
    prefill = rendered(content(name).get("prefill", ""), values)
    expected = chat_ids(tokenizer, oracle_messages(name, values), prefill)
    assert fed_ids(model, name, values, chat=True) == expected


@pytest.mark.parametrize(("name", "values"), [case for case in CASES if "text" in content(case[0])])
def test_raw_text_gets_the_ids_of_the_oracle(
    model: LanguageModel, tokenizer: Tokenizer, name: str, values: dict[str, str]
) -> None:
    expected = tokenizer.encode(oracle_text(name, values), add_special_tokens=False).ids
    assert fed_ids(model, name, values, chat=False) == expected


@pytest.mark.parametrize("name", NAMES)
def test_a_prompt_runs_with_its_own_settings(roomy: Path, name: str) -> None:
    values = [part for pair in next(settings(name)).items() for part in ("--var", "=".join(pair))]
    words = ["--prompt", name, *values, INPUT, "--chat", "-n", "2"]
    outcome = run("complete", "-m", roomy, *words, "--json")
    assert outcome.status == 0
    last = outcome.objects[-1]
    own = content(name).get("sampling", {})
    assert {key: last["sampling"][key] for key in own} == own
    assert last["usage"]["new_tokens"] > 0


def test_what_a_model_gets_of_some_is_written_out_here() -> None:
    sentiment = run("prompts", "show", "sentiment", "--render", "--json").objects[0]
    assert [message["content"] for message in sentiment["messages"][:3]] == [
        "Judge the sentiment of a review. Reply with one word: positive, negative or neutral.",
        "The staff went out of their way to help us, and the room had a lovely view.",
        "positive",
    ]
    assert sentiment["text"].endswith(
        "in a brown box.\nSentiment: neutral\nReview: {{ input }}\nSentiment:"
    )
    chinese = run("prompts", "show", "translate", "--var", "to=zh", "--json").objects[0]
    assert chinese["before"] == "翻译成中文：\n" and chinese["after"] == ""
    assert chinese["text"].splitlines()[:2] == [
        "English: Let's meet at the library entrance at three tomorrow afternoon.",
        "中文：明天下午三点，我们在图书馆门口见面。",
    ]
    facts = run("prompts", "show", "extract", "--var", "fields=name, place", "--json").objects[0]
    assert facts["before"] == "Keys: name, place\n\nText: "
    assert facts["prefill"] == "{" and facts["text"].endswith(":\n{")
