"""chatcli: chat with a local GPT-style checkpoint and see the probability of every token.

The public names are resolved on first use, so that `import chatcli` (and with it
`chatcli --help`) stays light: torch is imported only when something needs it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chatcli.chat.conversation import Conversation
    from chatcli.engine.generate import generate
    from chatcli.engine.stream import complete
    from chatcli.engine.types import Chunk, Step, Usage
    from chatcli.errors import ChatcliError
    from chatcli.model.load import load
    from chatcli.model.types import Checkpoint, KVCache, LanguageModel
    from chatcli.sampling.chain import SamplerChain
    from chatcli.sampling.types import Candidate, Draw, SamplingConfig, StageTrace
    from chatcli.text.types import Message

__version__ = "0.1.0"

__all__ = [
    "Candidate",
    "ChatcliError",
    "Checkpoint",
    "Chunk",
    "Conversation",
    "Draw",
    "KVCache",
    "LanguageModel",
    "Message",
    "SamplerChain",
    "SamplingConfig",
    "StageTrace",
    "Step",
    "Usage",
    "complete",
    "generate",
    "load",
]

_HOME = {
    "Candidate": "sampling.types",
    "ChatcliError": "errors",
    "Checkpoint": "model.types",
    "Chunk": "engine.types",
    "Conversation": "chat.conversation",
    "Draw": "sampling.types",
    "KVCache": "model.types",
    "LanguageModel": "model.types",
    "Message": "text.types",
    "SamplerChain": "sampling.chain",
    "SamplingConfig": "sampling.types",
    "StageTrace": "sampling.types",
    "Step": "engine.types",
    "Usage": "engine.types",
    "complete": "engine.stream",
    "generate": "engine.generate",
    "load": "model.load",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'chatcli' has no attribute {name!r}")
    value = getattr(import_module(f"chatcli.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
