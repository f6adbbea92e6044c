"""`chatcli probs --characters`, `--explain` and `--watch` through the entry point."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from chatcli.model.native.model import NativeModel
from tests.cli.world import run
from tests.fakes import tiny_checkpoint

PROMPT = "世界上最高的山"


def asked(folder: Path, *flags: str, prompt: str = PROMPT) -> dict[str, Any]:
    outcome = run("probs", "-m", folder, prompt, "--json", *flags)
    assert outcome.status == 0, outcome.err
    (found,) = outcome.objects
    return found


def by_kind(found: dict[str, Any]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for share in found["shares"]:
        sums[share["kind"]] = sums.get(share["kind"], 0) + share["prob"]
    return sums


def first_token(folder: Path, *flags: str) -> int:
    outcome = run("complete", "-m", folder, PROMPT, "-n", "1", "--json", *flags)
    assert outcome.status == 0, outcome.err
    token: int = outcome.objects[0]["token"]
    return token


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many ids each forward pass was given."""
    fed: list[int] = []
    forward = NativeModel.forward

    def counted(self: NativeModel, ids: Any, cache: Any, *, last: bool = False) -> Any:
        fed.append(len(ids))
        return forward(self, ids, cache, last=last)

    monkeypatch.setattr(NativeModel, "forward", counted)
    return fed


def test_characters_are_shared_out_to_the_last_bit(tiny: Path) -> None:
    found = asked(tiny, "--characters", "--top", "7")
    assert found["prompt"] == PROMPT and found["chain"] is None and found["pending"] == ""
    assert [share["kind"] for share in found["shares"][:7]] == ["character"] * 7
    assert sum(by_kind(found).values()) == pytest.approx(1, abs=1e-6)
    assert all(len(share["text"]) == 1 for share in found["shares"][:7])


def test_a_character_is_all_its_tokens(tiny: Path) -> None:
    """Of whole tokens, the sum over the table of tokens is where each character starts from."""
    tokens = asked(tiny, "--top", "300")["candidates"]
    whole: dict[str, float] = {}
    for one in tokens:
        if one["text"] and one["text"][0] != "\ufffd" and one["token"] > 2:
            whole[one["text"][0]] = whole.get(one["text"][0], 0) + one["raw_prob"]
    found = asked(tiny, "--characters", "--top", "300")
    shares = {share["text"]: share for share in found["shares"] if share["kind"] == "character"}
    for character, prob in whole.items():
        longer = shares[character]["prob"] - prob
        assert -1e-6 <= longer <= 1 - sum(whole.values())


def test_after_the_chain_fewer_characters_are_left(tiny: Path) -> None:
    found = asked(tiny, "--characters", "--after-chain", "-k", "5", "--top", "20")
    assert found["chain"].startswith("temperature 0.7 → top_k 5")
    assert sum(by_kind(found).values()) == pytest.approx(1, abs=1e-6)
    paths = {path["tokens"][0] for share in found["shares"] for path in share["paths"]}
    assert len(paths) <= 5


def test_the_greedy_character_is_what_complete_would_say(tiny: Path) -> None:
    found = asked(tiny, "--characters", "--after-chain", "--greedy")
    best = found["shares"][0]
    assert best["prob"] == 1
    assert best["paths"][0]["tokens"][0] == first_token(tiny, "--greedy")


def test_the_table_names_every_kind(tiny: Path) -> None:
    outcome = run("probs", "-m", tiny, PROMPT, "--characters", "--top", "3")
    assert outcome.status == 0 and outcome.err == ""
    lines = outcome.out.splitlines()
    assert lines[0] == PROMPT and "the next character" in lines[1]
    for name in ("others", "end of text", "control tokens", "invalid bytes", "unresolved"):
        assert any(name in line for line in lines)


@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_the_explained_token_is_what_complete_draws(tiny: Path, seed: str) -> None:
    found = asked(tiny, "--explain", "--seed", seed)
    low, high = found["drawn"]["interval"]
    assert found["seed"] == int(seed) and low <= found["u"] < high
    assert found["drawn"]["token"] == first_token(tiny, "--seed", seed)
    assert found["runner_up"]["token"] != found["drawn"]["token"]
    assert found["drawn"]["prob"] == pytest.approx(high - low)


FLAGS = {"temperature": "-t", "top_p": "-p", "top_k": "-k", "min_p": "--min-p"}


@pytest.mark.parametrize("seed", ["1", "4"])
def test_a_change_does_what_it_says_and_a_smaller_one_does_not(tiny: Path, seed: str) -> None:
    found = asked(tiny, "--explain", "--seed", seed)
    changes = [one for one in found["changes"] if one["setting"] in FLAGS]
    assert sum(one["value"] is not None for one in changes) >= 4
    for one in changes:
        if one["value"] is None:
            continue
        flag = FLAGS[one["setting"]]
        back = (1 if one["setting"] == "top_k" else 0.0001) * (-1 if one["up"] else 1)
        smaller = round(one["value"] + back, 4)
        assert first_token(tiny, "--seed", seed, flag, str(one["value"])) == one["token"]
        if smaller != 0:  # of these settings 0 is off
            same = first_token(tiny, "--seed", seed, flag, str(smaller))
            assert same == found["drawn"]["token"] != one["token"]


def test_explaining_feeds_the_prompt_and_nothing_else(tiny: Path, passes: list[int]) -> None:
    found = asked(tiny, "--explain", "--seed", "1")
    assert passes == [len(found["prompt_ids"])]


def test_a_seed_that_was_drawn_is_told(tiny: Path) -> None:
    found = asked(tiny, "--explain")
    assert found["drawn"]["token"] == first_token(tiny, "--seed", str(found["seed"]))
    shown = run("probs", "-m", tiny, PROMPT, "--explain").out
    assert "seed " in shown and "is drawn" in shown


def test_a_watched_string_has_the_product_of_its_tokens(tiny: Path, passes: list[int]) -> None:
    found = asked(tiny, "--watch", "高", "--watch", "q世")
    one, two = found["watch"]
    assert [one["text"], two["text"]] == ["高", "q世"]
    assert len(two["ids"]) == len(two["probs"]) > 1
    assert two["prob"] == pytest.approx(math.prod(two["probs"]))
    assert two["bits"] == pytest.approx(-math.log2(two["prob"]))
    assert len(passes) <= 3 and passes[0] == len(found["prompt_ids"])


def test_a_watched_token_has_the_probability_of_the_table(tiny: Path) -> None:
    found = asked(tiny, "--top", "300", "--watch", "q")
    (seen,) = found["watch"]
    (same,) = (one for one in found["candidates"] if [one["token"]] == seen["ids"])
    assert (seen["rank"], seen["prob"]) == (same["rank"], pytest.approx(same["raw_prob"]))


@pytest.mark.parametrize("question", [[], ["--characters"], ["--explain", "--seed", "1"]])
def test_strings_are_watched_beside_every_question(tiny: Path, question: list[str]) -> None:
    lines = run("probs", "-m", tiny, PROMPT, "--watch", "高", *question).out.splitlines()
    assert lines[-3] == "" and lines[-2].startswith("watched") and lines[-1].startswith("高")
    assert [one["text"] for one in asked(tiny, "--watch", "高", *question)["watch"]] == ["高"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--characters", "--explain"], "--characters and --explain are two questions"),
        (["--after-chain"], "--after-chain needs --characters"),
        (["--watch", ""], "the watched text is empty"),
        (["--watch", "a\udcff"], "--watch isn't UTF-8: undecodable byte at character 1"),
    ],
)
def test_questions_that_cannot_be_asked_are_one_line(
    tiny: Path, flags: list[str], said: str
) -> None:
    outcome = run("probs", "-m", tiny, PROMPT, *flags)
    assert outcome.status == 2 and outcome.only_error.startswith(said)


@pytest.mark.parametrize(
    "flags", [["--characters"], ["--after-chain"], ["--explain"], ["--watch", "a"]]
)
def test_a_question_needs_a_prompt(flags: list[str]) -> None:
    outcome = run("probs", *flags)
    assert outcome.status == 2
    assert outcome.only_error.startswith(f"{flags[0]} needs a PROMPT")


def test_a_string_that_the_tokenizer_cannot_spell_is_named(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    backend = Tokenizer(models.WordLevel(vocab={"<unk>": 0, "A": 1}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    backend.save(str(tiny_checkpoint(tmp_path) / "tokenizer.json"))
    outcome = run("probs", "-m", tmp_path, "A", "--watch", "A峰")
    assert outcome.status == 2
    assert "'A峰'" in outcome.only_error and "no '峰'" in outcome.only_error


def test_a_default_gives_way_to_the_other_question(tiny: Path, clean_environment: Path) -> None:
    from chatcli.folders import config_folder

    config_folder().mkdir(parents=True)
    (config_folder() / "config.toml").write_text("[probs]\ncharacters = true\nafter_chain = true\n")
    assert "shares" in asked(tiny)
    assert asked(tiny)["chain"]
    assert "changes" in asked(tiny, "--explain", "--seed", "1")


def test_the_built_in_model_says_what_a_person_expects() -> None:
    found = asked(Path("builtin"), "--characters")
    best = found["shares"][0]
    assert best["text"] == "是" and best["prob"] > 0.5
    assert by_kind(found)["unresolved"] < 0.05
