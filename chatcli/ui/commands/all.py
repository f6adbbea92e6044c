"""Every slash command, in the order of /help."""

from __future__ import annotations

from chatcli.ui.commands import branches, kept, looking, prompting, screen, settings, turns
from chatcli.ui.commands.registry import Command

__all__ = ["COMMANDS"]

COMMANDS: tuple[Command, ...] = (
    *turns.COMMANDS,
    *settings.COMMANDS,
    *prompting.COMMANDS,
    *branches.COMMANDS,
    *looking.COMMANDS,
    *kept.COMMANDS,
    *screen.COMMANDS,
)
