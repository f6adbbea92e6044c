"""Every slash command, in the order of /help."""

from __future__ import annotations

from chatcli.ui.commands.registry import Command

__all__ = ["COMMANDS"]

COMMANDS: tuple[Command, ...] = ()
