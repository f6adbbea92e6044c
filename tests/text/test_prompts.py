"""Prompt files are checked when they are read, found by name, and filled with values."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tokenizers import AddedToken

from chatcli.errors import PromptFileError
from chatcli.folders import config_folder
from chatcli.text import bounds
from chatcli.text.prompt_binding import line_input
from chatcli.text.prompt_files import Example, PromptFile, Variable
from chatcli.text.prompts import (
    ChatFormat,
    check_prompt,
    find_path,
    find_prompt,
    is_shipped,
    load_format,
    prompt_files,
    prompt_names,
    prompt_paths,
    read_file,
)
from chatcli.text.tokenizer import load_tokenizer
from chatcli.text.types import Message
from tests.shared import shared_json
from tests.text.toys import byte_level, save

WHOLE = """
description = "Questions and answers"
description_zh = "问答"
system = '''
You answer in {{ language }}.
{% if tone %}
Be {{ tone }}.
{% endif %}
'''
message = "Q: {{ input }}\\nA:"
text = '''
{% for example in examples %}
{{ example.user }} = {{ example.assistant }}
{% endfor %}
{{ input }} =
'''
prefill = "In {{ language }}:\\n"
stop = ["\\n", "{{ language }}:", "{{ 'x' if tone else '' }}"]
max_tokens = 8

[variables]
language = { default = "English", choices = ["English", "中文"], help = "of the answer" }
tone = { default = "" }
name = { required = true }

[sampling]
temperature = 0
logit_bias = { 5 = -1.5 }

[[examples]]
user = "1 + 1"
assistant = "2, {{ name }}"

[[examples]]
when = { language = "中文" }
user = "一加二"
assistant = "三"
"""


def written(folder: Path, source: str, name: str = "mine") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.toml"
    path.write_text(source, encoding="utf-8")
    return path


def prompt(folder: Path, source: str, name: str = "mine") -> PromptFile:
    """A prompt of `source`, which needs no description here."""
    found = read_file(written(folder, 'description = "d"\n' + source, name))
    assert isinstance(found, PromptFile)
    return found


def test_a_file_is_read_as_it_stands(tmp_path: Path) -> None:
    found = read_file(written(tmp_path, WHOLE))
    assert isinstance(found, PromptFile)
    assert (found.name, found.description_zh, found.max_tokens) == ("mine", "问答", 8)
    assert found.variables == (
        Variable("language", "English", ("English", "中文"), "of the answer"),
        Variable("tone", ""),
        Variable("name", None),
    )
    assert found.examples[1] == Example("一加二", "三", {"language": "中文"})
    assert found.sampling == {"temperature": 0, "logit_bias": {"5": -1.5}}


def test_a_bound_prompt_is_what_its_texts_say(tmp_path: Path) -> None:
    found = find_prompt(str(written(tmp_path, WHOLE)))
    bound = found.bind({"name": "Ada"})
    assert bound.preamble == (
        Message("system", "You answer in English."),
        Message("user", "Q: 1 + 1\nA:"),
        Message("assistant", "2, Ada"),
    )
    assert (bound.before, bound.after, bound.prefill) == ("Q: ", "\nA:", "In English:\n")
    assert bound.message("hi") == Message("user", "Q: hi\nA:")
    assert bound.text("2 + 2") == "1 + 1 = 2, Ada\n2 + 2 ="
    assert bound.stop == ("\n", "English:")
    other = found.bind({"name": "Ada", "language": "中文", "tone": "kind"})
    assert other.preamble[0].content == "You answer in 中文.\nBe kind."
    assert other.text("x") == "1 + 1 = 2, Ada\n一加二 = 三\nx ="
    assert other.stop == ("\n", "中文:", "x")


@pytest.mark.parametrize("typed", ["{{ name }}", "{% raw %}{{ 7 * 7 }}", "{# c #}", "\n \n", ""])
def test_what_is_typed_and_given_is_never_template_source(tmp_path: Path, typed: str) -> None:
    source = (
        'system = "[{{ a }}]"\nmessage = "<{{ input }}>"\ntext = "{{ a }}|{{ input }}|"\n'
        'prefill = "{{ a }}"\nstop = ["{{ a }}."]\nvariables.a = { required = true }\n'
        '[[examples]]\nuser = "{{ a }}"\nassistant = "{{ a }}!"'
    )
    bound = prompt(tmp_path, source).bind({"a": f"({typed})"})
    assert [one.content for one in bound.preamble] == [
        f"[({typed})]",
        f"<({typed})>",
        f"({typed})!",
    ]
    assert bound.message(typed).content == f"<{typed}>"
    assert bound.text(typed) == f"({typed})|{typed}|"
    assert (bound.prefill, bound.stop) == (f"({typed})", (f"({typed}).",))


def test_the_shared_injections_stay_plain_text_wherever_they_are_put(tmp_path: Path) -> None:
    source = (
        'system = {0}\nmessage = "{{{{ v }}}}{{{{ input }}}}{{{{ v }}}}"\n'
        "variables.v = {{ required = true }}\n[[examples]]\nuser = {0}\nassistant = {0}"
    )
    for case in shared_json("conformance", "special_token_injection.json"):
        tokens = [*case["special_tokens"], *case["added_tokens_not_special"]]
        plain = tuple(AddedToken(text, normalized=False) for text in tokens)
        config = {"chat_template": case["template"], "additional_special_tokens": tokens}
        tokenizer = load_tokenizer(save(tmp_path, byte_level(added=plain), tokenizer_config=config))
        numbers = {tokenizer.encode(token, special=True)[0] for token in tokens}
        counts = []
        for content in ("benign", *(message["content"] for message in case["messages"])):
            found = prompt(tmp_path, source.format(json.dumps(content, ensure_ascii=False)))
            bound = found.bind({"v": content})
            ids = tokenizer.encode_chat([*bound.preamble, bound.message(content)], prefill=content)
            counts.append([number for number in ids if number in numbers])
        assert len(counts) > 1 and all(count == counts[0] for count in counts), case["id"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ('templat = "t"', r"unknown key 'templat'; did you mean 'template'\?"),
        ('sytem = "t"', r"unknown key 'sytem'; did you mean 'system'\?"),
        ('zzz = "t"', r"unknown key 'zzz'; keys are description, .*, template"),
        ('template = "t"\nstop = [""]', "stop must be a list of strings"),
        ('template = "t"\nsystem = "s"', "unknown key 'system'"),
        ('prefill = "p"', "none of system, message, text, examples, so it says nothing"),
        ("system = 3", "system must be a string, got 3"),
        ('text = "x"\nstop = "x"', "stop must be a list of strings, none empty, got 'x'"),
        ('text = "x"\nmax_tokens = 0', "max_tokens must be a whole number, 1 or more, got 0"),
        ('text = "x"\nmax_tokens = true', "max_tokens must be a whole number"),
        ('text = "x"\nsampling = 1', "sampling must be a table of keys and values, got 1"),
        ('text = "x"\nvariables.a = "b"', r"variables\.a must be a table, such as"),
        ('text = "x"\nvariables.a.defaut = "b"', "'variables.a.defaut'; did you mean 'default'"),
        ('text = "x"\nvariables.a.default = 3', r"variables\.a\.default must be a string, got 3"),
        ('text = "x"\nvariables.a.required = 1', r"variables\.a\.required must be true or false"),
        ('text = "x"\nvariables.a = { default = "b", required = true }', "either a default or"),
        ('text = "x"\nvariables.a.required = false', "either a default or required = true"),
        ('text = "x"\nvariables.a = { default = "b", choices = ["c"] }', "one of the choices c"),
        ('text = "x"\nvariables.input.default = "b"', "the name is taken"),
        ('text = "x"\nvariables.a-b.default = "b"', "made of letters, digits and _"),
        ('text = "x"\nexamples = "b"', "examples must be tables"),
        ('[[examples]]\nuser = "b"', r"examples\[1\]\.assistant is missing"),
        ('[[examples]]\nuser = "b"\nasistant = ""', r"'examples\[1\]\.asistant'; did you mean"),
        ('[[examples]]\nuser = "b"\nassistant = "c"\nwhen.x = "y"', "names 'x', which is no"),
        (
            'variables.a = { default = "b", choices = ["b"] }\n'
            '[[examples]]\nuser = "b"\nassistant = "c"\nwhen.a = "y"',
            r"examples\[1\]\.when\.a must be one of b, got 'y'",
        ),
        ("a = " + "[" * 5000, "can't be read as a prompt file"),
        ("x" * 1_000_001, "longer than 1,000,000 bytes"),
        ("description = ", "can't be read as a prompt file"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(tmp_path: Path, source: str, message: str) -> None:
    path = written(tmp_path, 'description = "d"\n' + source)
    with pytest.raises(PromptFileError, match=message) as caught:
        read_file(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_a_file_without_a_description_is_refused(tmp_path: Path) -> None:
    for source in ('system = "s"', 'template = "t"'):
        with pytest.raises(PromptFileError, match="description is missing; it must be a string"):
            read_file(written(tmp_path, source))


def test_a_file_that_is_not_text_or_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    with pytest.raises(PromptFileError, match=r"bad\.toml can't be read .*: No such file"):
        read_file(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(PromptFileError, match=r"bad\.toml"):
        read_file(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    with pytest.raises(PromptFileError, match=r"pipe\.toml .*: it is no file"):
        read_file(tmp_path / "pipe.toml")


def test_files_from_windows_are_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    text = '\ufeffdescription = \'d\'\r\nsystem = """\r\na\r\nb\r\n"""\r\n'
    path.write_bytes(text.encode())
    assert find_prompt(str(path)).bind({}).preamble == (Message("system", "a\nb"),)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ('system = "{{ nmae }}"', r"system uses 'nmae', .*; did you mean 'name'\?"),
        ('system = "{{ input }}"', "system uses 'input', which is no variable of it"),
        ('text = "no place for it"', r"text must have {{ input }} exactly once, got it 0 times"),
        ('message = "{{ input }}{{ input }}"', "message must have .* got it 2 times"),
        ('message = "{{ input | upper }}"', "must write {{ input }} as it is"),
        ('message = "{% if input %}{{ input }}{% endif %}"', "must write {{ input }} as it is"),
        ('text = "{{ input }}{% if %}"', "text has an error in line 1"),
        ('system = "{{ 1 / 0 }}"', "system failed: division by zero"),
        ('system = "{{ name.first }}"', "system failed: .*no attribute 'first'"),
        ("system = \"{{ 'a' * 10 ** 12 }}\"", "system was stopped: it asks for a value of size"),
        ('stop = ["{{ x }}"]\nsystem = ""', "stop uses 'x'"),
        (
            'system = "{% for i in range(99999) %}{% for i in range(99999) %}{% endfor %}'
            '{% endfor %}"',
            "system was stopped: it did not end within",
        ),
    ],
)
def test_a_text_that_fails_names_the_file_and_the_key(
    tmp_path: Path, source: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "SECONDS", 0.05)
    found = prompt(tmp_path, source + '\nvariables.name.default = "Ada"')
    with pytest.raises(PromptFileError, match=message) as caught:
        found.bind({})
    assert str(caught.value).startswith(str(found.path)) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, r"needs a value for who \(a person\): --var who=…"),
        ({"who": "x", "lang": "zh"}, r"has no variable 'lang'; did you mean 'language'\?"),
        ({"who": "x", "language": "fr"}, "is 'fr', but must be one of en, zh"),
        ({"who": "x", "zzz": "fr"}, "has no variable 'zzz'; there are: language, who"),
    ],
)
def test_values_that_are_missing_or_unknown_are_named(
    tmp_path: Path, given: dict[str, str], message: str
) -> None:
    source = (
        'text = "{{ input }}"\n[variables]\nlanguage = { default = "en", choices = ["en", "zh"] }\n'
        'who = { required = true, help = "a person" }'
    )
    with pytest.raises(PromptFileError, match=message):
        prompt(tmp_path, source).bind(given)


def test_a_prompt_for_chats_alone_has_no_raw_text(tmp_path: Path) -> None:
    with pytest.raises(PromptFileError, match=r"mine has no raw text .*; add --chat"):
        prompt(tmp_path, 'system = "s"').bind({}).text("x")


def test_checking_tries_every_choice(tmp_path: Path) -> None:
    source = (
        "text = \"{{ input }}{{ 1 / 0 if a == 'z' else 1 }}\"\n"
        'variables.a = { default = "y", choices = ["y", "z"] }'
    )
    found = prompt(tmp_path, source)
    found.bind({})
    with pytest.raises(PromptFileError, match="text failed: division by zero"):
        check_prompt(found)
    check_prompt(prompt(tmp_path, 'system = "{{ b }}"\nvariables.b.required = true'))
    with pytest.raises(PromptFileError, match="the chat template has an error in line 1"):
        check_prompt(read_file(written(tmp_path, 'description = ""\ntemplate = "{% if %}"')))


def test_the_users_own_stands_before_the_shipped_one() -> None:
    assert is_shipped(find_path("assistant"))
    own = prompt(config_folder() / "prompts", 'system = "mine"', "assistant")
    assert find_prompt("assistant") == own and not is_shipped(own.path)
    assert sum(path.stem == "assistant" for path in prompt_files()) == 2
    assert prompt_paths()["assistant"] == own.path


def test_a_path_is_a_prompt_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = prompt(tmp_path, 'system = "s"').path
    monkeypatch.chdir(tmp_path)
    assert find_prompt(str(path)).name == find_prompt("mine.toml").name == "mine"
    with pytest.raises(PromptFileError, match=r"other\.toml can't be read"):
        find_prompt("other.toml")


@pytest.mark.parametrize("name", ["asistant", "ASSISTANT", "assistan"])
def test_a_name_that_does_not_exist_is_told_the_nearest(name: str) -> None:
    hint = r"did you mean 'assistant'\?" if name.islower() else "there are: assistant"
    with pytest.raises(PromptFileError, match=f"no prompt '{name}'; {hint}.*your own go into"):
        find_prompt(name)


@pytest.mark.parametrize("name", ["../prompts/assistant", "/etc/passwd", "", "."])
def test_a_name_is_no_way_out_of_the_folders(name: str) -> None:
    with pytest.raises(PromptFileError, match="no prompt"):
        find_prompt(name)


def test_a_chat_format_is_no_prompt_and_a_prompt_no_format() -> None:
    assert isinstance(read_file(find_path("plain-chat")), ChatFormat)
    assert "plain-chat" not in prompt_names() and "assistant" in prompt_names()
    with pytest.raises(PromptFileError, match="is a chat format"):
        find_prompt("plain-chat")
    with pytest.raises(PromptFileError, match="is a prompt; a chat format has the key template"):
        load_format("assistant")


def test_a_broken_file_of_the_users_is_a_name_still() -> None:
    written(config_folder() / "prompts", "description = ", "broken")
    assert "broken" in prompt_names()
    with pytest.raises(PromptFileError, match=r"broken\.toml can't be read"):
        find_prompt("broken")


CHOOSING = """
text = "{{ input }}"
choices = ["{{ 'ja' if language == 'de' else 'yes' }}", "no {{ x }}"]
between = "{{ '' if language == 'de' else ' ' }}"
line = "{{ a }} {{ language }}{% for one in many %} {{ one }}{% endfor %}"
variables.language = { default = "en" }
variables.x = { default = "x" }
[[examples]]
user = "1"
assistant = "2"
[[examples]]
when = { language = "de" }
user = "3"
assistant = "4"
[[examples]]
user = "5"
assistant = "6"
"""


def test_choices_and_what_is_between_follow_the_variables(tmp_path: Path) -> None:
    found = prompt(tmp_path, CHOOSING)
    assert found.bind({}).choices == ("yes", "no x")
    assert found.bind({}).between == " "
    german = found.bind({"language": "de", "x": "{{ y }}"})
    assert german.choices == ("ja", "no {{ y }}") and german.between == ""


@pytest.mark.parametrize(
    ("shots", "language", "shown"),
    [(None, "de", "135"), (0, "de", ""), (2, "de", "13"), (2, "en", "15")],
)
def test_shots_are_the_first_examples_that_hold(
    tmp_path: Path, shots: int | None, language: str, shown: str
) -> None:
    bound = prompt(tmp_path, CHOOSING).bind({"language": language}, shots)
    assert "".join(one.content for one in bound.preamble if one.role == "user") == shown


def test_the_fields_of_a_line_make_the_input(tmp_path: Path) -> None:
    found = prompt(tmp_path, CHOOSING)
    fields = {"a": "{{ x }}", "many": [1, "b"], "language": "fr"}
    assert line_input(found, fields, {"language": "de"}) == "{{ x }} de 1 b"


def test_a_field_that_lacks_and_a_line_that_is_wrong_are_named(tmp_path: Path) -> None:
    found = prompt(tmp_path, CHOOSING)
    with pytest.raises(PromptFileError, match="mine needs the field 'many'; did you mean 'meny'"):
        line_input(found, {"a": 1, "meny": 2}, {})
    with pytest.raises(PromptFileError, match="line failed"):
        line_input(found, {"a": 1, "many": 3}, {})
    with pytest.raises(PromptFileError, match="plain has no key line"):
        line_input(prompt(tmp_path, 'system = "x"', "plain"), {}, {})
    with pytest.raises(PromptFileError, match="line has an error in line 1"):
        check_prompt(prompt(tmp_path, 'system = "x"\nline = "{% if %}"'))
