"""A checkpoint's tokenizer: text to ids and back, on the `tokenizers` package alone.

Text is text: a control token spelt in it stays a string unless the caller asks otherwise.
Reading the files is left to `tokenizer_files`, conversations to `chat`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from threading import Lock

from tokenizers import AddedToken, Encoding, Tokenizer

from chatcli.text.backends import declare_tokens, inner_backend
from chatcli.text.chat import ChatRenderer
from chatcli.text.control import ControlTokens, is_control_shaped
from chatcli.text.detokenizer import StreamDetokenizer
from chatcli.text.pieces import PieceReader
from chatcli.text.tokenizer_files import TokenizerSettings, read_backend, read_settings
from chatcli.text.types import Message

__all__ = ["CheckpointTokenizer", "load_tokenizer"]

UTF8_LONGEST = 4  # bytes of a character
SPACE_MARK = "▁"  # SentencePiece's


def load_tokenizer(folder: Path, *, extra_eos: Iterable[int] = ()) -> CheckpointTokenizer:
    """The tokenizer of a checkpoint folder.

    `extra_eos` are ids that config.json and generation_config.json name as ends of a text.
    Raises TokenizerError where the folder has no tokenizer, or one that can't be read.
    """
    folder = Path(folder)
    return CheckpointTokenizer(read_backend(folder), read_settings(folder), extra_eos=extra_eos)


class CheckpointTokenizer:
    """The `Tokenizer` of a checkpoint; made by `load_tokenizer`."""

    def __init__(
        self, backend: Tokenizer, settings: TokenizerSettings, *, extra_eos: Iterable[int] = ()
    ) -> None:
        self.backend = backend
        self._settings = settings
        self._extra_eos = {number for number in extra_eos if number >= 0}
        self._lock = Lock()  # whether control tokens count is a switch of the backend
        declare_tokens(backend, settings)
        self._added: dict[int, AddedToken] = backend.get_added_tokens_decoder()
        named = {*settings.named.values(), *settings.additional}
        self._special = {
            number
            for number, token in self._added.items()
            if token.special or token.content in named
        }
        # Non-special tokens that steer the model obey the backend's switch too, from here on.
        backend.add_special_tokens(self._control_tokens())
        self._bytes: dict[int, bytes] = {}

    @cached_property
    def vocab_size(self) -> int:
        """Ids are in [0, vocab_size); a model's head may be wider (padding)."""
        return max(self.backend.get_vocab_size(), max(self._added, default=-1) + 1)

    @cached_property
    def eos_ids(self) -> frozenset[int]:
        """Every id that ends a text or a turn: the files' own, and what the template writes."""
        named = self._id(self._settings.named.get("eos_token"))
        known = self.named_ends | ({named} if named is not None else frozenset())
        end = self.end_of_turn(known)
        return known | ({end} if end is not None else frozenset())

    @property
    def named_ends(self) -> frozenset[int]:
        """The ids that config.json and generation_config.json name as ends of a text."""
        return frozenset(self._extra_eos)

    def end_of_turn(self, known: Iterable[int] = ()) -> int | None:
        """The token that the template ends a reply with, None where it has none.

        None also where one of the `known` ends stands there. It need not be flagged as special:
        `<|im_end|>` was added to many models plainly.
        """
        spelled = {token for number in known if (token := self.backend.id_to_token(number))}
        token = self._chat.end_of_turn(spelled)
        number = self._id(token)
        ends = number in self._special or (token is not None and is_control_shaped(token, None))
        return number if ends else None

    @property
    def chat_template(self) -> str | None:
        """The checkpoint's own Jinja source, None where it has none."""
        return self._settings.chat_template

    @property
    def fallback_stop(self) -> tuple[str, ...]:
        """Strings that end a reply where the checkpoint has no chat template of its own."""
        return self._chat.stop

    def encode(self, text: str, *, bos: bool = False, special: bool = False) -> list[int]:
        """Ids of `text`.

        `bos` puts in front what the checkpoint's own tokenizer puts there, if anything;
        `special` reads control tokens in the text as such; otherwise they are plain text.
        """
        ids = self._encode(self.backend, text, special)
        prefix = self._bos_ids if bos else []
        return ids if ids[: len(prefix)] == prefix else prefix + ids

    def decode(self, ids: Sequence[int], *, special: bool = True) -> str:
        """Text of `ids`; control tokens are spelt out unless `special` is False."""
        read = self.token_bytes if special else self._text_bytes
        stream = StreamDetokenizer(read, strip_leading=self._pieces.strip_leading)
        return "".join(map(stream.add, ids)) + stream.finish()

    def unreadable(self, text: str, *, special: bool = False) -> str:
        """The characters of `text`, each once, that its ids don't carry; usually none.

        They became the unknown token or nothing. What the tokenizer normalises (NFKC, lower
        case) it carries, in the form it gives it; spaces that nothing stands for don't count.
        """
        whole = _without_surrogates(text)
        encoding = self._encoding(self.backend, whole, special)
        unknown = self._unknown_spans(whole, encoding)
        rest = list(whole)
        for start, stop in unknown:
            rest[start:stop] = " " * (stop - start)
        held = set(self._normalized(self.decode(encoding.ids)))
        dropped = (char for char in self._normalized("".join(rest)) if char not in held)
        spans = (whole[start:stop] for start, stop in unknown)
        lost = [*"".join(span.strip() or span for span in spans), *filter(_is_visible, dropped)]
        return "".join(dict.fromkeys(lost))

    def token_bytes(self, token: int) -> bytes:
        """The exact bytes that `token` adds to a text; for a control token, its spelling."""
        known = self._bytes.get(token)
        if known is None:
            known = self._bytes[token] = self._read_token(token)
        return known

    def is_special(self, token: int) -> bool:
        """Whether `token` is a control token, which streaming text leaves out."""
        return token in self._special or token in self._plain_ends

    def detokenizer(self, context: Sequence[int] = ()) -> StreamDetokenizer:
        """A fresh streaming detokenizer; `context` is what stands before the first token."""
        before = _trailing_bytes(map(self._text_bytes, reversed(context)))
        strip = 0 if before else self._pieces.strip_leading
        return StreamDetokenizer(self._text_bytes, before=before, strip_leading=strip)

    def render_chat(
        self,
        messages: Sequence[Message],
        *,
        add_generation_prompt: bool = True,
        prefill: str = "",
        date: datetime | None = None,
    ) -> str:
        """The text of a conversation as the chat template writes it."""
        rendered = self._chat.render(
            messages, add_generation_prompt=add_generation_prompt, prefill=prefill, date=date
        )
        return rendered.text

    def encode_chat(
        self,
        messages: Sequence[Message],
        *,
        add_generation_prompt: bool = True,
        prefill: str = "",
        date: datetime | None = None,
    ) -> list[int]:
        """Ids of a conversation through the chat template; contents stay plain text.

        `date` is the now of templates that write a date; None: the clock's. Raises UsageError
        on an unknown role, TemplateError where the template fails.
        """
        rendered = self._chat.render(
            messages, add_generation_prompt=add_generation_prompt, prefill=prefill, date=date
        )
        ids: list[int] = []
        for index, (text, special) in enumerate(rendered.spans):
            ids += self._encode(self._inner if index else self.backend, text, special)
        return ids if self.chat_template else self._bos_ids + ids

    def _encode(self, backend: Tokenizer, text: str, special: bool) -> list[int]:
        ids: list[int] = self._encoding(backend, _without_surrogates(text), special).ids
        return ids

    def _encoding(self, backend: Tokenizer, text: str, special: bool) -> Encoding:
        with self._lock:
            backend.encode_special_tokens = not special
            return backend.encode(text, add_special_tokens=False)

    def _unknown_spans(self, text: str, encoding: Encoding) -> list[tuple[int, int]]:
        """Where the unknown token stands for other characters than its own ("A" may be it)."""
        number = self._id(self._unknown)
        tokens = zip(encoding.ids, encoding.offsets, strict=True)
        spans = [span for token, span in tokens if token == number]
        return [(start, stop) for start, stop in spans if text[start:stop].strip() != self._unknown]

    def _normalized(self, text: str) -> str:
        normalizer = self.backend.normalizer
        return text if normalizer is None else str(normalizer.normalize_str(text))

    @cached_property
    def _plain_ends(self) -> frozenset[int]:
        """Ends of a turn that no file flags as special; a reply's text leaves them out as well."""
        return frozenset(
            number
            for number in self.eos_ids & self._added.keys()
            if number not in self._special and is_control_shaped(self._added[number].content, None)
        )

    @cached_property
    def _unknown(self) -> str | None:
        """How the token is spelt that stands for what the vocabulary lacks."""
        model = getattr(self.backend.model, "unk_token", None)  # Unigram doesn't tell
        return model or self._settings.named.get("unk_token")

    @cached_property
    def _bos_ids(self) -> list[int]:
        """What stands before a text: by add_bos_token where it is set, else by post-processor."""
        bos = self._id(self._settings.named.get("bos_token"))
        if self._settings.add_bos is not None:
            return [bos] if self._settings.add_bos and bos is not None else []
        probe = self.backend.encode("a")
        marked = zip(probe.ids, probe.special_tokens_mask, strict=True)
        return [token for token, _ in takewhile(lambda pair: pair[1], marked)]

    @cached_property
    def _pieces(self) -> PieceReader:
        return PieceReader(self.backend)

    @cached_property
    def _inner(self) -> Tokenizer:
        return inner_backend(self.backend, self._control_tokens())

    def _control_tokens(self) -> list[AddedToken]:
        template = self._settings.chat_template
        return [
            token
            for number, token in self._added.items()
            if number in self._special or is_control_shaped(token.content, template)
        ]

    def _read_token(self, token: int) -> bytes:
        if (added := self._added.get(token)) is not None:
            special = token in self._special
            return added.content.encode() if special else self._pieces.read_added(added.content)
        piece = self.backend.id_to_token(token) if 0 <= token < self.vocab_size else None
        return b"" if piece is None else self._pieces.read(piece)

    def _text_bytes(self, token: int) -> bytes:
        return b"" if self.is_special(token) else self.token_bytes(token)

    def _id(self, token: str | None) -> int | None:
        return None if token is None else self.backend.token_to_id(token)

    @cached_property
    def _chat(self) -> ChatRenderer:
        settings = self._settings
        variables = {**settings.named, "additional_special_tokens": list(settings.additional)}
        return ChatRenderer(
            settings.chat_template,
            variables,
            control=ControlTokens(self._control_tokens()),
            special=ControlTokens(self._added[number] for number in self._special),
        )


def _is_visible(char: str) -> bool:
    return not (char.isspace() or char == SPACE_MARK)


def _trailing_bytes(tokens: Iterable[bytes]) -> bytes:
    """Of tokens given last first, at least the bytes that may belong to an open character."""
    tail = b""
    for piece in tokens:
        tail = piece + tail
        if len(tail) >= UTF8_LONGEST:
            break
    return tail


def _without_surrogates(text: str) -> str:
    """`text` with U+FFFD for surrogates that stand alone, which no tokenizer takes."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
