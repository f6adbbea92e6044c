"""A Jinja sandbox with a bound on time and memory, for templates that may be hostile.

1. Every loop round and every call pays a look at the clock, so nothing loops for ever.
2. Every value that an operator, call, filter or literal makes is weighed, as a tree, before
   the template can use it: doubling it again and again ends at the limit.
3. What would be huge before it could be weighed (`'a' * 10**10`, widths, joins) is priced first.
4. Every character written, in whatever block, is counted.

Works in any thread: there are no signals, trace functions or other processes in it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sized
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from types import GeneratorType
from typing import Any

from jinja2 import nodes
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer

__all__ = ["BoundedEnvironment", "LimitError", "limits"]

SECONDS = 0.5  # of this thread's processor time: a busy machine changes no outcome
SOURCE_CHARS = 256_000
WIDEST = 10_000
INTEGER_BITS = 65_536
BASE_SIZE, SIZE_PER_INPUT = 2_000_000, 16
BASE_WORK, WORK_PER_INPUT = 32_000_000, 64
# Filters that no chat template needs and that are hard to price.
DROPPED_FILTERS = ("pprint", "urlize", "wordwrap", "xmlattr")
PADDED = {"expandtabs": "\t", "indent": "\n"}  # what these widen each of
PADDING = {"batch", "center", "ljust", "rjust", "slice", "tojson", "truncate", "zfill", *PADDED}
MEMBER = 16  # what a member of a list weighs, in characters
TEXTS, CONTAINERS = (str, bytes), (list, tuple, set, frozenset)


class LimitError(Exception):
    """A template that takes more time or memory than a conversation can need."""


@dataclass(slots=True)
class Limits:
    """What one rendering may still use: `size` of any one value, `work` in characters made."""

    size: int
    work: int
    deadline: float

    def tick(self) -> None:
        if time.thread_time() > self.deadline:
            raise LimitError(f"it did not end within {SECONDS:g} s")

    def spend(self, amount: int) -> None:
        self.work -= amount
        if self.work < 0:
            raise LimitError("it makes more text than any conversation needs")

    def price(self, amount: int) -> None:
        """Refuse what would cost too much, before it is made."""
        if amount > self.size:
            raise LimitError(f"it asks for a value of size {amount:,} (at most {self.size:,})")


_limits: ContextVar[Limits] = ContextVar("limits")


@contextmanager
def limits(*inputs: object) -> Iterator[None]:
    """Within it templates may run, under limits that grow with the size of `inputs`."""
    size = _weight(inputs)
    token = _limits.set(
        Limits(
            size=BASE_SIZE + SIZE_PER_INPUT * size,
            work=BASE_WORK + WORK_PER_INPUT * size,
            deadline=time.thread_time() + SECONDS,
        )
    )
    try:
        yield
    finally:
        _limits.reset(token)


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """transformers' template settings, inside the bounds. Use it within `limits`."""

    intercepted_binops = frozenset(("+", "*", "**", "%"))

    def __init__(self, **options: Any) -> None:
        super().__init__(finalize=_written, **options)
        for name in DROPPED_FILTERS:
            self.filters.pop(name)
        self.globals.pop("lipsum")
        self.filters = _BoundedFilters(self.filters)
        self.bound_tick = _tick
        self.bound_value = _weighed
        self.bound_concat = _concat
        self.bound_data = _data

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        if len(source) > SOURCE_CHARS:
            raise LimitError(f"it is {len(source):,} characters long (at most {SOURCE_CHARS:,})")
        tree: nodes.Template = _Instrument().visit(super()._parse(source, name, filename))
        return tree

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """An arithmetic operator, priced before and weighed after."""
        _price_operator(operator, left, right)
        return _weighed(super().call_binop(context, operator, left, right))

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Any call in a template, priced before and weighed after."""
        bound = getattr(__obj, "__wrapped__", __obj)  # str.format comes wrapped by the sandbox
        owner = getattr(bound, "__self__", None)
        if isinstance(owner, str):
            _price_call(bound.__name__, owner, args, kwargs)
        return _weighed(super().call(__context, __obj, *args, **kwargs))


class _BoundedFilters(dict[str, Callable[..., Any]]):
    """Filters that are priced before and weighed after; one set later is wrapped as well."""

    def __init__(self, filters: dict[str, Callable[..., Any]]) -> None:
        super().__init__({name: _bounded(name, function) for name, function in filters.items()})

    def __setitem__(self, name: str, function: Callable[..., Any]) -> None:
        super().__setitem__(name, _bounded(name, function))


def _bounded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    skipped = 1 if hasattr(function, "jinja_pass_arg") else 0  # the context, or what stands for it

    @wraps(function)  # keeps the mark by which Jinja passes the context
    def bounded(*args: Any, **kwargs: Any) -> Any:
        values = args[skipped:]
        if values:
            _price_call(name, values[0], values[1:], kwargs)
        return _weighed(function(*args, **kwargs))

    return bounded


class _Instrument(NodeTransformer):
    """Puts the bounds into a parsed template."""

    def visit_For(self, node: nodes.For | nodes.Macro | nodes.CallBlock) -> nodes.Node:
        self.generic_visit(node)
        tick = nodes.ExprStmt(_hook("bound_tick", [], node.lineno)).set_lineno(node.lineno)
        node.body.insert(0, tick)
        return node

    visit_Macro = visit_CallBlock = visit_For

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        return _hook("bound_concat", node.nodes, node.lineno)

    def visit_List(self, node: nodes.List | nodes.Dict) -> nodes.Node:
        self.generic_visit(node)
        return _hook("bound_value", [node], node.lineno)

    visit_Dict = visit_List

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:
        self.generic_visit(node)
        return node if node.ctx != "load" else _hook("bound_value", [node], node.lineno)

    def visit_Output(self, node: nodes.Output) -> nodes.Output:
        self.generic_visit(node)
        written = sum(len(part.data) for part in node.nodes if isinstance(part, nodes.TemplateData))
        if written:
            amount = nodes.Const(written).set_lineno(node.lineno)
            node.nodes.insert(0, _hook("bound_data", [amount], node.lineno))
        return node


def _hook(name: str, args: list[Any], lineno: int) -> nodes.Expr:
    """A call of a method of the environment, by a path that no template can write."""
    hook = nodes.EnvironmentAttribute(name).set_lineno(lineno)
    call = nodes.Call(hook, args, [], None, None)
    call.set_lineno(lineno)
    return call


def _tick() -> None:
    _limits.get().tick()


def _weighed(value: Any) -> Any:
    """`value`, if it is within the limits; a generator as the list of what it yields."""
    limit = _limits.get()
    limit.tick()
    if isinstance(value, GeneratorType):
        value = list(_counted(value, limit))
    limit.price(_weight(value, limit.size))
    limit.spend(len(value) if isinstance(value, (str, dict, *CONTAINERS)) else 1)
    return value


def _counted(values: Iterator[Any], limit: Limits) -> Iterator[Any]:
    for value in values:
        limit.tick()
        limit.spend(1)
        yield value


def _concat(*parts: Any) -> str:
    limit = _limits.get()
    limit.price(sum(_weight(part, limit.size) for part in parts))
    text: str = _weighed("".join(map(str, parts)))
    return text


def _written(value: Any) -> Any:
    """Jinja's `finalize`: a value on its way to the output."""
    limit = _limits.get()
    weight = _weight(value, limit.size)
    limit.price(weight)
    limit.spend(weight)
    return value


def _data(amount: int) -> str:
    _limits.get().spend(amount)
    return ""


def _weight(value: Any, limit: float = float("inf")) -> int:
    """Characters and members of `value`, shared parts counted each time; stops above `limit`."""
    total, stack = 0, [value]
    while stack and total <= limit:
        item = stack.pop()
        total += MEMBER
        if isinstance(item, TEXTS):
            total += len(item)
        elif isinstance(item, dict):
            stack.extend(item)
            stack.extend(item.values())
        elif isinstance(item, CONTAINERS):
            stack.extend(item)
        elif isinstance(item, int):
            total += item.bit_length() // 8
        elif isinstance(item, Namespace):
            stack.append(item._Namespace__attrs)
    return total


def _size(value: Any) -> int:
    return len(value) if isinstance(value, Sized) else 1


def _price_operator(operator: str, left: Any, right: Any) -> None:
    limit = _limits.get()
    if operator == "*":
        for sized, count in ((left, right), (right, left)):
            if isinstance(sized, Sized) and isinstance(count, int):
                limit.price(len(sized) * count)
    elif isinstance(left, int) and isinstance(right, int):
        if operator == "**" and left.bit_length() * right > INTEGER_BITS:
            raise LimitError("it raises a number to too high a power")
    elif operator == "%" and isinstance(left, str):
        _price_format(left, right)
    if any(isinstance(side, int) and side.bit_length() > INTEGER_BITS for side in (left, right)):
        raise LimitError("it computes with too large a number")


def _price_call(name: str, value: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Price a filter or a method of str whose result can be far larger than what it is given."""
    limit = _limits.get()
    given = [*args, *kwargs.values()]
    if name in PADDING:
        widths = [arg if isinstance(arg, int) else _size(arg) for arg in given]
        if max(widths, default=0) > WIDEST:
            raise LimitError(f"it asks {name} for a width of {max(widths):,}")
        places = str(value).count(PADDED[name]) + 1 if name in PADDED else 1
        limit.price(_size(value) + places * max(widths, default=8))
    elif name in ("format", "format_map") and isinstance(value, str):
        _price_format(value, given)
    elif name == "replace" and len(given) > 1:
        text = str(value)
        limit.price(len(text) + (text.count(str(given[0])) + 1) * _size(given[1]))
    elif name == "join":
        items, separator = (given[0], value) if isinstance(value, str) and args else (value, given)
        limit.price(_weight(items, limit.size) + _size(items) * _weight(separator, limit.size))
    elif name == "sum" and not all(isinstance(arg, int | float | str | None) for arg in given):
        limit.price(_size(value) ** 2)


def _price_format(template: str, given: Any) -> None:
    """A format may pad by any number in it, or, where widths are nested, by its arguments."""
    limit = _limits.get()
    widths = [int(digits[:9]) for digits in re.findall(r"\d+", template)]
    if "*" in template or re.search(r"\{[^}]*\{", template):
        values = given if isinstance(given, list | tuple) else [given]
        widths += [value for value in values if isinstance(value, int)]
    if max(widths, default=0) > WIDEST:
        raise LimitError(f"it formats to a width of {max(widths):,}")
    places = template.count("%") + template.count("{")
    limit.price(places * (max(widths, default=0) + _weight(given, limit.size)))
