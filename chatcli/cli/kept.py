"""What commands on kept conversations share: how one is named, and the store they are in."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from chatcli.cli.chat_flags import complete_sessions

if TYPE_CHECKING:
    from chatcli.chat.store import Store

__all__ = ["NOTHING", "Branch", "Json", "Reference", "kept", "open_store"]

NOTHING = "no conversations are kept yet; `chatcli chat` begins one"

Reference = Annotated[
    str,
    Argument(
        metavar="ID",
        help="Its id, the beginning of it, or its name.",
        autocompletion=complete_sessions,
        show_default=False,
    ),
]
Branch = Annotated[
    str | None,
    Option(
        metavar="NAME",
        help="This branch, or the end that /branches calls @….",
        show_default="the one in hand",
    ),
]
Json = Annotated[bool, Option("--json", help="One JSON object a line.")]


def open_store(*, create: bool = False) -> Store:
    """The user's own store. Raises StoreError, without `create` also where there is none."""
    from chatcli.chat.store import Store

    return Store.open(create=create)


def kept() -> Store | nullcontext[None]:
    """The store; nothing where none was made yet. Raises StoreError where none can be made."""
    from chatcli.chat.database import require_folder
    from chatcli.chat.store import store_path

    path = store_path()
    if path.exists():
        return open_store()
    require_folder(path)
    return nullcontext()
