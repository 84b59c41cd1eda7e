"""A recorded stream cut without a robot: the windows that a robot would cut of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bindstream.errors import DeviceUnavailable
from bindstream.types import SENSED, Modality, Window
from encoders.imagebind.window_formats import USUAL
from pipeline.past import PastStream
from pipeline.plan import StreamPlan
from pipeline.windows.hole import Hole
from pipeline.windows.windower import make_windower
from tests.devices.drives import RATES_HZ, samples_of, write


def plan(file: Path, modality: Modality, hop_s: float = 0.5) -> StreamPlan:
    options = {"file": str(file), "modality": str(modality)}
    return StreamPlan("r2", str(modality), modality, "recording", options, None, hop_s, 5.0, 2)


@pytest.mark.parametrize("modality", SENSED)
def test_all_of_a_stream_is_cut(modality, tmp_path):
    """Breaks if the driver's batches, the rate that is read off the file, or the flush at the end
    give other windows than the recorded samples pushed one by one."""
    samples = samples_of(modality, seconds=8.0)
    past = PastStream(plan(write(tmp_path / "a.mcap", samples), modality), USUAL[modality])
    found = list(past.outcomes())
    first = found[0]
    windower = make_windower(first, USUAL[modality], hop_s=0.5, rate_hz=RATES_HZ[modality])
    wanted = [w for s in samples for w in windower.push(s)] + windower.flush()
    assert len(found) == len(wanted) >= 4
    for one, other in zip(found, wanted, strict=True):
        assert one.stamp() == other.stamp()
        assert one.n_missing == other.n_missing
        assert (one.data == other.data).all()
    assert [w.seq for w in found] == list(range(len(found)))
    assert past.counters() == {}


def test_an_outage_is_a_hole_and_what_is_not_used_is_counted(tmp_path):
    """Breaks if a gap of the recording leaves no trace in its seqs, or samples go uncounted."""
    samples = samples_of(Modality.THERMAL, seconds=12.0)
    kept = [s for s in samples if not 4 < (s.t_ns - samples[0].t_ns) / 1e9 < 8]
    file = write(tmp_path / "a.mcap", [*kept, kept[-1]])
    past = PastStream(plan(file, Modality.THERMAL), USUAL[Modality.THERMAL])
    found = list(past.outcomes())
    assert [type(one) for one in found].count(Hole) == 1
    assert [one.seq for one in found] == list(range(len(found)))
    assert sum(isinstance(one, Window) for one in found) == len(found) - 1
    assert past.counters() == {"duplicate": 1}


def test_a_file_that_went_away_is_told(tmp_path):
    """Breaks if a recording that a cluster's node does not have passes for an empty one."""
    past = PastStream(plan(tmp_path / "no.mcap", Modality.IMU), USUAL[Modality.IMU])
    with pytest.raises(DeviceUnavailable, match="no such file"):
        list(past.outcomes())
