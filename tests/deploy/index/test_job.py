"""What is to be indexed, as far as it can be told before anything starts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from bindstream.errors import ConfigError
from bindstream.types import SENSED, Modality
from deploy.config.file import shipped_path
from deploy.index.job import Job, planned, source_of
from deploy.index.manifest import Manifest
from tests.devices.drives import drive, samples_of, write


@pytest.fixture(scope="module")
def recording(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("drive") / "drive.mcap", drive(1.0))


def of(*files: Path, batch: int = 1) -> Job:
    return planned(files, shipped_path(), batch)


def test_every_stream_of_every_recording_once(recording, tmp_path):
    """Breaks if a stream is left out, a recording named twice, or under two names, is indexed
    twice, or rows do not say whose recording it is."""
    other = write(tmp_path / "other.mcap", samples_of(Modality.IMU, seconds=1.0), robot="r3")
    twin = Path(shutil.copy(recording, tmp_path / "twin.mcap"))
    job = of(recording, other, recording, twin)
    told = sorted((s.source.file.name, s.plan.stream, s.plan.robot) for s in job.streams)
    assert told == sorted(
        [*(("drive.mcap", str(m), "r2") for m in SENSED), ("other.mcap", "imu", "r3")]
    )
    assert job.notes == (f"{twin}: is the same as {recording}: indexed once",)
    assert not job.faults


def test_an_encoder_is_steady_and_takes_as_many_at_once_as_told(recording):
    """Breaks if two workers may choose different paths, so that their vectors differ."""
    (args,) = of(recording, batch=16).encoders.values()
    assert (args.options["steady"], args.dtype, args.max_batch) == (True, "float32", 16)


def test_a_recording_that_cannot_be_read_stops_no_other(recording, tmp_path):
    """Breaks if one broken file among a thousand costs the others, or is passed over in silence."""
    (broken := tmp_path / "broken.mcap").write_bytes(b"nothing of the kind")
    job = of(broken, recording)
    assert len(job.streams) == 5
    assert len(job.faults) == 1
    assert "broken.mcap: is no MCAP" in job.faults[0]


def test_a_path_that_is_not_there_is_refused(tmp_path):
    """Breaks if a mistyped name is found out after an hour of work."""
    with pytest.raises(ConfigError, match=r"no\.mcap: no such file"):
        of(tmp_path / "no.mcap")


def test_a_configuration_that_cannot_be_is_said_once(recording, tmp_path):
    """Breaks if a typo in the configuration is told a thousand times, as a fault of recordings."""
    (config := tmp_path / "c.yaml").write_text(shipped_path().read_text().replace("kind:", "kin:"))
    with pytest.raises(ConfigError, match="unknown key 'kin'"):
        planned([recording], config, 1)


def test_a_folder_is_known_by_all_of_its_files(tmp_path):
    """Breaks if a picture that was changed, renamed or added leaves a folder's hash as it was."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.txt").write_text("one")
    seen = {source_of(tmp_path).sha256}
    (tmp_path / "a" / "1.txt").write_text("eno")
    seen.add(source_of(tmp_path).sha256)
    (tmp_path / "a" / "1.txt").rename(tmp_path / "a" / "2.txt")
    seen.add(source_of(tmp_path).sha256)
    (tmp_path / "3.txt").write_text("")
    seen.add(source_of(tmp_path).sha256)
    assert len(seen) == 4


def test_a_folder_remembers_what_is_done(recording, tmp_path):
    """Breaks if a second start does again what the first has finished."""
    job = of(recording)
    manifest = Manifest(tmp_path)
    assert manifest.admit(job) == []
    manifest.done(job.streams[0], {"windows": 3})
    manifest.close()
    again = Manifest(tmp_path)
    assert again.admit(of(recording)) == []
    assert [again.is_done(s) for s in job.streams] == [True] + [False] * 4
    assert again.told(job.streams[0]) == {"windows": 3}


def test_a_file_that_has_changed_is_indexed_anew(tmp_path):
    """Breaks if rows of a recording's older bytes stay beside the new ones."""
    file = write(tmp_path / "a.mcap", samples_of(Modality.IMU, seconds=1.0))
    job, manifest = of(file), Manifest(tmp_path / "out")
    manifest.admit(job)
    manifest.done(job.streams[0], {"windows": 3})
    file.unlink()
    write(file, samples_of(Modality.IMU, seconds=2.0))
    assert manifest.admit(of(file)) == [job.streams[0].name]
    assert not manifest.is_done(of(file).streams[0])


def test_a_moved_file_is_known_again(recording, tmp_path):
    """Breaks if a recording that was renamed gets rows for a second time."""
    manifest = Manifest(tmp_path / "out")
    manifest.admit(of(recording))
    moved = of(Path(shutil.copy(recording, tmp_path / "moved.mcap")))
    assert manifest.twin(moved.streams[0].source) == str(recording)
    assert manifest.twin(of(recording).streams[0].source) == ""


def test_another_encoder_or_hop_is_refused(recording, tmp_path):
    """Breaks if vectors that do not compare, or windows of another grid, get into one folder."""
    config = tmp_path / "c.yaml"
    file = yaml.safe_load(shipped_path().read_text())
    for app in file["applications"]:
        if app.get("args", {}).get("modality") == "vision":
            app["args"] |= {"name": "vision", "hop_s": 0.25}
        app.pop("deployments", None)  # whom the publisher expects
    config.write_text(yaml.safe_dump(file))
    manifest = Manifest(tmp_path / "out")
    manifest.admit(of(recording))
    other = planned([recording], config, 1)
    with pytest.raises(ConfigError, match=r"hop_s 0\.5, now it is hop_s 0\.25: index into another"):
        manifest.admit(other)
    with pytest.raises(ConfigError, match=r"max_batch 1, now it is max_batch 8"):
        manifest.admit(of(recording, batch=8))
    manifest.same_weights("encoder", "a/1/float32")
    with pytest.raises(ConfigError, match="their vectors do not compare"):
        manifest.same_weights("encoder", "b/1/float32")


def test_two_programs_do_not_write_into_one_folder(tmp_path):
    """Breaks if a second start beside a running one mixes its parts with the first one's."""
    first = Manifest(tmp_path / "out")
    with pytest.raises(ConfigError, match="another 'bindstream index' writes here"):
        Manifest(tmp_path / "out")
    first.close()
    Manifest(tmp_path / "out").close()


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    """Breaks if --out of a home folder is filled, or a damaged index ends in a traceback."""
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(ConfigError, match="holds other things than an index"):
        Manifest(tmp_path)
    (out := tmp_path / "out").mkdir()
    (out / ".lock").touch()
    (out / "index.json").write_text("{")
    with pytest.raises(ConfigError, match="is no index's"):
        Manifest(out)
