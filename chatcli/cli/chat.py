"""`chatcli chat`: a conversation over many turns, live on a terminal, a line a turn in a pipe.

A conversation is begun, or taken up where it was left, and handed to the loop of `ui.repl`.
What the options are, and what they mean together, is in `chat_flags`.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from typer import Context

from chatcli.cli import Status
from chatcli.cli.chat_flags import (
    ConversationFlags,
    ReplyFlags,
    ScreenFlags,
    Wanted,
    check_flags,
    editing_mode,
    screen_options,
    typed_options,
    wanted,
)
from chatcli.cli.configuration import presets
from chatcli.cli.groups import SectionedCommand, command_app, grouped
from chatcli.cli.options import (
    DisplayFlags,
    ModelFlags,
    SamplingFlags,
    display_options,
    load_model,
)
from chatcli.cli.prompting import PromptFileFlags, bound_prompt
from chatcli.cli.tracing import TraceFlags, check_trace_flags, recording
from chatcli.errors import CheckpointError, StoreError
from chatcli.ui.remarks import Remarks

if TYPE_CHECKING:
    from chatcli.chat.conversation import Conversation
    from chatcli.chat.keeper import Keeper
    from chatcli.chat.store import Store
    from chatcli.chat.types import Session, Settings
    from chatcli.cli.tracing import Sampler
    from chatcli.model.types import LanguageModel
    from chatcli.ui.environment import Environment

__all__ = ["app"]

app = command_app()


@app.command(cls=SectionedCommand)
@grouped
def chat(
    ctx: Context,
    talk: ConversationFlags,
    prompt: PromptFileFlags,
    reply: ReplyFlags,
    which: ModelFlags,
    sampling: SamplingFlags,
    display: DisplayFlags,
    screen: ScreenFlags,
    tracing: TraceFlags,
) -> int:
    """Talk with a model over many turns, and see the probability of every token.

    Conversations are kept: `chatcli chat -c` goes on with the last one, as it was held but for
    what is typed after it. `chatcli sessions` lists them.

    Without a terminal, every line of stdin is a turn, and only replies are written to stdout.

    A line that is a command, such as /retry, is obeyed there too; /help lists the commands.
    """
    check_flags(talk, reply, screen)
    check_trace_flags(tracing)
    said = wanted(sampling, reply, bound_prompt(prompt), typed_options(ctx))
    shown = screen_options(screen, display_options(display))
    env: Environment = ctx.obj
    opening = _Opening(Remarks(env), talk, which, said)
    with ExitStack() as closing:
        store, keeper = opening.store(closing)
        sampler = closing.enter_context(recording(tracing))
        conversation = opening.conversation(store, keeper, sampler)

        from chatcli.ui.repl import Repl, run_repl

        repl = Repl(
            env,
            conversation,
            shown,
            load=opening.load,
            defaults=said.defaults,
            store=store,
            keeper=keeper,
            presets=presets(),
            remarks=opening.remarks,
        )
        _greet(env, conversation)
        repl.show_past()
        succeeded = run_repl(repl, editing_mode=editing_mode(screen))
    # A person saw what went wrong, and went on; a script has only the status.
    return Status.DONE if succeeded or env.interactive else Status.ERROR


@dataclass(frozen=True, slots=True)
class _Opening:
    """How a chat begins: the store, the checkpoint, the conversation."""

    remarks: Remarks
    flags: ConversationFlags
    which: ModelFlags
    said: Wanted

    def store(self, closing: ExitStack) -> tuple[Store | None, Keeper | None]:
        """Where conversations are kept, and what keeps this one; both closed by `closing`.

        A chat goes on without them, and says so. Raises StoreError where one is to be taken up.
        """
        from chatcli.chat.keeper import Keeper
        from chatcli.chat.store import Store

        resumes = self.flags.last or self.flags.session is not None
        if not (self.flags.keep or resumes):
            return None, None
        try:
            store = Store.open(create=not resumes)
        except StoreError as error:
            if resumes:
                raise
            self.remarks(f"this conversation isn't kept: {error}")
            return None, None
        closing.callback(store.close)
        if not self.flags.keep:
            return store, None
        keeper = Keeper(store, self.remarks)
        closing.callback(keeper.close)
        return store, keeper

    def conversation(
        self, store: Store | None, keeper: Keeper | None, sampler: Sampler
    ) -> Conversation:
        """A new conversation, or the one to be taken up."""
        from chatcli.chat.conversation import Conversation
        from chatcli.chat.session import check_name

        session = None if store is None else self._session(store)
        if store is not None and self.flags.name is not None:
            check_name(self.flags.name, store.sessions(), None if session is None else session.id)
        model, reference = self._model(session)
        talk = Conversation(
            model,
            settings=self._settings(model, session),
            session=session,
            turns=store.turns(session.id) if store is not None and session is not None else (),
            keeper=keeper,
            reference=reference,
            notice=self.remarks,
            sampler=sampler,
        )
        if self.flags.name is not None:
            talk.rename(self.flags.name)
        return talk

    def load(self, reference: str) -> LanguageModel:
        """The checkpoint that is called so, run as the options say."""
        return load_model(replace(self.which, model=reference), self.remarks)

    def _session(self, store: Store) -> Session | None:
        if self.flags.session is not None:
            return store.session(self.flags.session)
        if not self.flags.last:
            return None
        latest = store.latest()
        if latest is None:
            raise StoreError("there is no conversation to go on with yet; leave --continue out")
        return latest

    def _model(self, session: Session | None) -> tuple[LanguageModel, str]:
        """The checkpoint that was asked for, or else that of the session, and what it is
        loaded by."""
        from chatcli.model.resolve import lasting

        if session is None or "model" in self.said.typed:
            reference = lasting(self.which.model)
            return self.load(reference), reference
        try:
            return self.load(session.model), session.model
        except CheckpointError as error:
            raise CheckpointError(
                f"{error}; -m NAME goes on with another checkpoint, from the text"
            ) from error

    def _settings(self, model: LanguageModel, session: Session | None) -> Settings:
        return self.said.fresh(model) if session is None else self.said.taken_up(session.settings)


def _greet(env: Environment, talk: Conversation) -> None:
    """What a person should know before the first line; a script only what it may trip over."""
    from chatcli.text.lint import lint
    from chatcli.text.tokenizer import CheckpointTokenizer
    from chatcli.ui.figures import count
    from chatcli.ui.folding import fold

    checkpoint, tokenizer = talk.model.checkpoint, talk.model.tokenizer
    if isinstance(tokenizer, CheckpointTokenizer):
        for warning in lint(tokenizer):
            env.say(f"{checkpoint.name}: {warning}")
    if env.interactive:
        session, turns = talk.session, len(talk.path)
        resumed = [f"{session.name or session.id}, {count(turns, 'turn')}"] if turns else []
        facts = [
            *resumed,
            checkpoint.name,
            f"{checkpoint.dtype} on {checkpoint.device}",
            f"context {checkpoint.context_length:,}",
            "/help lists the commands, Ctrl-D leaves",
        ]
        env.say("\n".join(fold(facts, env.columns())))
