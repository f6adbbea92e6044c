"""The loss curves of a run as a picture in a file, drawn by matplotlib without a display.

Matplotlib is in the extra `train` and imported only to draw. Labels are English and ASCII,
for its own font has no Chinese; colours are told apart by line style too.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from chatcli.errors import TrainingError, UsageError
from chatcli.train.curves import Curve, in_short, smooth

__all__ = ["FORMATS", "check_picture", "draw_picture"]

FORMATS = (".svg", ".png")

_TRAINING, _VALIDATION, _GREY = "#1f77b4", "#d9480f", "#868e96"
_NAME_CHARACTERS = 100  # that fit above the panel


def check_picture(path: Path, *, force: bool = False) -> None:
    """Whether a picture can be drawn there. Raises UsageError or TrainingError where not."""
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"can't draw {path}: its name must end in {' or '.join(FORMATS)}")
    if path.exists() and not force:
        raise UsageError(f"{path} exists; draw over it with --force, or name another file")
    if not path.parent.is_dir():
        raise UsageError(f"no folder {path.parent} to write {path.name} into; make it first")
    if find_spec("matplotlib") is None:
        raise TrainingError(_missing(path))


def draw_picture(curves: Sequence[Curve], path: Path) -> None:
    """Write the curves, all phases on one axis of tokens, to an .svg or .png file.

    It replaces `path` only when it is whole. Raises TrainingError without matplotlib, and
    OSError where the file can't be written.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise TrainingError(_missing(path)) from error
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # its font cache is its own affair
    aside = path.with_name(f".{path.name}.tmp")
    kind = path.suffix.lower().removeprefix(".")
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # whatever the person's own matplotlibrc says
        matplotlib.rcParams["svg.hashsalt"] = "chatcli"  # the same curves, the same file
        figure = Figure(figsize=(9, 4.5), dpi=150, layout="constrained")
        _draw(figure.subplots(), curves)
        try:
            figure.savefig(aside, format=kind, metadata={"Date": None} if kind == "svg" else {})
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)


def _missing(path: Path) -> str:
    return f"{path} can't be drawn without matplotlib: pip install 'chatcli[train]'"


def _draw(axes: Any, curves: Sequence[Curve]) -> None:
    for curve in curves:
        _draw_curve(axes, curve)
    axes.set_xlabel("tokens learned")
    axes.set_ylabel("loss, nats a token")
    axes.xaxis.set_major_formatter(lambda value, _: in_short(value) if value >= 0 else "")
    axes.grid(axis="y", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlim(curves[0].start, max(curves[-1].end, 1))
    handles, labels = axes.get_legend_handles_labels()
    known = dict(zip(labels, handles, strict=True))
    if known:
        axes.legend(known.values(), known.keys(), frameon=False)
    _name_phases(axes, curves)


def _draw_curve(axes: Any, curve: Curve) -> None:
    if curve.training:
        axes.plot(*zip(*curve.training, strict=True), color=_TRAINING, alpha=0.3, linewidth=0.8)
        smoothed = smooth(curve.training)
        axes.plot(*zip(*smoothed, strict=True), color=_TRAINING, linewidth=1.6, label="training")
    if curve.validation:
        x, y = zip(*curve.validation, strict=True)
        style: dict[str, Any] = {"linestyle": "--", "marker": "o", "markersize": 3.5}
        axes.plot(x, y, color=_VALIDATION, linewidth=1.2, label="validation", **style)


def _name_phases(axes: Any, curves: Sequence[Curve]) -> None:
    """A line where a phase begins, and its name above the panel."""
    for number, curve in enumerate(curves, 1):
        name = curve.phase if curve.phase.isascii() else f"phase {number}"
        share = (curve.end - curve.start) / max(curves[-1].end, 1)
        if number > 1:
            axes.axvline(curve.start, color=_GREY, linewidth=0.8, linestyle=":")
        axes.text(
            (curve.start + curve.end) / 2,
            1.02,
            name[: int(share * _NAME_CHARACTERS)],
            transform=axes.get_xaxis_transform(),
            color=_GREY,
            ha="center",
            va="bottom",
            parse_math=False,
        )
