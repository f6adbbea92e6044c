"""The line on a full terminal, with prompt-toolkit: one session of editing for the whole chat.

What the keys do is in `bindings`; what is offered, in `completion`; what ends a chat from
outside, in `departure`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app, run_in_terminal
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.cursor_shapes import ModalCursorShapeConfig
from prompt_toolkit.document import Document
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.input.typeahead import get_typeahead, store_typeahead
from prompt_toolkit.keys import Keys
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.styles import Style

from chatcli.errors import ChatcliError
from chatcli.text.visible import visible
from chatcli.ui.environment import Environment
from chatcli.ui.line.ahead import as_keys, waiting
from chatcli.ui.line.bindings import Farewell, key_bindings
from chatcli.ui.line.completion import FromHistory, SlashWords, is_command
from chatcli.ui.line.departure import Departure, lost_terminal
from chatcli.ui.line.editor import edit_text
from chatcli.ui.line.session import PROMPT, Leave, LineHelp, LineOptions
from chatcli.ui.line.shown import Inert

__all__ = ["Prompt"]

_CONTINUED, _WRAPPED = "… ", "  "
_WARNING = "Ctrl-C once more leaves"
_NOT_FOUND = "no line typed before has that"
_DEPTHS = {
    None: ColorDepth.DEPTH_1_BIT,
    "standard": ColorDepth.DEPTH_4_BIT,
    "256": ColorDepth.DEPTH_8_BIT,
    "truecolor": ColorDepth.DEPTH_24_BIT,
}
_STYLE = {
    "prompt": "bold",
    "prompt-continuation": "dim",
    "auto-suggestion": "#808080",
    "bottom-toolbar": "noreverse dim",
    "warning": "nodim bold",
}
_COLORLESS = {"auto-suggestion": "dim", "completion-menu": "reverse"}
# Escape starts longer keys (Alt-Enter). In vi it is a key of its own that must not wait, and
# what a terminal sends for one key comes at once.
_VI_WAIT_S = 0.05
_WATCH_S = 1.0  # between looks at whether the terminal is still there


class Prompt:
    """Reads lines; `entries` are those typed before, oldest first."""

    def __init__(
        self,
        help: LineHelp,
        options: LineOptions,
        env: Environment,
        notice: Callable[[str], None],
        entries: Sequence[str],
    ) -> None:
        self._help, self._env, self._notice = help, env, notice
        self._farewell = Farewell()
        self._session = _session(help, options, env, entries)
        self._session.bottom_toolbar = self._toolbar
        self._session.key_bindings = key_bindings(self._farewell, self._leave, self._edit)
        self._session.app.key_processor.before_key_press += self._farewell.before_key

    def read(self) -> str:
        """The next line; of what was typed ahead, where there is any.

        Raises Leave where the person leaves, EOFError on SIGHUP, SIGTERM and the end of the
        terminal, and OSError or termios.error where reading or drawing fails.
        """
        loop: asyncio.AbstractEventLoop | None = None

        def end() -> None:
            if loop is not None:
                loop.call_soon_threadsafe(self._end, EOFError())

        def begin() -> None:
            nonlocal loop
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(self._fail)
            self._session.app.create_background_task(self._watch())
            if departure.asked:
                end()

        self._farewell.reset()
        first = self._first()
        with Departure(end) as departure:
            text = self._session.prompt(
                default=first, pre_run=begin, set_exception_handler=False, handle_sigint=False
            )
        self._help.begun = self._is_begun()
        return text

    def _first(self) -> str:
        """What the line begins with; nothing where keys were typed ahead, which aren't meant
        to follow it. They are put where the line looks for keys first, the oldest first."""
        keys = self._session.app.input
        ahead, self._help.ahead = self._help.ahead, ""
        if isinstance(self._env.keyboard, int):
            ahead += waiting(self._env.keyboard)
        typed = [*get_typeahead(keys), *as_keys(ahead)]
        store_typeahead(keys, typed)
        if typed:
            return ""
        first, self._help.first = self._help.first, ""
        return first

    def _is_begun(self) -> bool:
        """Whether keys that were typed ahead are left, and no Enter ends them."""
        keys = self._session.app.input
        left = get_typeahead(keys)
        store_typeahead(keys, left)
        return bool(left) and left[-1].key != Keys.ControlM

    def _end(self, error: BaseException) -> None:
        """End the line with `error`, unless it has ended."""
        app = self._session.app
        if app.is_running and not app.is_done:
            app.exit(exception=error)

    def _leave(self) -> None:
        self._end(Leave())

    def _fail(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What goes wrong in the event loop goes to the caller, as from any other function."""
        self._end(context.get("exception") or RuntimeError(context["message"]))

    async def _watch(self) -> None:
        """End where keys can never come again: that alone ends no read of prompt-toolkit's."""
        while True:
            await asyncio.sleep(_WATCH_S)
            if lost_terminal(self._session.app.input.fileno()):
                self._end(EOFError())

    def _toolbar(self) -> StyleAndTextTuples:
        if self._farewell.warned:
            return [("class:warning", _WARNING)]
        if self._misses():
            return [("class:warning", _NOT_FOUND)]
        room = get_app().output.get_size().columns - (len(_vi_mode()) + 1 if _vi_mode() else 0)
        bar = self._help.toolbar(max(1, room))
        pairs = [("", bar)] if isinstance(bar, str) else bar
        if mode := _vi_mode():
            pairs = [("class:warning", f"{mode} "), *pairs]
        return [(style, visible(text, keep_newlines=False)) for style, text in pairs]

    def _misses(self) -> bool:
        """Whether a search goes on, and no line typed before has what is looked for."""
        layout = self._session.app.layout
        control = layout.search_target_buffer_control
        if control is None:
            return False
        wanted = layout.current_buffer.text.lower() if layout.current_buffer else ""
        lines = (control.buffer.text, *self._session.history.get_strings())
        return not any(wanted in line.lower() for line in lines)

    async def _edit(self, buffer: Buffer) -> None:
        """The text goes to the editor and comes back; where that fails it stays."""

        def edited() -> str | None:
            try:
                return edit_text(buffer.text)
            except ChatcliError as error:
                self._notice(str(error))
                return None

        text = await run_in_terminal(edited)
        if text is not None and text != buffer.text:
            buffer.save_to_undo_stack()
            buffer.document = Document(text)


def _vi_mode() -> str:
    """The mode that vi's keys are in, "" with those of emacs."""
    app = get_app()
    return app.vi_state.input_mode.name.lower() if app.editing_mode == EditingMode.VI else ""


def _session(
    help: LineHelp, options: LineOptions, env: Environment, entries: Sequence[str]
) -> PromptSession[str]:
    vi = options.editing_mode == "vi"
    session: PromptSession[str] = PromptSession(
        PROMPT,
        editing_mode=EditingMode.VI if vi else EditingMode.EMACS,
        multiline=True,  # a search shows the whole of what it finds; Enter is in `bindings`
        prompt_continuation=lambda width, line, wraps: _WRAPPED if wraps else _CONTINUED,
        completer=SlashWords(help.complete),
        # Room for the menu is kept only where one may come.
        complete_while_typing=Condition(lambda: is_command(session.default_buffer.text)),
        auto_suggest=FromHistory(),
        history=InMemoryHistory(entries),
        input_processors=[Inert()],
        search_ignore_case=True,
        enable_suspend=True,
        style=Style.from_dict(_STYLE | _COLORLESS if env.no_color else _STYLE),
        color_depth=_DEPTHS[env.color_system],
        cursor=ModalCursorShapeConfig() if vi else None,
    )
    if vi:
        session.app.ttimeoutlen = session.app.timeoutlen = _VI_WAIT_S
    return session
