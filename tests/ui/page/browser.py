"""A headless Chromium, spoken to over a pipe in its DevTools protocol; no network, no port."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

__all__ = ["Browser", "browser_path"]

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--remote-debugging-pipe",
)
_PATIENCE = 60.0  # seconds, for a machine that is busy
_HIGH = 10  # above the descriptors that Chromium reads (3) and writes (4)
_BY_VALUE = {"returnByValue": True, "awaitPromise": True}
_LAUNCHER = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); "
    "os.execv(sys.argv[3], sys.argv[3:])"
)


def browser_path() -> str | None:
    """Where a Chromium is; None on a machine without one."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


class Browser:
    """One browser with one page. `events` are all that it told of, oldest first."""

    def __init__(self, program: str, profile: Path) -> None:
        self.events: list[dict[str, Any]] = []
        self._number, self._session, self._unread = 0, "", b""
        (theirs_in, self._write), (self._read, theirs_out) = map(_high, (os.pipe(), os.pipe()))
        launcher = [sys.executable, "-c", _LAUNCHER, str(theirs_in), str(theirs_out)]
        self._process = subprocess.Popen(
            [*launcher, program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(theirs_in, theirs_out),
            start_new_session=True,
            env={**os.environ, "HOME": str(profile)},
        )
        os.close(theirs_in)
        os.close(theirs_out)
        try:
            self._attach()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the browser, and all of its processes."""
        try:
            self._send("Browser.close", {}, "")
            self._process.wait(_PATIENCE)
        except (OSError, subprocess.TimeoutExpired):
            pass
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._write)
        os.close(self._read)

    def open(self, path: Path, *, dark: bool = False, width: int = 1000, height: int = 800) -> None:
        """Show a file, and wait until it is there."""
        self.events.clear()
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        address = path.resolve().as_uri()
        self.call("Page.navigate", url=address)
        deadline = time.monotonic() + _PATIENCE
        while self.run("[location.href, document.readyState]") != [address, "complete"]:
            assert time.monotonic() < deadline, f"{path} isn't there"
            time.sleep(0.02)

    def told(self, *methods: str) -> list[dict[str, Any]]:
        """What came with the events of these names."""
        return [each["params"] for each in self.events if each["method"] in methods]

    def run(self, expression: str) -> Any:
        """The value of an expression of JavaScript; an exception in it is an AssertionError."""
        found = self.call("Runtime.evaluate", expression=expression, **_BY_VALUE)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def press(self, *keys: str) -> None:
        """Press and let go of each key: "ArrowLeft", "Tab", "n"."""
        for key in keys:
            text = {"text": key} if len(key) == 1 else {}
            code = {"Tab": 9, "Escape": 27, "Enter": 13}.get(key, 0)
            common = {"key": key, "code": key, "windowsVirtualKeyCode": code}
            self.call("Input.dispatchKeyEvent", type="keyDown", **common, **text)
            self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def point(self, selector: str, *, click: bool = False, nth: int = 0) -> None:
        """Move the mouse to the middle of an element, and perhaps click."""
        x, y = self.run(
            f"(() => {{ const e = document.querySelectorAll({json.dumps(selector)})[{nth}];"
            "e.scrollIntoView({block: 'center'}); const b = e.getClientRects()[0];"
            "return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        kinds = ["mouseMoved", *(["mousePressed", "mouseReleased"] if click else [])]
        for kind in kinds:
            button = {} if kind == "mouseMoved" else {"button": "left", "clickCount": 1}
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **button)

    def picture(self, path: Path) -> None:
        """What is to be seen, as a PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The answer to one command; a command that fails is an AssertionError."""
        number = self._send(method, parameters, self._session)
        answers: list[dict[str, Any]] = []
        self._until(lambda: bool(answers), number, answers)
        assert "error" not in answers[0], (method, answers[0]["error"])
        result: dict[str, Any] = answers[0]["result"]
        return result

    def _attach(self) -> None:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Audits"):
            self.call(f"{domain}.enable")

    def _send(self, method: str, parameters: dict[str, Any], session: str) -> int:
        self._number += 1
        command = {"id": self._number, "method": method, "params": parameters}
        command |= {"sessionId": session} if session else {}
        os.write(self._write, json.dumps(command).encode() + b"\0")
        return self._number

    def _until(
        self, done: Any, number: int = 0, answers: list[dict[str, Any]] | None = None
    ) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not done():
            ready, _, _ = select.select([self._read], [], [], deadline - time.monotonic())
            assert ready, "the browser doesn't answer"
            data = os.read(self._read, 1 << 16)
            assert data, "the browser is gone"
            *messages, self._unread = (self._unread + data).split(b"\0")
            for message in map(json.loads, messages):
                if "method" in message:
                    self.events.append(message)
                elif message["id"] == number and answers is not None:
                    answers.append(message)


def _high(pair: tuple[int, int]) -> tuple[int, int]:
    """A pipe's ends where they can't be mistaken for the browser's; not inherited."""
    moved = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, _HIGH) for end in pair]
    for end in pair:
        os.close(end)
    return moved[0], moved[1]
