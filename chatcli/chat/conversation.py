"""A conversation in memory: turns, the ids they were made of, and the cache they share.

Each reply feeds only what the cache doesn't hold. A reply that is stopped stays, as far as
it came; a turn that fails before it said anything leaves the conversation as it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chatcli.chat.context import next_prompt
from chatcli.engine.decode import Cancelled, Top
from chatcli.engine.stream import stream
from chatcli.engine.types import Chunk
from chatcli.errors import ContextError
from chatcli.model.types import LanguageModel
from chatcli.sampling.chain import SamplerChain
from chatcli.sampling.types import SamplingConfig
from chatcli.text.types import Message

__all__ = ["Conversation"]


class Conversation:
    """One dialogue with one model; `config` may be changed between turns."""

    def __init__(
        self, model: LanguageModel, config: SamplingConfig, system: str | None = None
    ) -> None:
        self.model = model
        self.system = system
        self._cache = model.new_cache()
        self._messages: list[Message] = []
        self._ids: list[int] = []
        self.config = config
        self.reset()

    @property
    def config(self) -> SamplingConfig:
        """The settings of the next reply."""
        return self.chain.config

    @config.setter
    def config(self, config: SamplingConfig) -> None:
        # One chain for the whole conversation: its luck depends on seed and position alone.
        self.chain = SamplerChain(config)

    @property
    def messages(self) -> Sequence[Message]:
        """All messages so far, the system prompt first where there is one."""
        return tuple(self._messages)

    @property
    def ids(self) -> Sequence[int]:
        """The ids of all turns so far, as they were fed and generated."""
        return tuple(self._ids)

    def reset(self) -> None:
        """Forget every turn; the system prompt and the settings stay."""
        self._ids = []
        self._messages = [] if self.system is None else [Message("system", self.system)]
        self._cache.crop(0)

    def ask(
        self,
        text: str,
        *,
        max_tokens: int = 512,
        stop: Sequence[str] = (),
        prefill: str = "",
        top: Top = 10,
        cancelled: Cancelled | None = None,
    ) -> Iterator[Chunk]:
        """One turn: the reply to `text`, streamed; `prefill` is how it begins.

        Raises ContextError where the conversation no longer fits, before anything changes.
        """
        messages = [*self._messages, Message("user", text)]
        ids = next_prompt(self.model.tokenizer, messages, self._ids, prefill=prefill)
        self._check_room(len(ids))
        chunks = stream(
            self.model,
            ids,
            self.chain,
            max_tokens=max_tokens,
            stop=(*stop, *self.model.tokenizer.fallback_stop),
            top=top,
            cache=self._cache,
            cancelled=cancelled,
        )
        return self._turn(messages, ids, prefill, chunks)

    def _check_room(self, length: int) -> None:
        """Refuse a turn that outgrows the context; a first message is for `stream` to judge."""
        context = self.model.checkpoint.context_length
        if self._ids and length > context:
            raise ContextError(
                f"the conversation is {length:,} tokens long with this message and the context "
                f"{context:,}: /reset starts afresh (in Python, Conversation.reset())"
            )

    def _turn(
        self, messages: list[Message], ids: list[int], prefill: str, chunks: Iterator[Chunk]
    ) -> Iterator[Chunk]:
        """Pass the chunks on, and keep what was said, however it ends."""
        said: list[str] = []
        tokens: list[int] = []
        try:
            for chunk in chunks:
                said.append(chunk.text)
                tokens += [step.token for step in chunk.steps]
                yield chunk
        finally:
            if tokens:
                self._messages = [*messages, Message("assistant", prefill + "".join(said))]
                self._ids = ids + tokens
