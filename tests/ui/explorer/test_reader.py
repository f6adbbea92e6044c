"""The reader's thread: what it feeds, what it remembers, and what it gives up."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from dataclasses import replace

import pytest

from chatcli.probe.watch import watched
from chatcli.ui.explorer.reader import Reader, Reading, Request
from tests.fakes import BOS, ScriptedModel


class Reads:
    """A reader, and what it delivered."""

    def __init__(self, model: ScriptedModel) -> None:
        self.model = model
        self._readings: queue.Queue[Reading] = queue.Queue()
        self.reader = Reader(model, self._readings.put)
        self.reader.start()

    def want(self, request: Request, count: int = 1) -> list[Reading]:
        self.reader.want(request)
        return [self._readings.get(timeout=10) for _ in range(count)]

    @property
    def nothing_more(self) -> bool:
        return self._readings.empty()


@pytest.fixture
def reads() -> Iterator[Reads]:
    found = Reads(ScriptedModel("abcdef", peak=6.0, noise=1.0))
    yield found
    found.reader.close()


REQUEST = Request((BOS, 97))


def test_a_place_that_was_read_is_remembered(reads: Reads) -> None:
    (first,) = reads.want(REQUEST)
    reads.want(Request((BOS, 97, 98)))
    (again,) = reads.want(replace(REQUEST))
    assert again.place is first.place
    assert reads.model.fed == [[BOS, 97], [98]]


def test_typed_text_is_encoded_behind_the_ids(reads: Reads) -> None:
    (reading,) = reads.want(Request((BOS,), "世"))
    assert reading.place is not None and reading.place.ids == (BOS, *"世".encode())


def test_the_newest_place_comes_first_and_then_those_before(reads: Reads) -> None:
    strings = (watched(reads.model.tokenizer, "cd"),)
    request = Request((BOS, 97, 98), watched=strings, past=8)
    place, *rest = reads.want(request, 4)
    assert place.place is not None and not place.sightings
    assert [[length for length, _ in one.sightings] for one in rest] == [[3], [1], [2]]
    # The text's own cache is as it was: going on feeds one token.
    fed = len(reads.model.fed)
    reads.want(Request((BOS, 97, 98, 99)))
    assert reads.model.fed[fed:] == [[99]]


def test_sightings_that_are_known_need_no_forward_pass(reads: Reads) -> None:
    strings = (watched(reads.model.tokenizer, "cd"),)
    request = Request((BOS, 97, 98), watched=strings, past=8)
    reads.want(request, 4)
    reads.want(REQUEST)
    fed = len(reads.model.fed)
    reads.want(replace(request), 4)
    assert len(reads.model.fed) == fed


def test_the_next_character_leaves_the_cache_as_it_is(reads: Reads) -> None:
    *_, last = reads.want(Request((BOS, 97), characters=True), 2)
    assert last.characters is not None and last.characters.prompt_ids == (BOS, 97)
    fed = len(reads.model.fed)
    reads.want(Request((BOS, 97, 98)))
    assert reads.model.fed[fed:] == [[98]]


def test_what_cant_be_read_is_an_error_of_that_request(reads: Reads) -> None:
    request = Request((BOS,), "x" * 3000)
    (reading,) = reads.want(request)
    assert reading.request is request and "context 2,048" in reading.error.replace("the ", "")
    assert reads.want(REQUEST)[0].place is not None


def test_what_no_person_can_cause_is_handed_over(reads: Reads) -> None:
    (reading,) = reads.want(Request((BOS, 10**9)))
    assert isinstance(reading.failure, Exception) or reading.place is not None


def test_nothing_comes_after_closing(reads: Reads) -> None:
    reads.want(REQUEST)
    reads.reader.close()
    reads.reader.want(Request((BOS, 98)))
    assert reads.nothing_more
