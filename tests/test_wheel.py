"""What `pip install` would get: the wheel is built and looked into."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from chatcli import __version__

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=60)
    (path,) = folder.glob("*.whl")
    return ZipFile(path)


def test_the_wheel_holds_the_package_and_nothing_else(wheel: ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert tops == {"chatcli", f"chatcli-{__version__}.dist-info"}


def test_the_wheel_holds_every_file_that_the_package_reads(wheel: ZipFile) -> None:
    package = ROOT / "chatcli"
    read = [path for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    names = {path.relative_to(ROOT).as_posix() for path in read}
    names |= {f"chatcli/prompts/{path.name}" for path in (ROOT / "prompts").glob("*.toml")}
    assert {"chatcli/py.typed", "chatcli/train/builtin.toml"} <= names
    assert "chatcli/prompts/plain-chat.toml" in names
    assert names - set(wheel.namelist()) == set()


def test_the_wheel_names_the_command_and_the_licence(wheel: ZipFile) -> None:
    info = f"chatcli-{__version__}.dist-info"
    assert "chatcli = chatcli.cli:main" in wheel.read(f"{info}/entry_points.txt").decode()
    assert wheel.read(f"{info}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
