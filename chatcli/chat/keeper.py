"""Keeps a conversation as it goes: messages and whole replies at once, a growing reply soon.

What can't be written is held back and written at the next chance, so a store in trouble never
stops a chat. Remarks are made in the caller's thread, never in the middle of a reply; what a
write may overwrite is up to `store`.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from chatcli.chat.branches import end_name
from chatcli.chat.store import Store
from chatcli.chat.types import Session, Turn
from chatcli.errors import StoreError

__all__ = ["Keeper"]

# Seconds from the first token that isn't kept to the write that has it: two are promised, and
# a slow disk takes its time. After a failure the store is given longer.
_PERIOD = 1.0
_RETRY = 5.0

Snapshot = Callable[[], Turn]


@dataclass(slots=True)
class _Held:
    """What isn't written yet of one session: how it stands, and turns by their ids."""

    session: Session
    turns: dict[int, Turn] = field(default_factory=dict)


class Keeper:
    """Writes what it is given to `store`; `notice` is told what isn't being kept, and since when
    it is again, each once; and once for each time that another chat has gone on with the same
    branch meanwhile.

    It belongs to one thread, and has one of its own for what grows. Close it before the store.
    """

    def __init__(self, store: Store, notice: Callable[[str], None]) -> None:
        self._store = store
        self._notice = notice
        self._process = os.getpid()
        self._growing: deque[tuple[Session, Snapshot]] = deque(maxlen=1)  # the newest, if any
        self._held: dict[str, _Held] = {}
        self._problem: str | None = None
        self._said: str | None = None
        self._elsewhere: tuple[Session, int] | None = None  # where another chat has gone
        self._told: int | None = None  # of which its turn
        self._bug: BaseException | None = None
        self._writing = threading.Lock()  # over `_held`, `_problem`, and the order of writes
        self._woken = threading.Event()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        atexit.register(self._leave)

    @property
    def problem(self) -> str | None:
        """What is wrong now, in one line; None while all is kept."""
        return self._problem

    def keep(self, session: Session, *turns: Turn) -> None:
        """Write the session and these turns of it; on the disk when this returns.

        They replace what was growing of them. Never raises StoreError: what can't be written
        is held back, and `notice` told so.
        """
        with self._writing:
            self._settle()
            self._hold(session, turns)
            self._write()
        if self._held:
            self._rouse()
        self._report()

    def grow(self, session: Session, snapshot: Snapshot) -> None:
        """Let the newest of these be written soon; cheap enough for every token.

        `snapshot` is called within two seconds, in another thread, and gives the turn as it is
        then; `keep` or `close` call it at the latest.
        """
        self._growing.append((session, snapshot))
        if not self._woken.is_set():
            self._rouse()

    def close(self) -> None:
        """Write what is left, and say what couldn't be. Closing twice does nothing."""
        self._ended.set()
        self._woken.set()
        if self._thread is not None:
            self._thread.join()
        with self._writing:
            self._settle()
            self._write()
        if self._problem is not None:
            self._notice(f"left without keeping the last of it: {self._problem}")
            self._held.clear()
            self._problem = self._said = None
        self._report()
        atexit.unregister(self._leave)

    def _leave(self) -> None:
        """At the exit of a program that never closed this; not at that of its forks."""
        if os.getpid() == self._process:
            self.close()

    def _settle(self) -> None:
        """Take over what was growing, as it is now."""
        try:
            session, snapshot = self._growing.pop()
        except IndexError:
            return
        try:
            turn = snapshot()
        except Exception as error:  # a bug; what else is to be kept is kept first
            self._bug = error
            return
        self._hold(session, (turn,))

    def _hold(self, session: Session, turns: tuple[Turn, ...]) -> None:
        held = self._held.setdefault(session.id, _Held(session))
        held.session = session
        held.turns.update((turn.id, turn) for turn in turns)

    def _write(self) -> None:
        """Try to write all that is held back; what fails stays."""
        problem = None
        for key, held in list(self._held.items()):
            try:
                theirs = self._store.put(held.session, held.turns.values())
            except StoreError as error:
                problem = str(error)
            else:
                del self._held[key]
                if theirs is not None:
                    self._elsewhere = held.session, theirs
        self._problem = problem

    def _report(self) -> None:
        """Say what has changed, once; raise a bug that showed meanwhile."""
        problem, said = self._problem, self._said
        self._said = problem
        if problem is not None and problem != said:
            self._notice(f"not kept for now: {problem}")
        elif problem is None and said is not None:
            self._notice("all of it is kept again")
        self._tell_of_another()
        bug, self._bug = self._bug, None
        if bug is not None:
            raise bug

    def _tell_of_another(self) -> None:
        """Say where another chat has gone, before or while its branch is taken from it."""
        elsewhere, self._elsewhere = self._elsewhere, None
        if elsewhere is None or elsewhere[1] == self._told:
            return
        session, self._told = elsewhere
        self._notice(
            f"another chat has gone on with this conversation; its last turn stays there as the "
            f"end {end_name(self._told)}, and branch {session.branch} follows this chat"
        )

    def _rouse(self) -> None:
        """Have the thread look at it soon; it is started where it is first needed."""
        self._woken.set()
        if self._thread is None or not self._thread.is_alive():
            self._ended.clear()
            self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        try:
            while not self._ended.is_set():
                self._woken.wait(_RETRY if self._held else None)
                self._ended.wait(_PERIOD)
                self._woken.clear()
                with self._writing:
                    self._settle()
                    self._write()
        except BaseException as error:  # a bug in the writing; `_report` raises it
            self._bug = error
        finally:
            self._woken.clear()
