"""`chatcli probs` through the entry point."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from tests.cli.world import run
from tests.fakes import tiny_checkpoint

PROMPT = "世界上最高的山"


def test_the_table_has_a_row_for_every_candidate(tiny: Path) -> None:
    outcome = run("probs", "-m", tiny, PROMPT, "--top", "4")
    assert outcome.status == 0 and outcome.err == ""
    lines = outcome.out.splitlines()
    assert lines[0] == PROMPT
    assert [line.split()[0] for line in lines[5:9]] == ["1", "2", "3", "4"]
    assert "temperature 0.7 → top_k 40 → top_p 0.9" in outcome.out


def test_json_is_one_object(tiny: Path) -> None:
    (found,) = run("probs", "-m", tiny, PROMPT, "--top", "4", "--json", "-k", "2").objects
    assert found["prompt"] == PROMPT and found["order"] == "hf"
    assert [stage["name"] for stage in found["stages"]] == ["temperature", "top_k", "top_p"]
    assert [one["rank"] for one in found["candidates"]] == [1, 2, 3, 4]
    assert found["candidates"][2]["removed_by"] == "top_k"


def test_probs_and_complete_agree(tiny: Path) -> None:
    (found,) = run("probs", "-m", tiny, PROMPT, "--json").objects
    first = run("complete", "-m", tiny, PROMPT, "-n", "1", "--json", "--seed", "1").objects[0]
    assert found["entropy_bits"] == pytest.approx(first["entropy_bits"])
    assert [one["token"] for one in found["candidates"]] == [
        one["token"] for one in first["candidates"][:10]
    ]


@pytest.mark.parametrize("flags", [[], ["--system", "Be kind."], ["--prefill", "Sure"]])
def test_chat_asks_about_the_reply(tiny: Path, flags: list[str]) -> None:
    (chat,) = run("probs", "-m", tiny, "Hi", "--chat", *flags, "--json").objects
    (raw,) = run("probs", "-m", tiny, "Hi", "--json").objects
    assert len(chat["prompt_ids"]) > len(raw["prompt_ids"])


def test_the_prompt_may_come_from_stdin(tiny: Path) -> None:
    piped = run("probs", "-m", tiny, "-", "--json", stdin=f"{PROMPT}\n")
    assert piped.out == run("probs", "-m", tiny, PROMPT, "--json").out


def test_a_prompt_longer_than_the_context_says_both_numbers(tiny: Path) -> None:
    outcome = run("probs", "-m", tiny, "zq" * 30, "--context", "50")
    assert outcome.status == 1
    assert "60 tokens" in outcome.only_error and "50" in outcome.only_error


@pytest.mark.parametrize("name", ["probs", "complete"])
@pytest.mark.parametrize(
    ("prompt", "named"),
    [("A 世\nA", "␣世↵"), ("A" + "".join(map(chr, range(0x4E00, 0x4E64))), "专 and 80 more")],
)
def test_characters_that_the_vocabulary_lacks_are_named(
    tmp_path: Path, name: str, prompt: str, named: str
) -> None:
    backend = Tokenizer(models.WordLevel(vocab={"<unk>": 0, "A": 1}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    backend.save(str(tiny_checkpoint(tmp_path) / "tokenizer.json"))
    outcome = run(name, "-m", tmp_path, prompt, "--json")
    (remark,) = outcome.err.splitlines()
    assert outcome.status == 0 and outcome.objects
    assert remark.startswith("this model's vocabulary has no ") and f"{named}: it reads" in remark


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_without_a_prompt_there_must_be_a_terminal(tiny: Path, flags: list[str]) -> None:
    outcome = run("probs", "-m", tiny, *flags)
    assert outcome.status == 2 and "no PROMPT to look behind" in outcome.only_error
