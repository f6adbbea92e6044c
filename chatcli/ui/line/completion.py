"""What Tab offers and what stands in grey behind the cursor.

Which words may follow a slash is the caller's to say; suggestions come from the history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prompt_toolkit.auto_suggest import AutoSuggest, Suggestion
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completer
from prompt_toolkit.completion import Completion as Offer
from prompt_toolkit.document import Document

from chatcli.errors import ChatcliError
from chatcli.text.visible import visible
from chatcli.ui.line.session import Completion

__all__ = ["FromHistory", "SlashWords", "is_command"]


def is_command(text: str) -> bool:
    """Whether `text` may be, or become, a slash command: one line that starts with a slash."""
    return text.startswith("/") and "\n" not in text


class SlashWords(Completer):
    """Offers what `complete` says may follow in a line that starts with a slash."""

    def __init__(self, complete: Callable[[str], Iterable[Completion]]) -> None:
        self._complete = complete

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Offer]:
        line = document.text_before_cursor
        if not is_command(document.text):
            return
        try:
            found = list(self._complete(line))
        except ChatcliError:  # such as a store that is locked: nothing can be offered now
            return
        for word in found:
            yield Offer(
                word.text,
                min(0, word.start - len(line)),
                display=visible(word.text, keep_newlines=False),
                display_meta=visible(word.description, keep_newlines=False),
            )


class FromHistory(AutoSuggest):
    """Suggests how the newest line that begins with what is typed went on."""

    def get_suggestion(self, buffer: Buffer, document: Document) -> Suggestion | None:
        text = document.text
        if not text.strip():
            return None
        for entry in reversed(buffer.history.get_strings()):
            if entry.startswith(text) and (rest := entry[len(text) :].partition("\n")[0]):
                return Suggestion(rest)
        return None
