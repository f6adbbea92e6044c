"""`chatcli score` through the entry point: texts, conversations, choices, files of questions."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

import chatcli
from chatcli.folders import config_folder
from tests.cli.world import run
from tests.fakes import tiny_checkpoint
from tests.shared import shared_path

TEXT = "世界上最高的山 is high"
TOKEN = {
    *("index", "token", "text", "bytes", "part", "prob", "rank"),
    *("surprisal_bits", "entropy_bits", "seen"),
}


@pytest.fixture(scope="module")
def roomy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint, with a context that holds any of the prompts."""
    return tiny_checkpoint(tmp_path_factory.mktemp("roomy"), max_position_embeddings=2048)


def lines(path: Path, *objects: dict[str, Any]) -> Path:
    text = "\n".join(json.dumps(one, ensure_ascii=False) for one in objects)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def test_json_is_an_object_a_token_and_a_summary(tiny: Path) -> None:
    outcome = run("score", "-m", tiny, TEXT, "--json")
    assert outcome.status == 0 and outcome.err == ""
    *tokens, summary = outcome.objects
    assert all(set(token) == TOKEN for token in tokens)
    assert bytes.fromhex("".join(token["bytes"] for token in tokens)).decode() == TEXT
    assert [token["index"] for token in tokens] == list(range(len(tokens)))
    first, *rest = tokens
    assert (
        first["prob"] is first["rank"] is first["surprisal_bits"] is first["entropy_bits"] is None
    )
    assert summary["tokens"] == len(tokens) and summary["counted"] == len(rest)
    bits = sum(token["surprisal_bits"] for token in rest)
    assert summary["bits"] == pytest.approx(bits)
    assert summary["perplexity"] == pytest.approx(2 ** (bits / len(rest)))
    assert summary["bits_per_byte"] == pytest.approx(
        bits / (len(TEXT.encode()) - len(first["bytes"]) // 2)
    )
    assert summary["windows"] == 1 and summary["with_template"] is None


def test_the_numbers_are_those_of_probs(tiny: Path) -> None:
    last = run("score", "-m", tiny, TEXT + "h", "--json").objects[-2]
    (found,) = run("probs", "-m", tiny, TEXT, "--top", "300", "--json").objects
    (same,) = [one for one in found["candidates"] if one["token"] == last["token"]]
    assert last["prob"] == pytest.approx(same["raw_prob"], rel=1e-4)
    assert last["rank"] == same["rank"]
    assert last["entropy_bits"] == pytest.approx(found["entropy_bits"], abs=1e-4)


def test_with_a_start_token_the_first_token_has_a_probability(tmp_path: Path) -> None:
    folder = tiny_checkpoint(tmp_path)
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    settings |= {"bos_token": "<|endoftext|>", "add_bos_token": True}
    path.write_text(json.dumps(settings))
    start, first, *_, summary = run("score", "-m", folder, "ab", "--json").objects
    assert start["part"] == "start" and start["prob"] is None
    assert first["part"] == "text" and 0 < first["prob"] < 1
    assert summary["characters"] == 2 and summary["counted"] == summary["tokens"] - 1


def test_a_pipe_gets_the_table_and_what_it_comes_to(tiny: Path) -> None:
    outcome = run("score", "-m", tiny, "the山")
    heading, first, *rows = outcome.out.splitlines()
    assert heading.split() == ["#", "token", "id", "probability", "rank", "surprisal", "entropy"]
    assert first.split()[0] == "1" and first.split()[-4:] == ["–"] * 4
    assert "\x1b" not in outcome.out
    assert rows[-1].startswith(f"{len(rows) - 2} of {len(rows) - 1} tokens counted · perplexity ")


def test_chat_tells_the_tokens_of_the_template(tiny: Path) -> None:
    found = run("score", "-m", tiny, "Hi", "--chat", "--system", "Be kind.", "--json").objects
    *tokens, summary = found
    parts = {part: "" for part in ("template", "system", "message")}
    for token in tokens:
        parts[token["part"]] += bytes.fromhex(token["bytes"]).decode()
    assert (parts["system"], parts["message"]) == ("Be kind.", "Hi")
    assert parts["template"].endswith("<|im_end|>\n<|im_start|>assistant\n")
    assert summary["with_template"]["counted"] == len(tokens) - 1 > summary["counted"]
    assert summary["characters"] == len("Be kind.Hi")
    (asked,) = run("probs", "-m", tiny, "Hi", "--chat", "--system", "Be kind.", "--json").objects
    assert [token["token"] for token in tokens] == asked["prompt_ids"]


def test_json_lines_are_texts_and_conversations(tiny: Path) -> None:
    said = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
    ]
    stdin = "\n".join(json.dumps(one) for one in ({"text": "ab"}, {"messages": said})) + "\n\n"
    found = run("score", "-m", tiny, "-", "--jsonl", "--json", stdin=stdin).objects
    assert {one["line"] for one in found if "token" in one} == {1, 2}
    replies = [one["text"] for one in found if one.get("part") == "reply"]
    assert "".join(replies) == "Hello"
    first, second = (one for one in found if "windows" in one)
    assert found[-1]["lines"] == 2
    assert found[-1]["counted"] == first["counted"] + second["counted"]
    assert found[-1]["bits"] == pytest.approx(first["bits"] + second["bits"])
    shown = run("score", "-m", tiny, "-", "--jsonl", stdin=stdin)
    assert "standard input, line 2" in shown.out and "all 2 lines" in shown.out


def test_a_long_text_says_how_it_was_read(tiny: Path) -> None:
    outcome = run("score", "-m", tiny, "zq" * 40, "--context", "32", "--stride", "10")
    assert "read in 6 windows of 32 tokens, stride 10" in outcome.out
    assert "each token is given 23 or more" in outcome.out
    summary = run("score", "-m", tiny, "zq" * 40, "--context", "32", "--json").objects[-1]
    assert (summary["stride"], summary["windows"], summary["counted"]) == (16, 4, 79)


def test_a_file_is_read_as_text(tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text(TEXT + "\n", encoding="utf-8")
    assert run("score", "-m", tiny, "--file", path).out == run("score", "-m", tiny, TEXT).out


def test_a_text_in_a_prompt_file_is_scored_with_it(roomy: Path) -> None:
    words = ["score", "-m", str(roomy), "A red house.", "--prompt", "summarize", "--json"]
    *tokens, _ = run(*words).objects
    whole = bytes.fromhex("".join(one["bytes"] for one in tokens)).decode()
    assert whole == "A red house.\n\nTL;DR:"


def test_choices_are_weighed(tiny: Path) -> None:
    (found,) = run(
        *("score", "-m", tiny, "the highest", "--choices", " mountain", "--choices", " a"),
        *("--norm", "prior", "--json"),
    ).objects
    assert found["norm"] == "prior"
    for choice in found["choices"]:
        assert choice["score"] == pytest.approx(choice["logprob"] - choice["prior"])
        text = "the highest" + choice["text"]
        tokens = run("score", "-m", tiny, text, "--json").objects[:-1]
        last = tokens[len(tokens) - len(choice["ids"]) :]
        assert [token["token"] for token in last] == choice["ids"]
        expected = -math.log(2) * sum(token["surprisal_bits"] for token in last)
        assert choice["logprob"] == pytest.approx(expected, abs=1e-4)
    shown = run("score", "-m", tiny, "the highest", "--choices", " in", "--choices", " a").out
    assert sum(line.startswith("▶") for line in shown.splitlines()) == 1


def test_chat_weighs_replies(tiny: Path) -> None:
    (found,) = run(
        *("score", "-m", tiny, "Hi", "--chat", "--choices", "in", "--choices", "a", "--json")
    ).objects
    prompt = run("probs", "-m", tiny, "Hi", "--chat", "--json").objects[0]["prompt_ids"]
    assert found["prompt_ids"] == prompt
    model = chatcli.load(str(tiny), device="cpu")
    assert found["choices"][0]["ids"] == model.tokenizer.encode("in")


def test_merges_and_beginnings_are_remarked_on_once(tiny: Path) -> None:
    outcome = run("score", "-m", tiny, "in ", "--choices", "the", "--choices", "theq")
    merged, begins = outcome.err.splitlines()
    assert outcome.status == 0
    assert merged.startswith("'the' merges with the end of the prompt")
    assert "tokens of 'the' begin those of 'theq'" in begins


def test_a_prompt_file_brings_its_choices_and_examples(roomy: Path) -> None:
    words = ["score", "-m", str(roomy), "The soup was cold.", "--prompt", "sentiment", "--json"]
    (found,) = run(*words).objects
    assert [one["text"] for one in found["choices"]] == [" positive", " negative", " neutral"]
    (zero,) = run(*words, "--shots", "0").objects
    (one,) = run(*words, "--shots", "1").objects
    model = chatcli.load(str(roomy), device="cpu")
    assert model.tokenizer.decode(zero["prompt_ids"]) == "Review: The soup was cold.\nSentiment:"
    assert len(zero["prompt_ids"]) < len(one["prompt_ids"]) < len(found["prompt_ids"])
    (chinese,) = run(*words, "--var", "language=zh").objects
    assert [one["text"] for one in chinese["choices"]] == ["正面", "负面", "中性"]


def test_more_shots_than_there_are_is_said_once(roomy: Path, tmp_path: Path) -> None:
    path = lines(tmp_path / "two.jsonl", {"text": "a"}, {"text": "b", "language": "zh"})
    words = ["score", "-m", str(roomy), "--file", str(path), "--prompt", "sentiment", "--json"]
    many, all_of_them = run(*words, "--shots", "9"), run(*words)
    assert many.out == all_of_them.out
    assert many.err.startswith("the prompt sentiment has ") and many.err.count("--shots 9") == 1
    assert "--shots" not in all_of_them.err


TASKS = [
    ("sentiment", "sentiment"),
    ("entailment", "follows"),
    ("similarity", "paraphrase"),
    ("multiple_choice", "multiple-choice"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("task", "prompt"), TASKS)
@pytest.mark.parametrize("shots", [(), ("--shots", "0")])
def test_a_task_is_one_command(roomy: Path, task: str, prompt: str, shots: tuple[str, ...]) -> None:
    path = shared_path("eval", "four_tasks.jsonl")
    words = [
        "score",
        "-m",
        str(roomy),
        "--file",
        str(path),
        "--where",
        f"task={task}",
        "--prompt",
        prompt,
    ]
    outcome = run(*words, *shots, "--json")
    assert outcome.status == 0, outcome.err
    *rows, summary = outcome.objects
    items = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    wanted = [one for one in items if one["task"] == task]
    assert [row["id"] for row in rows] == [one["id"] for one in wanted]
    assert [row["label"] for row in rows] == [one["gold"] for one in wanted]
    assert [[each["choice"] for each in row["choices"]] for row in rows] == [
        one["labels"] for one in wanted
    ]
    right = sum(row["chosen"] == row["label"] for row in rows)
    assert (summary["lines"], summary["right"], summary["labelled"]) == (20, right, 20)
    assert summary["low"] < summary["accuracy"] == right / 20 < summary["high"]
    assert summary["chance"] == pytest.approx(1 / len(wanted[0]["labels"]))
    assert set(summary["by_language"]) == {"zh", "en"}
    assert sum(one["count"] for one in summary["confusion"]) == 20


def test_what_a_line_becomes_is_written_out_here(roomy: Path, tmp_path: Path) -> None:
    cases: dict[str, tuple[dict[str, Any], str]] = {
        "follows": ({"premise": "P.", "hypothesis": "H."}, "Fact: P. Claim: H.\nTrue?"),
        "paraphrase": ({"sentence1": "A.", "sentence2": "B."}, "1. A. 2. B.\nMeaning:"),
        "entailment": (
            {"premise": "P.", "hypothesis": "H."},
            "Premise: P. Hypothesis: H.\nRelation:",
        ),
        "multiple-choice": (
            {"question": "Q?", "options": {"A": "x", "B": "y"}},
            "Question: Q? A. x B. y\nAnswer:",
        ),
        "sentiment": ({"text": "T."}, "Review: T.\nSentiment:"),
        "similarity": ({"input": "1. A. 2. B."}, "1. A. 2. B.\nSimilarity:"),
    }
    model = chatcli.load(str(roomy), device="cpu")
    for prompt, (fields, expected) in cases.items():
        path = lines(tmp_path / f"{prompt}.jsonl", fields)
        words = ["score", "-m", str(roomy), "--file", str(path), "--prompt", prompt, "--shots", "0"]
        found = run(*words, "--json").objects
        assert found[0]["prompt_tokens"] == len(model.tokenizer.encode(expected)), prompt
        assert found[0]["label"] is found[0]["right"] is found[1]["accuracy"] is None


def test_results_are_a_table_with_accuracy_and_confusion(tiny: Path, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"text": "the", "choices": [" a", " in"], "label": 0},
        {"text": "in", "choices": [" a", " in"], "label": " in"},
        {"messages": [{"role": "user", "content": "Hi"}], "choices": ["x", "y"], "label": "x"},
    ]
    outcome = run("score", "-m", tiny, "--file", lines(tmp_path / "few.jsonl", *rows))
    assert outcome.status == 0, outcome.err
    shown = outcome.out.splitlines()
    assert shown[0].split() == ["line", "chosen", "share", "label"]
    right = sum(line.endswith("✓") for line in shown[1:4])
    assert right + sum(line.endswith("✗") for line in shown[1:4]) == 3
    assert f"{right} of 3 · 95 % interval" in shown[5] and "chance 50.0 %" in shown[5]
    assert any(line.startswith("label") and "→ " in line for line in shown)


@pytest.mark.parametrize(
    ("arguments", "stdin", "said"),
    [
        ([], "", "no TEXT to score"),
        (["x", "--file", "y"], "", "TEXT and --file y"),
        (["x", "--jsonl"], "", "--jsonl reads a file or stdin"),
        (["x", "--where", "a=b"], "", "add --jsonl"),
        (["--file", "nowhere.txt"], "", "can't read nowhere.txt"),
        (["--file", "nowhere.jsonl"], "", "can't read nowhere.jsonl"),
        ([""], "", "the text is empty"),
        (["", "--chat"], "", "--chat needs a message"),
        (["x", "--stride", "999"], "", "the stride is 999"),
        (["x", "--system", "y"], "", "--system needs --chat"),
        (["x", "--shots", "1"], "", "add --prompt NAME"),
        (["x", "--var", "a=b"], "", "add --prompt NAME"),
        (["x", "--choices", "a"], "", "1 choice"),
        (["x", "--choices", "a", "--choices", "a"], "", "'a' is given twice"),
        (["x", "--choices", "a", "--choices", ""], "", "choice 2 is empty"),
        (
            ["x", "--choices", "a", "--choices", "b", "--norm", "mean"],
            "",
            "sum, token, byte, prior",
        ),
        (["-", "--jsonl"], "", "is empty"),
        (["-", "--jsonl"], "[1]\n", "line 1: not a JSON object but [1]"),
        (["-", "--jsonl"], '{"text": "a"}\n{\n', "line 2: not JSON"),
        (["-", "--jsonl"], '{"a": 1}\n', "line 1: it has no"),
        (["-", "--jsonl"], '{"text": 1}\n', "text must be a string, got 1"),
        (["-", "--jsonl"], '{"messages": []}\n', "messages must be a list"),
        (["-", "--jsonl"], '{"messages": [{"role": "x", "content": ""}]}\n', "a message must be"),
        (["-", "--jsonl"], '{"text": "a", "choices": "b"}\n', "choices must be a list"),
        (["-", "--jsonl"], '{"text": "a", "choices": ["b", "b"]}\n', "'b' is given twice"),
        (["-", "--jsonl"], '{"text": "a", "choices": ["b", "c"], "label": 2}\n', "label is 2"),
        (
            ["-", "--jsonl", "--choices", "a", "--choices", "b"],
            '{"text": ""}\n',
            "line 1: its text is empty",
        ),
        (["-", "--jsonl", "--where", "a"], '{"text": "a"}\n', "--where wants FIELD=TEXT"),
        (["-", "--jsonl", "--where", "a=b"], '{"text": "a"}\n', "no line has a=b"),
        (["-", "--jsonl", "--prompt", "follows"], '{"premise": "a"}\n', "the field 'hypothesis'"),
        (["-", "--jsonl", "--prompt", "sentiment"], '{"messages": []}\n', "drop one"),
    ],
)
def test_what_is_wrong_is_one_line(tiny: Path, arguments: list[str], stdin: str, said: str) -> None:
    outcome = run("score", "-m", tiny, *arguments, stdin=stdin)
    assert outcome.status in (1, 2)
    assert said in outcome.err.splitlines()[-1]
    assert outcome.err.splitlines()[-1].startswith("chatcli: ")


def test_a_line_that_does_not_fit_is_named(tiny: Path) -> None:
    stdin = json.dumps({"text": "zq" * 100, "choices": ["a", "b"]})
    outcome = run("score", "-m", tiny, "-", "--jsonl", stdin=stdin)
    assert outcome.status == 1
    assert outcome.only_error.startswith("standard input, line 1: the prompt and the choice 'a'")


def test_what_a_config_file_says_of_a_prompt_waits_for_one(roomy: Path) -> None:
    path = config_folder() / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text('[score]\nshots = 0\nnorm = "token"\n', encoding="utf-8")
    assert run("score", "-m", roomy, "ab").status == 0
    words = ["score", "-m", str(roomy), "Cold.", "--prompt", "sentiment", "--json"]
    (found,) = run(*words).objects
    (flagged,) = run(*words, "--shots", "1", "--norm", "byte").objects
    assert found["norm"] == "token" and flagged["norm"] == "byte"
    assert len(found["prompt_ids"]) < len(flagged["prompt_ids"])


def test_the_transformers_engine_scores_alike(tiny: Path) -> None:
    ours = run("score", "-m", tiny, TEXT, "--json").objects
    theirs = run("score", "-m", tiny, TEXT, "--json", "--engine", "transformers").objects
    assert theirs[-1]["bits"] == pytest.approx(ours[-1]["bits"], rel=1e-5)
    assert [one.get("rank") for one in theirs] == [one.get("rank") for one in ours]
