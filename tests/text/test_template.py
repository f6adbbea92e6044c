"""Chat templates render as in transformers, and a hostile one is stopped in one line."""

from __future__ import annotations

import threading
from datetime import datetime

import pytest

from chatcli.errors import TemplateError
from chatcli.text import bounds
from chatcli.text.template import ChatTemplate
from tests.shared import shared_json

USER = [{"role": "user", "content": "hi"}]


def render(source: str, content: str = "hi") -> str:
    return ChatTemplate(source).render([{"role": "user", "content": content}])


def test_the_shared_templates_render_as_expected() -> None:
    ran = 0
    for case in shared_json("conformance", "chat_templates.json"):
        # "differs" and "raises" are another program's habits, or come with transformers' text.
        reference = case["reference"]
        if reference["transformers_jinja"] != "equal" and "rendered" not in reference:
            continue
        text = ChatTemplate(case["template"]).render(
            case["messages"],
            add_generation_prompt=case["add_generation_prompt"],
            bos_token=case["bos_token"],
            eos_token=case["eos_token"],
            date=datetime(2025, 7, 10, 12),
            **case.get("extra_variables", {}),
        )
        assert text == reference.get("rendered", case["expected"]["text"]), case["id"]
        ran += 1
    assert ran > 75


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ {'a': '<é中&\"'} | tojson }}", '{"a": "<é中&\\""}'),
        ("{% for i in [1, 2, 3] %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}", "1"),
        ("{% generation %}{{ 1 + 1 }}{% endgeneration %}!", "2!"),
        ("  {% if true %}\nx\n  {% endif %}\n", "x\n"),
        ("{% set a, b = (1, 2) %}{{ a ~ b ~ none ~ [a, b] }}", "12None[1, 2]"),
        (
            "{{ 'a-b'.split('-') | join(', ') }} {{ '%s=%d' % ('n', 123456789012) }}",
            "a, b n=123456789012",
        ),
        ("{{ '{:>4}|{}'.format('a', 'b') }} {{ 'ab'.replace('b', 'c') | upper }}", "   a|b AC"),
        ("{{ messages | map(attribute='content') | list }}", "['hi']"),
        ("{{ messages[0].tools is defined }} {{ tools is none }}", "False True"),
        ("{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m('a') ~ m('b') }}", "<a><b>"),
        (
            "{% set ns = namespace(n=0) %}{% for i in range(5) %}{% set ns.n = i %}{% endfor %}"
            "{{ ns.n }}",
            "4",
        ),
    ],
)
def test_what_real_templates_use_works(source: str, text: str) -> None:
    assert render(source) == text


def test_the_time_of_day_can_be_asked() -> None:
    assert render("{{ strftime_now('%Y') }}").isdigit()


DOUBLED = "{% set ns = namespace(x=START) %}{% for i in range(99) %}STEP{% endfor %}{{ ns.x }}"
ENDLESS = [
    "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "{% macro m(n) %}{% if n %}{{ m(n-1) }}{{ m(n-1) }}{% endif %}{% endmacro %}{{ m(60) }}",
]
EXPLODING = [
    "{% for i in range(10**9) %}{% endfor %}",
    "{{ 'a' * 10**10 }}",
    "{{ [0] * 10**10 }}",
    DOUBLED.replace("START", "'a'").replace("STEP", "{% set ns.x = ns.x ~ ns.x %}"),
    DOUBLED.replace("START", "'a'").replace("STEP", "{% set ns.x = ns.x + ns.x %}"),
    DOUBLED.replace("START", "'a'").replace(
        "STEP", "{% set ns.x %}{{ ns.x }}{{ ns.x }}{% endset %}"
    ),
    DOUBLED.replace("START", "[1]").replace("STEP", "{% set ns.x = [ns.x, ns.x] %}"),
    DOUBLED.replace("START", "{}").replace("STEP", "{% set ns.x = {'a': ns.x, 'b': ns.x} %}"),
    DOUBLED.replace("START", "'a'").replace("STEP", "{% set ns.x = [ns.x, ns.x] | join %}"),
    DOUBLED.replace("START", "2").replace("STEP", "{% set ns.x = ns.x * ns.x %}"),
    "{{ 9**(9**9) }}",
    "{{ 'a' | center(10000000000) }}",
    "{{ 'a'.ljust(10000000000) }}",
    "{{ '%10000000000d' % 1 }}",
    "{{ '%*d' % (10000000000, 1) }}",
    "{{ '{:>10000000000}'.format(1) }}",
    "{{ '{:>{}}'.format(1, 10000000000) }}",
    "{{ 'ab' | replace('', 'x' * 1000000) | replace('', 'x' * 1000000) }}",
    "{{ range(90000) | join('a' * 1000000) }}",
    "{{ ('a' * 1000000).join(['b'] * 90000) }}",
    "{{ [1] | batch(10000000000, 'x') | list }}",
    "{{ [1] | slice(10000000000) | list }}",
    "{{ ('\\n' * 1000000) | indent(9999) }}",
    "{{ ('\\t' * 1000000).expandtabs(9999) }}",
    "{{ [1] | tojson(indent=10000000000) }}",
    "{{ ([[1]] * 90000) | sum(start=[]) }}",
    "{% for i in range(99999) %}" + "x" * 9000 + "{% endfor %}",
    "{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "x" * 300_000,
]


@pytest.mark.parametrize("source", EXPLODING)
def test_a_template_that_explodes_is_stopped(source: str) -> None:
    with pytest.raises(TemplateError) as caught:
        render(source)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("source", ENDLESS)
def test_a_template_that_never_ends_is_stopped(
    source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "SECONDS", 0.05)
    with pytest.raises(TemplateError, match="did not end"):
        render(source)


def test_the_bounds_hold_off_the_main_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "SECONDS", 0.05)
    caught: list[TemplateError] = []

    def run() -> None:
        try:
            render(ENDLESS[0])
        except TemplateError as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert len(caught) == 1


def test_a_long_conversation_is_within_the_bounds() -> None:
    source = (
        "{% for m in messages %}{{ '<' + m.role + '>' ~ m.content | trim }}"
        "{{ messages | selectattr('role', 'eq', 'user') | list | length }}{% endfor %}"
    )
    messages = [{"role": "user", "content": "x" * 4000}] * 60
    assert len(ChatTemplate(source).render(messages)) == 60 * (4000 + 6 + 2)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("\n\n{% if %}", "has an error in line 3"),
        ("{{ messages[0].nope.deeper }}", "has no attribute 'nope'"),
        ("{{ raise_exception('roles must\nalternate') }}", "failed: roles must alternate"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ messages.append(1) }}", "unsafe"),
        ("{% include 'x' %}", "no loader"),
        ("{{ lipsum() }}", "'lipsum' is undefined"),
        ("{{ bound_tick }}{{ 1 / 0 }}", "division by zero"),
        ("{{" + "(" * 3000 + "1" + ")" * 3000 + "}}", "recursion"),
    ],
)
def test_an_error_in_a_template_is_one_line_with_its_cause(source: str, message: str) -> None:
    with pytest.raises(TemplateError, match=message) as caught:
        render(source)
    assert "\n" not in str(caught.value)
