"""The next-token table of `chatcli probs`: a row a token, a column a stage.

Below the tokens, what each stage left: how many survive it, and the entropy after it. On a
narrow screen columns give way, the token and its final probability last.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size

from chatcli.probe.next_token import NextToken
from chatcli.sampling.types import Candidate
from chatcli.text.types import Tokenizer
from chatcli.text.visible import token_label, visible
from chatcli.ui.columns import Column, table_lines
from chatcli.ui.environment import Environment
from chatcli.ui.folding import fold
from chatcli.ui.panel import percent
from chatcli.ui.theme import Paint

__all__ = ["prompt_title", "show_probs"]

_SUMMARY = ("survive", "bits")


def show_probs(env: Environment, prompt: str, found: NextToken, tokenizer: Tokenizer) -> None:
    """Write the table, under a title with the prompt, the entropies and the chain."""
    width = env.columns() if env.stdout_is_terminal else None
    paint = Paint(env)
    title = prompt_title(prompt, width)
    head = [line for facts in _headings(found) for line in fold(facts, width)]
    titles, *rows = table_lines(_columns(found, tokenizer), width)
    summary = [paint("figures", row) for row in rows[-len(_SUMMARY) :]]
    body = [paint("heading", titles), *rows[: -len(_SUMMARY)], *summary]
    env.write("\n".join([paint("heading", title), *head, "", *body]) + "\n")


def prompt_title(prompt: str, width: int | None) -> str:
    """The end of a prompt, inert, which is what the next token follows."""
    text = visible(prompt, keep_newlines=False)
    if width is None or cell_len(text) <= width:
        return text
    return "…" + set_cell_size(text[::-1], width - 1)[::-1].lstrip()


def _headings(found: NextToken) -> list[list[str]]:
    before = found.entropy_bits
    after = found.stages[-1].entropy_bits if found.stages else before
    if found.config.greedy:
        after = 0.0  # one token is left, whatever the stages before it left
    count = len(found.prompt_ids)
    tokens = f"{count:,} token{'' if count == 1 else 's'}"
    return [[tokens, f"entropy {before:.2f} → {after:.2f} bits"], [found.chain]]


def _columns(found: NextToken, tokenizer: Tokenizer) -> list[Column]:
    """Every column there could be; the order on the screen is the order here."""
    candidates = found.candidates
    labels = [token_label(tokenizer, each.token) for each in candidates]
    return [
        _column("rank", [f"{each.rank:,}" for each in candidates], rank=4, right=True),
        _column("token", labels, _SUMMARY, gives=True),
        _column("id", [str(each.token) for each in candidates], rank=6, right=True),
        _column("logit", [f"{each.logit:.2f}" for each in candidates], rank=5, right=True),
        _column(
            "model",
            [percent(each.raw_prob) for each in candidates],
            (f"{found.vocab_size:,}", f"{found.entropy_bits:.2f}"),
            rank=1,
            right=True,
        ),
        *_stage_columns(found),
        _column("removed by", [_remover(each, found) for each in candidates], rank=2),
    ]


def _stage_columns(found: NextToken) -> list[Column]:
    """One for each active stage, the last of them being what is drawn from; and greedy's."""
    columns = []
    for index, stage in enumerate(found.stages):
        last = index == len(found.stages) - 1 and not found.config.greedy
        shares = [_share(row[index]) for row in found.stage_probs]
        summary = (f"{stage.kept:,}", f"{stage.entropy_bits:.2f}")
        columns.append(_column(stage.name, shares, summary, rank=0 if last else 3, right=True))
    if found.config.greedy:
        shares = [_share(each.prob) for each in found.candidates]
        columns.append(_column("greedy", shares, ("1", "0.00"), right=True))
    return columns


def _column(
    title: str,
    cells: Sequence[str],
    summary: Sequence[str] = ("", ""),
    *,
    rank: int = 0,
    right: bool = False,
    gives: bool = False,
) -> Column:
    return Column(title, [*cells, *summary], rank=rank, right=right, gives=gives)


def _remover(candidate: Candidate, found: NextToken) -> str:
    """The stage that removed it; of the stages' survivors, greedy passes over all but one."""
    passed_over = found.config.greedy and candidate.prob == 0
    return candidate.removed_by or ("greedy" if passed_over else "")


def _share(prob: float) -> str:
    return percent(prob) if prob > 0 else "–"
