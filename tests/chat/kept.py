"""Sessions and turns written down, without a model."""

from __future__ import annotations

from collections.abc import Sequence

from chatcli.chat.types import Origin, Run, Session, Settings, Turn
from chatcli.sampling.types import SamplingConfig
from chatcli.text.types import Message

__all__ = ["BEGUN", "kept_session", "kept_turns", "said_run"]

BEGUN = 1_772_000_000.0  # seconds since 1970


def said_run(tokens: int = 3, seed: int = 7) -> Run:
    """A run of the built-in checkpoint that ended by itself."""
    origin = Origin("chatcli-16m", "builtin", "ab" * 32, "native", "cpu", "float32", 1, "0.1")
    return Run(tokens, SamplingConfig(temperature=0.8, top_k=40, seed=seed), origin, "eos")


def kept_turns(*pairs: tuple[str, str], system: str | None = None) -> list[Turn]:
    """A branch of turns; each reply has three ids, one without text none."""
    preamble = () if system is None else (Message("system", system),)
    turns: list[Turn] = []
    for index, (user, reply) in enumerate(pairs, 1):
        run = said_run(seed=index)
        turns.append(
            Turn(
                id=index,
                parent=index - 1 or None,
                user=user,
                created=BEGUN + index,
                reply=reply,
                preamble=preamble,
                tail=(1, 2, 3, 4) if reply else (),
                prompt_length=1 if reply else 0,
                runs=(run,) if reply else (),
            )
        )
    return turns


def kept_session(
    turns: Sequence[Turn] = (), name: str | None = None, id: str = "5e55104f00d1cafe"
) -> Session:
    """A session whose one branch ends with the last of `turns`."""
    head = turns[-1].id if turns else None
    preamble = turns[-1].preamble if turns else ()
    return Session(
        id=id,
        created=BEGUN,
        updated=BEGUN + len(turns),
        model="builtin",
        name=name,
        branches={"main": head},
        settings=Settings(preamble=preamble),
    )
