"""IMU files of many spellings are one signal; what no IMU feels is refused, with the cause."""

from __future__ import annotations

import numpy as np
import pytest

from bindstream.errors import InvalidInput
from bindstream.imu import G
from encoders.files.imu import Stated, read_imu, read_motion

RNG = np.random.default_rng(2)
SIGNAL = RNG.normal(0, 0.5, (6, 400))
SIGNAL[2] += G
TIMES = np.arange(400) / 200.0


def write(path, columns, heading="", mark=",", comma=False):
    """A table of text."""
    lines = [mark.join(f"{v:.9g}" for v in row) for row in np.column_stack(columns)]
    lines = [line.replace(".", ",") for line in lines] if comma else lines
    path.write_text("\n".join([heading, *lines] if heading else lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("heading", "columns", "mark", "comma"),
    [
        ("", SIGNAL, ",", False),
        ("ax,ay,az,gx,gy,gz", SIGNAL, ",", False),
        ("gx,gy,gz,ax,ay,az", SIGNAL[[3, 4, 5, 0, 1, 2]], ",", False),
        ("acc_x;acc_y;acc_z;gyro_x;gyro_y;gyro_z", SIGNAL, ";", True),
        ("AccX\tAccY\tAccZ\tGyrX\tGyrY\tGyrZ", SIGNAL, "\t", False),
        ("", SIGNAL, " ", False),
        ("a,b,c,d,e,f", SIGNAL, ",", False),
        ("ax (g),ay (g),az (g),gx (deg/s),gy (deg/s),gz (deg/s)",
         np.vstack([SIGNAL[:3] / G, np.rad2deg(SIGNAL[3:])]), ",", False),
    ],
)  # fmt: skip
def test_a_table_is_read_by_its_heading(tmp_path, heading, columns, mark, comma):
    """Breaks if the order, the unit or the separator that a file states is passed over."""
    path = write(tmp_path / "i.csv", columns, heading, mark, comma)
    signal, rate_hz = read_motion(path)
    assert rate_hz is None
    assert np.allclose(signal, SIGNAL, atol=1e-5)


@pytest.mark.parametrize(
    ("heading", "scale"),
    [("t,", 1.0), ("time_ms,", 1e3), ("timestamp,", 1e6), ("time [ns],", 1e9), ("", 1.0)],
)
def test_a_time_column_gives_the_rate(tmp_path, heading, scale):
    """Breaks if a file of 200 Hz is read at 400 because nobody said so."""
    names = heading + "ax,ay,az,gx,gy,gz" if heading else ""
    path = write(tmp_path / "i.csv", [TIMES * scale, *SIGNAL], names)
    signal, rate_hz = read_motion(path)
    assert rate_hz == pytest.approx(200, rel=1e-3)
    assert np.allclose(signal, SIGNAL, atol=1e-3)


def test_lost_readings_do_not_bend_time(tmp_path):
    """Breaks if a gap is closed up, so that all that follows comes early."""
    kept = np.r_[0:100, 130:400]
    path = write(tmp_path / "i.csv", [TIMES[kept], *SIGNAL[:, kept]], "t,ax,ay,az,gx,gy,gz")
    signal, _ = read_motion(path)
    assert signal.shape == (6, 400)
    assert np.allclose(signal[:, 131:], SIGNAL[:, 131:], atol=1e-3)


def test_columns_and_units_can_be_stated(tmp_path):
    """Breaks if the options that the messages name change nothing."""
    raw = np.vstack([SIGNAL[:3] / G * 1000, np.rad2deg(SIGNAL[3:])])
    ten = [TIMES, *raw, TIMES * 0, TIMES * 0, TIMES * 0]
    path = write(tmp_path / "i.csv", ten)
    with pytest.raises(InvalidInput, match=r"got 10 without names.*--imu-columns t,ax"):
        read_imu(path)
    columns = ("t", "ax", "ay", "az", "gx", "gy", "gz", "mx", "my", "mz")
    with pytest.raises(InvalidInput, match="seems to give mg; if so, say --imu-unit mg"):
        read_imu(path, Stated(columns=columns))
    signal, rate_hz = read_motion(path, Stated("mg", "deg/s", columns))
    assert rate_hz == pytest.approx(200, rel=1e-3)
    assert np.allclose(signal, SIGNAL, atol=1e-3)
    with pytest.raises(InvalidInput, match=r"7 columns were named .*got 10"):
        read_imu(path, Stated(columns=columns[:7]))


def test_words_among_named_columns_are_passed_over(tmp_path):
    """Breaks if a label or a date beside the numbers makes a file useless."""
    path = tmp_path / "i.csv"
    rows = [",".join([*(f"{v:.6f}" for v in row), "walking"]) for row in SIGNAL.T]
    path.write_text("\n".join(["ax,ay,az,gx,gy,gz,activity", *rows]))
    assert np.allclose(read_imu(path), SIGNAL, atol=1e-5)
    path.write_text("\n".join(["ax,ay,az,gx,gy,gz,activity", *rows, "1,2,x,4,5,6,lost"]))
    with pytest.raises(InvalidInput, match="1 of 401 readings hold values that are not finite"):
        read_imu(path)


@pytest.mark.parametrize(
    ("of", "says"),
    [
        (lambda s: np.vstack([s[:3] / G, s[3:]]), r"seems to give g; if so, say --imu-unit g$"),
        (lambda s: s[[3, 4, 5, 0, 1, 2]], r"come first; if so, say --imu-columns gx,gy,gz,ax"),
        (lambda s: np.vstack([s[:3] / G * 8192, s[3:]]), "raw counts, 8192 per g"),
        (lambda s: s * 1e4, "unit or the order of the columns is wrong"),
    ],
)
def test_impossible_gravity_is_refused(tmp_path, of, says):
    """Breaks if 1,000 m/s2 become a vector with exit code 0."""
    np.save(tmp_path / "i.npy", of(SIGNAL))
    with pytest.raises(InvalidInput, match=rf"i\.npy: gravity would be .*{says}"):
        read_imu(tmp_path / "i.npy")


def test_named_fields_and_a_time_that_runs_back(tmp_path):
    """Breaks if a structured array loses its names, or a broken clock is averaged away."""
    fields = np.rec.fromarrays([TIMES, *SIGNAL], names="t,ax,ay,az,gx,gy,gz")
    np.save(tmp_path / "n.npy", np.asarray(fields))
    signal, rate_hz = read_motion(tmp_path / "n.npy")
    assert rate_hz == pytest.approx(200, rel=1e-6)
    assert np.allclose(signal, SIGNAL, atol=1e-4)
    back = TIMES.copy()
    back[200:] -= 0.5
    path = write(tmp_path / "i.csv", [back, *SIGNAL], "t,ax,ay,az,gx,gy,gz")
    with pytest.raises(InvalidInput, match="time column does not rise from reading 200 to 201"):
        read_motion(path)


def text(path, lines, encoding="utf-8"):
    path.write_text("\n".join(lines) + "\n", encoding=encoding)
    return path


ROWS = [",".join(f"{v:.9g}" for v in row) for row in SIGNAL.T]
NAMES = "ax,ay,az,gx,gy,gz"


@pytest.mark.parametrize(
    "lines",
    [
        ["# " + NAMES, *ROWS],
        ["# recorded by hand", "#" + NAMES, *ROWS],
        [NAMES, "m/s^2,m/s^2,m/s^2,rad/s,rad/s,rad/s", *ROWS],
        ['"' + NAMES.replace(",", '","') + '"', *('"' + r.replace(",", '","') + '"' for r in ROWS)],
        [r.replace(",", "\t").replace(".", ",") for r in ROWS],
        [r.replace(",", " ").replace(".", ",") for r in ROWS],
        ["imu/linear_acceleration/x,imu/linear_acceleration/y,imu/linear_acceleration/z,"
         "imu/angular_velocity/x,imu/angular_velocity/y,imu/angular_velocity/z", *ROWS],
    ],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_table_in_any_dialect_is_the_same_signal(tmp_path, lines, encoding):
    """Breaks if a spreadsheet's or np.savetxt's way of writing is refused, or read otherwise."""
    signal = read_imu(text(tmp_path / "i.csv", lines, encoding))
    assert np.allclose(signal, SIGNAL, atol=1e-5)


def test_names_behind_a_comment_give_the_order(tmp_path):
    """Breaks if np.savetxt's heading is passed over, and az is taken for ax."""
    path = tmp_path / "i.csv"
    order = [2, 1, 0, 3, 4, 5]
    np.savetxt(path, SIGNAL[order].T, delimiter=",", header="az,ay,ax,gx,gy,gz")
    assert np.allclose(read_imu(path), SIGNAL, atol=1e-5)


@pytest.mark.parametrize(
    ("told", "scale"),
    [("deg/sec", 180 / np.pi), ("deg s^-1", 180 / np.pi), ("mdps", 180e3 / np.pi), ("rad/sec", 1)],
)
def test_units_are_known_in_all_their_spellings(tmp_path, told, scale):
    """Breaks if a unit that the heading states is not understood, and rad/s taken instead."""
    names = f"ax,ay,az,gx ({told}),gy ({told}),gz ({told})"
    path = write(tmp_path / "i.csv", np.vstack([SIGNAL[:3], SIGNAL[3:] * scale]), names)
    assert np.allclose(read_imu(path), SIGNAL, atol=1e-4)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ("ax,ay,az,gx (furlong),gy (furlong),gz (furlong)",
         r"gyroscope in furlong, wants one of rad/s, deg/s, mdeg/s: state it by --imu-unit UNIT"),
        ("ax (g),ay (m/s2),az,gx,gy,gz", r"accelerometer in g and m/s2.*--imu-unit"),
        ("ax,ay,az,roll,pitch,yaw", r"got 6 called ax, .*name all in order"),
        ("ax,ay,az,gx,gy,gx", r"got gx twice"),
    ],
)  # fmt: skip
def test_a_heading_that_tells_half_is_refused(tmp_path, names, says):
    """Breaks if what the heading says and we do not know is taken for SI, in the usual order."""
    with pytest.raises(InvalidInput, match=says):
        read_imu(write(tmp_path / "i.csv", SIGNAL, names))


def test_a_count_of_readings_is_no_time(tmp_path):
    """Breaks if a first column 0, 1, 2 ... is silently 1000 Hz; either meaning can be stated."""
    path = write(tmp_path / "i.csv", [np.arange(400), *SIGNAL])
    with pytest.raises(InvalidInput, match=r"rises by one.*--imu-columns t,ax"):
        read_motion(path)
    axes = ("ax", "ay", "az", "gx", "gy", "gz")
    assert read_motion(path, Stated(columns=("n", *axes)))[1] is None
    assert read_motion(path, Stated(columns=("t", *axes)))[1] == pytest.approx(1000)


def test_what_is_wrong_with_a_table_names_the_line(tmp_path):
    """Breaks if the user has to look for it, or reads of NumPy's `usecols`."""
    with pytest.raises(InvalidInput, match="line 401 has 3 columns, the first 6"):
        read_imu(text(tmp_path / "cut.csv", [*ROWS, "1,2,3"]))
    with pytest.raises(InvalidInput, match="line 3: 'nil' is no number"):
        read_imu(text(tmp_path / "w.csv", [*ROWS[:2], "nil,0,0,0,0,0"]))
    holed = SIGNAL.copy()
    holed[1, 12] = np.nan
    with pytest.raises(InvalidInput, match=r"1 of 400 readings .* the first is reading 13"):
        read_imu(write(tmp_path / "n.csv", holed))
