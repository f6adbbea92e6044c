"""Reports written down, and texts that try to be more than text."""

from __future__ import annotations

from collections.abc import Sequence

from chatcli.probe.report import Passage, Report, Rival, Told
from chatcli.sampling.types import StageTrace
from chatcli.text.visible import one_line

__all__ = ["HOSTILE", "report_of", "told"]

HOSTILE = (
    "</script><script>window.ran = 1</script>",
    "<!--<script>",
    "<img src=x onerror='window.ran = 2'>",
    '"><svg onload="window.ran = 3">',
    "</div></main></body>",
    "\u2028\u2029",
    "\u202etxt.exe\u202c\u2066",
    "\x00\x1b[31m\x9b",
    "\ud800",
    "&lt;b&gt;&#60;",
    "]]>",
    "javascript:window.ran=4",
    "`${window.ran = 5}`",
    "{{window.ran = 6}}",
)


def told(text: str, prob: float = 0.5, *, rivals: Sequence[str] = (), token: int = 7) -> Told:
    """A token that is `text`, and what it was chosen from."""
    best = Rival(token, one_line(text), prob, 0.75, None)
    others = [Rival(100 + at, one_line(each), 0.01, 0.0, "top_k") for at, each in enumerate(rivals)]
    return Told(
        token=token,
        label=best.label,
        text=text,
        control=False,
        raw_prob=prob,
        prob=0.75,
        rank=1,
        entropy_bits=1.5,
        u=0.25,
        interval=(0.0, 0.75),
        stages=(StageTrace("top_k", 40, 0.9, 1.25),),
        rivals=(best, *others),
    )


def report_of(*replies: Sequence[Told], title: str = "a report", user: str = "hello") -> Report:
    """A turn for each reply."""
    turns = [
        (
            Passage("user", "user", user),
            Passage(
                "assistant",
                "model",
                "".join(one.text for one in reply),
                tuple(reply),
                ("model 123456", "top_k 40, seed 7"),
                (("chain", "top_k 40"), ("seed", "7")),
            ),
        )
        for reply in replies
    ]
    return Report(title, ("made by hand",), tuple(turns))
