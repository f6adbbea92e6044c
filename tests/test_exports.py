"""The public names, and what must not be imported to reach them."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import chatcli

ROOT = Path(chatcli.__file__)
MODULES = sorted(ROOT.parent.rglob("*.py"))
HEAVY = ("torch", "transformers", "tokenizers", "rich", "prompt_toolkit", "jinja2", "numpy")


def loaded_after(code: str) -> set[str]:
    """The heavy packages that a fresh interpreter has imported after `code`."""
    probe = (
        f"{code}\nimport sys\nprint(*[m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def run_main(*arguments: str) -> str:
    return f"from chatcli.cli import main\nassert main({list(arguments)!r}) == 0"


def test_public_names_are_sorted_and_resolve() -> None:
    assert chatcli.__all__ == sorted(chatcli.__all__)
    for name in chatcli.__all__:
        assert getattr(chatcli, name).__name__ == name


def test_dir_lists_the_public_names() -> None:
    assert set(chatcli.__all__) <= set(dir(chatcli))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonesuch'"):
        _ = chatcli.nonesuch


def declared(tree: ast.Module) -> tuple[list[str], set[str]]:
    """What a module lists in `__all__`, and every name that it binds at its top level."""
    listed: list[str] = []
    bound: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {target.id for target in targets if isinstance(target, ast.Name)}
            bound |= names
            if "__all__" in names and node.value is not None:
                listed = ast.literal_eval(node.value)
    return listed, bound


def test_every_module_lists_names_that_it_has() -> None:
    for path in (path for path in MODULES if path != ROOT):
        listed, bound = declared(ast.parse(path.read_text(encoding="utf-8")))
        assert set(listed) <= bound, path
        assert len(set(listed)) == len(listed), path


@pytest.mark.parametrize(
    "code",
    [
        "import chatcli",
        run_main("--help"),
        run_main("--version"),
        run_main("complete", "--help"),
        run_main("train", "--help"),
    ],
)
def test_nothing_heavy_is_imported_to_be_asked_for_help(code: str) -> None:
    assert loaded_after(code) == set()
