"""Where an exploration stands: the walk, what is being typed, what was read, what is shown.

No terminal and no thread: keys change a State (`moves`, `asking`), readings arrive at it, and
`screen` shows it. What is to be read follows from it (`request`), so a reading that another
key has made stale is told by comparing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from chatcli.errors import ChatcliError
from chatcli.probe.breakpoints import Breakpoint, most_candidates
from chatcli.probe.next_character import NextCharacter
from chatcli.probe.walk import Walk
from chatcli.probe.watch import Sighting, Watched
from chatcli.probe.waterfall import Fall, Place, Waterfall
from chatcli.sampling.chain import SamplerChain
from chatcli.sampling.types import SamplingConfig
from chatcli.text.types import Tokenizer
from chatcli.ui.explorer.line import Line
from chatcli.ui.explorer.reader import Reading, Request

__all__ = ["VIEWS", "Ask", "AskKind", "State", "View"]

View = Literal["table", "waterfall", "tree", "watch", "characters", "help"]
VIEWS: tuple[View, ...] = ("table", "waterfall", "tree", "watch", "characters")
AskKind = Literal["search", "watch", "break", "set", "name", "save", "open", "delete"]

PAST = 48  # places before, at which watched strings are shown


@dataclass(frozen=True, slots=True)
class Ask:
    """The small line at the bottom, while something is being typed there.

    `replacing` is the name of another walk that the next Enter may give to this one.
    """

    kind: AskKind
    line: Line = field(default_factory=Line)
    replacing: str = ""


@dataclass
class State:
    """Everything that the screen shows.

    walk, line       the path in hand, and the text typed behind it that isn't ids yet
    typing           whether keys are text; otherwise they are commands
    view, selected   what fills the screen, and the candidate in hand (0-based, by rank)
    covered, scroll  what the help was opened over, and its first row
    run              how many more tokens the model takes by itself; -1: until it is stopped
    place            what was read last; it belongs to `read_for`
    saved_as         the name under which the walk is kept, if it is
    seen             of each text that was read, its watched strings
    """

    tokenizer: Tokenizer
    name: str
    context: int
    config: SamplingConfig
    walk: Walk = field(default_factory=Walk)
    special: bool = False
    line: Line = field(default_factory=Line)
    typing: bool = True
    view: View = "table"
    selected: int = 0
    covered: View = "table"
    scroll: int = 0
    first_stage: int = 0
    ask: Ask | None = None
    saved_as: str = ""
    note: str = ""
    watching: tuple[Watched, ...] = ()
    breakpoints: tuple[Breakpoint, ...] = ()
    run: int = 0
    starting: bool = False  # a run hasn't taken a token yet
    query: str = ""
    found: frozenset[int] | None = frozenset()  # what `query` means; None: being looked for
    after_chain: bool = False  # whose distribution the characters have
    characters: NextCharacter | None = None
    character_at: int = 0
    tree_at: int = 0
    tree_mark: int | None = None
    place: Place | None = None
    read_for: tuple[tuple[int, ...], str] | None = None
    aim: int | None = None  # the token to be selected once a place is there
    seen: dict[tuple[int, ...], dict[str, Sighting]] = field(default_factory=dict)
    memories: dict[int, dict[str, Any]] = field(default_factory=dict)
    _refused: tuple[Request, str] | None = None  # what couldn't be read, and why
    _fallen: Waterfall | str | None = None  # or why there is none
    _fallen_key: Any = None

    @property
    def request(self) -> Request:
        """What is to be read."""
        watch, characters = self.view == "watch", self.view == "characters"
        return Request(
            ids=self.walk.ids,
            text=self.line.text,
            special=self.special,
            watched=self.watching,
            past=PAST if watch else 0,
            characters=characters,
            chain=self.config if characters and self.after_chain else None,
        )

    @property
    def empty(self) -> bool:
        """Whether there is nothing to read: no text, and no token that starts one."""
        return not self.walk.ids and not self.line.text

    @property
    def behind(self) -> bool:
        """Whether what was read isn't what the text says now."""
        return not self.empty and self.read_for != (self.walk.ids, self.line.text)

    @property
    def refusal(self) -> str:
        """Why the text can't be read, where it can't."""
        refused = self._refused
        return refused[1] if refused is not None and refused[0] == self.request else ""

    @property
    def fault(self) -> str:
        """Why there is nothing to see: the text can't be read, or the chain leaves nothing."""
        if self.refusal:
            return self.refusal
        self._let_fall()
        return self._fallen if isinstance(self._fallen, str) else ""

    @property
    def hindrance(self) -> str:
        """Why this view has nothing to show."""
        if self.view in ("tree", "help"):
            return ""
        return self.fault if self.view in ("table", "waterfall") else self.refusal

    @property
    def prompt_length(self) -> int:
        """How many ids the chain takes as given: those before the first chosen one."""
        walk, length = self.walk, self.walk.prompt_length
        if length < len(walk.ids) or self.place is None:
            return length
        return len(self.place.ids)

    @property
    def waterfall(self) -> Waterfall | None:
        """What was read last, under the settings of now; None where nothing is to be seen."""
        self._let_fall()
        return None if self.refusal or isinstance(self._fallen, str) else self._fallen

    @property
    def fall(self) -> Fall | None:
        """The candidate in hand."""
        waterfall = self.waterfall
        found = waterfall.best(self.selected, 1) if waterfall is not None else ()
        return found[0] if found else None

    @property
    def size(self) -> int:
        """How many candidates there are."""
        return 0 if self.place is None or self.empty else self.place.order.size

    @property
    def text(self) -> str:
        """What the walk added, as text; what is being typed included."""
        began = len(self.walk[0].ids)
        return self.tokenizer.decode(self.walk.ids[began:], special=False) + self.line.text

    @property
    def ids(self) -> tuple[int, ...]:
        """All ids; those of a text that is being typed only once they are known."""
        known = self.place is not None and not self.behind
        return self.place.ids if known and self.place is not None else self.walk.ids

    @property
    def sightings(self) -> dict[str, Sighting]:
        """The watched strings behind the text, as far as they were read."""
        return {} if self.place is None else self.seen.get(self.place.ids, {})

    def say(self, note: str) -> None:
        """A remark, until the next key."""
        self.note = note

    def show(self, view: View) -> None:
        """Fill the screen with something else."""
        self.view = view
        if view == "tree":
            self.tree_at = self.walk.at.number

    def help(self) -> None:
        """Open it over what is shown, or close it again."""
        if self.view == "help":
            self.view = self.covered
        else:
            self.covered, self.scroll, self.view = self.view, 0, "help"

    def configure(self, config: SamplingConfig) -> None:
        """Other settings; what the chain remembers was learnt under the old ones."""
        self.config = config
        self.memories.clear()

    def select(self, index: int) -> None:
        """Take a candidate in hand, the nearest there is."""
        self.selected = max(0, min(index, self.size - 1))

    def receive(self, reading: Reading) -> bool:
        """Take in what was read; False where it is stale. Raises what no person can cause."""
        if reading.failure is not None:
            raise reading.failure
        if reading.request != self.request:
            return False
        if reading.error:
            self._refused, self.run = (reading.request, reading.error), 0
        if reading.place is not None:
            self._arrive(reading.request, reading.place)
        if reading.remark:
            self.note = reading.remark
        if reading.characters is not None:
            self.characters = reading.characters
        if self.place is not None:
            for length, sightings in reading.sightings:
                known = self.seen.setdefault(self.place.ids[:length], {})
                known.update((one.watched.text, one) for one in sightings)
        return True

    def _arrive(self, request: Request, place: Place) -> None:
        if place is not self.place:
            self.selected = self.character_at = 0
        self.place, self._refused = place, None
        self.read_for = request.ids, request.text
        if self.aim is not None and self.aim < place.ranks.size:
            self.selected = int(place.ranks[self.aim]) - 1
        self.aim = None

    @property
    def _top(self) -> int:
        return max(1, most_candidates(self.breakpoints))

    def _let_fall(self) -> None:
        """Under the settings of now, unless it is done."""
        place = None if self.empty else self.place
        key = (place, self.config, self.prompt_length, self._top)
        if self._fallen_key != key:
            self._fallen_key = key
            self._fallen = None if place is None else self._fall(place)

    def _fall(self, place: Place) -> Waterfall | str:
        chain = SamplerChain(self.config)
        try:
            chain.bind(self.tokenizer)
            return Waterfall(
                place,
                chain,
                prompt_length=self.prompt_length,
                memory=self.memories.get(self.walk.at.number),
                top=self._top,
                near=self.selected,
            )
        except ChatcliError as error:
            self.run = 0
            return str(error)
