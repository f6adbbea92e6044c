"""Each warning about a chat template is true, and a sound template gets none."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken
from tokenizers.processors import TemplateProcessing

from chatcli.text import bounds
from chatcli.text.lint import lint
from chatcli.text.tokenizer import CheckpointTokenizer, load_tokenizer
from chatcli.text.types import Message
from tests.shared import shared_json
from tests.text.toys import CHATML, byte_level, save

LLAMA3 = (
    "{% for m in messages %}{{ bos_token if loop.first }}<|start_header_id|>{{ m.role }}"
    "<|end_header_id|>\n\n{{ m.content | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
LLAMA2 = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'assistant' %} {{ m.content }}"
    "{{ eos_token }}{% else %}[INST] {{ m.content }} [/INST]{% endif %}{% endfor %}"
)
NO_SYSTEM = "{% set messages = messages | rejectattr('role', 'equalto', 'system') | list %}"
REFUSES = "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
TOKENS = ("<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|eot_id|>")
HEADERS = ("<|start_header_id|>", "<|end_header_id|>", "<|open|>")


def made(folder: Path, template: str | None, *, ends: tuple[str, ...] = (), **settings: Any) -> Any:
    backend = byte_level(*TOKENS, *HEADERS)
    config = {"bos_token": "<s>", "eos_token": "</s>", **settings}
    config |= {"chat_template": template} if template is not None else {}
    numbers = [backend.token_to_id(text) or 0 for text in ends]
    return load_tokenizer(save(folder, backend, tokenizer_config=config), extra_eos=numbers)


@pytest.mark.parametrize("template", [CHATML, LLAMA2, LLAMA3], ids=["chatml", "llama2", "llama3"])
def test_a_sound_template_gets_no_warning(tmp_path: Path, template: str) -> None:
    assert lint(made(tmp_path, template)) == ()


@pytest.mark.parametrize(
    ("template", "warning"),
    [
        (None, r"^no chat template, .* a reply ends where it writes 'User:' or 'Assistant:'$"),
        (NO_SYSTEM + CHATML, "drops the system message: the model never sees"),
        (REFUSES + CHATML, r"failed: no system role; so a system prompt can't be given"),
        (CHATML.split("{% if add")[0], r"no generation prompt: .*'<\|im_start\|>assistant'"),
        ("{{ bos_token }}{{ bos_token }}" + LLAMA2, "writes <s> twice at its beginning"),
        ("{{ messages[0].content.x.y }}", "so a first message can't be sent"),
        ("{% if messages | length > 1 %}{{ 1 / 0 }}{% endif %}", "a second message can't be sent"),
        ("{% for m in messages[:1] %}{{ m.content }}{% endfor %}", "drops the newest message"),
        ("{{ messages[-1].content }}", "drops the first message"),
        ("{% if %}", "has an error in line 1"),
    ],
)
def test_a_fault_is_named_with_its_cause(
    tmp_path: Path, template: str | None, warning: str
) -> None:
    tokenizer = made(tmp_path, template, add_bos_token=True)
    found = [line for line in lint(tokenizer) if re.search(warning, line)]
    assert len(found) == 1 and "\n" not in found[0]


@pytest.mark.parametrize(
    "template", ["{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"]
)
def test_a_template_that_loops_is_stopped_once(
    tmp_path: Path, template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "SECONDS", 0.05)
    (warning,) = lint(made(tmp_path, template))
    assert "did not end within 0.05 s; so a first message can't be sent" in warning


def test_a_reply_that_is_opened_after_every_message_needs_no_prompt(tmp_path: Path) -> None:
    opens = "<|open|>{{ m.role }}<|open|>{{ m.content }}<|im_end|>"
    template = f"{{% for m in messages %}}{opens}{{% endfor %}}<|open|>assistant<|open|>"
    assert lint(made(tmp_path, template)) == ()


def test_llama_3_stops_at_the_end_of_a_turn_and_says_that_others_may_not(tmp_path: Path) -> None:
    tokenizer: CheckpointTokenizer = made(tmp_path, LLAMA3, ends=("</s>",))
    ends = {tokenizer.encode(text, special=True)[0] for text in ("</s>", "<|eot_id|>")}
    assert tokenizer.eos_ids == ends
    assert lint(tokenizer) == ()
    (warning,) = lint(tokenizer, thorough=True)
    assert "ends a turn with <|eot_id|>, which eos_token_id doesn't name (it has </s>)" in warning
    named = made(tmp_path / "named", LLAMA3, ends=("</s>", "<|eot_id|>"))
    assert lint(named, thorough=True) == ()


def test_a_bos_of_template_and_tokenizer_is_fed_once(tmp_path: Path) -> None:
    backend = byte_level(*TOKENS, *HEADERS)
    backend.post_processor = TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", backend.token_to_id("<s>"))]
    )
    config = {"bos_token": "<s>", "eos_token": "</s>", "chat_template": LLAMA3}
    tokenizer = load_tokenizer(save(tmp_path, backend, tokenizer_config=config))
    ids = tokenizer.encode_chat([Message("user", "a")])
    assert ids.count(ids[0]) == 1
    assert backend.encode(tokenizer.decode(ids)).ids[:2] == 2 * ids[:1]
    assert lint(tokenizer) == ()
    (warning,) = lint(tokenizer, thorough=True)
    assert "writes <s> and so does the tokenizer" in warning and "chatcli feeds it once" in warning


def test_a_reply_without_an_end_is_only_told_to_who_asks(tmp_path: Path) -> None:
    plain = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    tokenizer = made(tmp_path, plain + "{% if add_generation_prompt %}assistant:{% endif %}")
    assert lint(tokenizer) == ()
    (warning,) = lint(tokenizer, thorough=True)
    assert "ends a reply with no token that generation stops at" in warning


def test_an_end_that_the_last_reply_leaves_open_is_found(tmp_path: Path) -> None:
    # As Qwen 1.5 has it: only a turn that another follows is closed.
    template = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
        "{% if not loop.last or add_generation_prompt %}{{ '<|im_end|>' }}{% endif %}\n"
        "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    tokenizer = made(tmp_path, template)
    assert tokenizer.eos_ids >= set(tokenizer.encode("<|im_end|>", special=True))


def test_an_end_that_no_file_flags_as_special_ends_a_reply_unseen(tmp_path: Path) -> None:
    plain = tuple(AddedToken(text, normalized=False) for text in ("<|im_start|>", "<|im_end|>"))
    backend = byte_level("</s>", added=plain)
    config = {"eos_token": "</s>", "chat_template": CHATML}
    tokenizer = load_tokenizer(save(tmp_path, backend, tokenizer_config=config))
    (end,) = tokenizer.encode("<|im_end|>", special=True)
    assert end in tokenizer.eos_ids and tokenizer.is_special(end)
    assert "".join(map(tokenizer.detokenizer().add, [*tokenizer.encode("ok"), end])) == "ok"


# Of the shared templates, those that treat a system prompt so, as reading them shows.
DROPPING = ("Orion", "Phi-3-mini", "Phi-3-medium", "yandex", "Instruct-v0.3")
REFUSING = ("7B-Instruct-v0.2-NOTE", "gemma-7b-it", "7B-Instruct-v0.1", "Llama-Guard")
# Templates for calling functions alone: without any they fail. One sees only what it judges.
OTHER = ("firefunction", "command-r-v01", "Hermes-2-Pro", "Llama-Guard")


def test_the_shared_templates_are_warned_about_where_it_is_true(tmp_path: Path) -> None:
    tokens = re.compile(r"<[|｜][^<>|｜]+[|｜]>|</?s>|<(?:start|end)_of_turn>")
    for case in shared_json("conformance", "chat_templates.json"):
        template, name = case["template"], case["id"]
        backend = byte_level(*sorted({"<s>", "</s>", *tokens.findall(template)}))
        more = [f"<{number}>" for number in range(9)]  # some templates write them by number
        names = {"bos_token": "<s>", "eos_token": "</s>", "additional_special_tokens": more}
        config = {"chat_template": template, **names}
        warnings = lint(load_tokenizer(save(tmp_path, backend, tokenizer_config=config)))
        about = {
            "drops the system message": DROPPING,
            "so a system prompt can't": REFUSING,
            "": (*DROPPING, *REFUSING, *OTHER),
        }
        for text, names_of in about.items():
            fired = any(text in warning for warning in warnings)
            assert fired == any(part in name for part in names_of), (name, warnings)
