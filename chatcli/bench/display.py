"""What the live display costs: the same reply live and as plain text, on a real terminal.

The terminal is a pseudo-terminal whose other end another process reads, as an emulator does.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from chatcli.bench.timing import paired
from chatcli.bench.types import Bar, Figure, Spread
from chatcli.bench.workshop import DEFAULT, Workshop, without_end
from chatcli.engine.stream import stream
from chatcli.model.types import LanguageModel
from chatcli.sampling.chain import SamplerChain
from chatcli.ui.display import DisplayOptions, Frames, show_reply
from chatcli.ui.environment import Environment
from chatcli.ui.interrupt import Interrupt

__all__ = ["display"]

_TOKENS = 256
_PROMPT = "世界上最高的山"


def display(shop: Workshop) -> Iterator[Figure]:
    """The share of tokens a second that the live display takes."""
    model = shop.load()
    with _terminal() as env:
        pairs = paired(
            lambda: _seconds_a_token(env, model, live=True),
            lambda: _seconds_a_token(env, model, live=False),
            rounds=2 * shop.rounds,
        )
    live, plain = (Spread.of(1 / seconds for seconds in side) for side in zip(*pairs, strict=True))
    yield Figure(
        part="display",
        what="live display, of tokens/s as plain text",
        value=Spread.of(100 * (1 - plain / live) for live, plain in pairs),
        unit="%",
        bar=Bar(5),
        detail=f"live {live.median:.0f} tok/s, plain {plain.median:.0f} tok/s",
    )


def _seconds_a_token(env: Environment, model: LanguageModel, *, live: bool) -> float:
    chain = SamplerChain(without_end(DEFAULT, model))
    frames = Frames(env, DisplayOptions(live=live))
    ids = model.tokenizer.encode(_PROMPT, bos=True)
    with Interrupt() as interrupt:
        chunks = stream(
            model, ids, chain, max_tokens=_TOKENS, top=frames, cancelled=interrupt.cancelled
        )
        reply = show_reply(
            env, chunks, model=model, chain=chain, frames=frames, interrupt=interrupt
        )
    return 1 / reply.usage.tokens_per_second


@contextmanager
def _terminal() -> Iterator[Environment]:
    """An environment on a pseudo-terminal of 80 by 24."""
    import pty

    master, slave = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", _READER], stdin=master):
        os.close(master)
        with os.fdopen(slave, "w", encoding="utf-8") as stream:
            yield Environment(
                stdin=sys.stdin,
                stdout=stream,
                stderr=stream,
                stdout_is_terminal=True,
                color_system="256",
                cursor=True,
                keyboard=slave,
            )


_READER = """
import os
try:
    while os.read(0, 65536):
        pass
except OSError:  # the other end is closed
    pass
"""
