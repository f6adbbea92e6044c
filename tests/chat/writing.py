"""Programs that talk to themselves as fast as they can, for the tests that kill them.

`python -m tests.chat.writing` reads lines of `STORE LOG SESSION SEED TURNS`, with tabs between,
starts a process of its own for each, and prints its id. That writes to LOG what it was promised:
`message TURN` and `reply TURN TOKENS` when these were kept, `token TURN COUNT TIME` for each
token of a growing reply, by the monotonic clock, and `end` after TURNS (0: never).
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from dataclasses import replace
from itertools import count
from pathlib import Path

from chatcli.chat.keeper import Keeper
from chatcli.chat.store import Store
from chatcli.chat.types import Turn
from tests.chat.stored import session_of, turn_of

__all__ = ["main", "write"]

# Most replies are short; some grow for longer than the process lives.
LENGTHS = (3, 30, 300, 5000)
TOKEN_SECONDS = 0.001


def write(store: str, log: str, session: str, seed: int, turns: int) -> None:
    """One process: messages, and replies that grow."""
    luck = random.Random(seed)

    def promise(*words: object) -> None:
        os.write(to, (" ".join(map(str, words)) + "\n").encode())

    with Store.open(Path(store)) as kept:
        to = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        keeper = Keeper(kept, lambda text: promise("notice", text))
        for turn in range(1, turns + 1) if turns else count(1):
            message = turn_of(turn, turn - 1 or None)
            keeper.keep(session_of(session, turn - 1 or None), message)
            promise("message", turn)
            ids: list[int] = []

            def snapshot(message: Turn = message, ids: list[int] = ids) -> Turn:
                return replace(message, tail=tuple(ids), reply="字" * len(ids))

            for token in range(luck.choice(LENGTHS[:2] if turns else LENGTHS)):
                ids.append(token)
                promise("token", turn, len(ids), time.monotonic())
                keeper.grow(session_of(session, turn), snapshot)
                time.sleep(TOKEN_SECONDS)
            keeper.keep(session_of(session, turn), snapshot())
            promise("reply", turn, len(ids))
        keeper.close()
    promise("end")


def main() -> None:
    """Start a process for each line; all was imported once."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        store, log, session, seed, turns = line.rstrip("\n").split("\t")
        child = os.fork()
        if not child:
            write(store, log, session, int(seed), int(turns))
            os._exit(0)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
