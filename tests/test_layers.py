"""The layers of the design, held by reading every import that the package writes.

Imports inside functions and under TYPE_CHECKING count: a layer that names another
depends on it, whenever the import happens to run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import chatcli

PACKAGE = Path(chatcli.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

# Each layer, and the layers it may import from besides itself; `errors` and `folders` are
# everyone's.
EVERYONES = {"errors", "folders"}
ALLOWED = {
    "errors": set[str](),
    "folders": set[str](),
    "text": set[str](),
    "model": {"text"},
    "sampling": {"text", "model"},
    "engine": {"text", "model", "sampling"},
    "chat": {"text", "model", "sampling", "engine"},
    "probe": {"text", "model", "sampling", "engine"},
    # Training and benchmarks judge what people get, so they may hold a conversation and look.
    "train": {"text", "model", "sampling", "engine", "chat", "probe"},
    "bench": {"text", "model", "sampling", "engine", "chat", "probe", "train", "ui"},
    "ui": {"text", "model", "sampling", "engine", "chat", "probe", "train"},
    "cli": {"text", "model", "sampling", "engine", "chat", "probe", "train", "bench", "ui"},
}

# Packages that only some places may import: a layer, or one module of it.
RESERVED = {
    "rich": ("ui",),
    "prompt_toolkit": ("ui",),
    "typer": ("cli",),
    "peft": ("model/merging.py", "train"),
    "transformers": ("model/transformers.py", "text/sentencepiece.py", "train", "bench"),
}


def imports(source: str, package: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Every module that a source in `package` imports, with its line."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *filter(None, [node.module])])
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


@cache
def imports_of(path: Path) -> tuple[tuple[int, str], ...]:
    package = (PACKAGE.name, *path.relative_to(PACKAGE).parent.parts)
    return tuple(imports(path.read_text(encoding="utf-8"), package))


def layer_of(module: str) -> str | None:
    """The layer of `chatcli.<layer>…`; None for other packages and for `chatcli` itself."""
    parts = module.split(".")
    return parts[1] if parts[0] == "chatcli" and len(parts) > 1 and parts[1] in ALLOWED else None


def layer_of_file(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


LAYERED = [path for path in MODULES if layer_of_file(path) not in {"__init__", "__main__"}]


def test_every_folder_of_the_package_is_a_layer() -> None:
    assert {layer_of_file(path) for path in LAYERED} <= set(ALLOWED)


def test_a_module_imports_only_from_layers_to_its_left() -> None:
    wrong = [
        f"{name_of(path)}:{line} imports {module}"
        for path in LAYERED
        for line, module in imports_of(path)
        if layer_of(module) not in {None, layer_of_file(path), *EVERYONES}
        and layer_of(module) not in ALLOWED[layer_of_file(path)]
    ]
    assert not wrong


def test_reserved_packages_are_imported_only_in_their_places() -> None:
    wrong = [
        f"{name_of(path)}:{line} imports {module}"
        for path in MODULES
        for line, module in imports_of(path)
        if (package := module.split(".")[0]) in RESERVED
        and not any(place in (name_of(path), layer_of_file(path)) for place in RESERVED[package])
    ]
    assert not wrong


def test_nothing_imports_the_command_line() -> None:
    wrong = [
        f"{name_of(path)}:{line}"
        for path in LAYERED
        if layer_of_file(path) != "cli"
        for line, module in imports_of(path)
        if layer_of(module) == "cli"
    ]
    assert not wrong


def test_the_reader_sees_lazy_relative_and_type_checking_imports() -> None:
    source = (
        "if TYPE_CHECKING:\n    import a.b\n"
        "def f():\n    from chatcli.ui import x\n    from ..text import y\n    from . import z\n"
    )
    found = [module for _, module in imports(source, ("chatcli", "model", "native"))]
    assert sorted(found) == [
        "a.b",
        "chatcli.model.native.z",
        "chatcli.model.text.y",
        "chatcli.ui.x",
    ]
    assert layer_of("chatcli.ui.x") == "ui"
    assert layer_of("chatcli") is layer_of("a.b") is None
