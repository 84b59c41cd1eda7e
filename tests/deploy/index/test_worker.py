"""One encoder of the pool, with the shipped weights."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from bindstream.errors import ConfigError
from bindstream.formats import Sound
from bindstream.types import Modality, Window
from deploy.config.arguments import EncoderArgs
from deploy.config.file import shipped_path
from deploy.index.bundle import Bundle, bundled
from deploy.index.job import planned
from deploy.index.pool import Cutting, cut_rows
from deploy.index.usage import Usage
from deploy.index.worker import COLUMN, Worker, alike
from pipeline.past import PastStream
from tests.deploy.index.outcomes import outcomes, stamp
from tests.devices.drives import samples_of, write


@pytest.fixture(scope="module")
def cutting(tmp_path_factory) -> tuple[Cutting, EncoderArgs]:
    """The sound of a short recording."""
    folder = tmp_path_factory.mktemp("drive")
    file: Path = write(folder / "a.mcap", samples_of(Modality.AUDIO, seconds=8.0))
    job = planned([file], shipped_path(), 1)
    (stream,) = job.streams
    return Cutting(0, stream.plan, stream.form, frozenset()), job.encoders[stream.encoder]


@pytest.fixture(scope="module")
def worker(cutting) -> Worker:
    return Worker(cutting[1], {Modality.AUDIO: cutting[0].form})


def test_rows_go_in_and_come_out(cutting, worker):
    """Breaks if what a task of Ray Data cuts is not what an actor of its pool takes, or what it
    answers is not one vector for each window."""
    rows = list(cut_rows({COLUMN: [pickle.dumps(cutting[0])]}))
    answers = [pickle.loads(worker(row)[COLUMN][0]) for row in rows]
    embeddings = [e for a in answers for e in a.embeddings]
    assert [e.seq for e in embeddings] == list(range(len(embeddings)))
    assert len(embeddings) >= 5
    for one in embeddings:
        assert np.linalg.norm(one.vector) == pytest.approx(1, abs=1e-5)
        assert one.space_id.startswith("bindstream_tiny:")
    assert answers[-1].end.outcomes == len(embeddings)
    assert all(a.begin_s <= a.end_s and a.encode_s > 0 for a in answers if a.embeddings)


def test_a_window_that_cannot_be_encoded_costs_itself(cutting, worker):
    """Breaks if one window with NaN takes its neighbours with it, or vanishes without a reason."""
    past = PastStream(cutting[0].plan, cutting[0].form)
    windows = [w for w in past.outcomes() if isinstance(w, Window)][:3]
    windows[1].data[5] = np.nan
    answer = worker.answer(Bundle(0, tuple(windows)))
    assert [e.seq for e in answer.embeddings] == [0, 2]
    assert [(t.seq, t.reason) for t in answer.dropped] == [(1, "invalid_input")]
    assert "not finite" in answer.why


def test_an_encoder_that_wants_other_windows_than_it_declared_is_refused(cutting):
    """Breaks if windows of a wrong length are encoded as if they were right."""
    with pytest.raises(ConfigError, match=r"declared .*length_s=7"):
        Worker(cutting[1], {Modality.AUDIO: Sound(length_s=7.0, rate_hz=16000)})


def test_batches_are_of_one_shape_and_no_longer_than_told():
    """Breaks if pictures of two sizes are put into one tensor, or order is lost."""
    small, large = outcomes(5, size=8), outcomes(3, size=16)
    batches = list(alike((*small, *large), 2))
    assert [len(b) for b in batches] == [2, 2, 1, 2, 1]
    assert [w.data.size for b in batches for w in b] == [8] * 5 + [16] * 3
    assert list(alike((), 4)) == []


def test_the_share_of_encoding_is_of_all_workers_time():
    """Breaks if a worker's waiting between two bundles is not counted."""
    usage = Usage()
    (bundle,) = bundled(0, outcomes(2), dict)
    for worker, begin_s in (("a", 0.0), ("a", 3.0), ("b", 0.0)):
        usage.take(_answer(bundle, worker, begin_s))
    assert usage.workers == 2
    assert usage.windows == 0
    assert usage.encoding == pytest.approx(3 * 0.5 / (4.0 + 1.0))


def _answer(bundle: Bundle, worker: str, begin_s: float):
    from deploy.index.bundle import Answer

    assert stamp(0).stream == "ears"
    return Answer(bundle.stream, (), (), bundle.end, worker, begin_s, begin_s + 1.0, 0.5)
