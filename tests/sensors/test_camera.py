"""The camera driver on real streams: MJPEG over HTTP, MPEG-TS over TCP, files, pictures."""

from __future__ import annotations

import re
import subprocess
import time
from itertools import pairwise

import cv2
import numpy as np
import pytest
from PIL import Image

from bindstream.errors import (
    ConfigError,
    DeviceLost,
    DeviceUnavailable,
    StreamEnded,
    WrongFormat,
)
from sensors.camera import Camera, rgb
from tests.devices import rtsp_server
from tests.devices.mjpeg_server import MjpegServer, grey
from tests.devices.mpegts_server import MpegtsServer, free_port
from tests.devices.reading import first, played, read_for, read_until, until_lost
from tests.devices.video_files import write_images, write_rgb
from tests.patience import Stalls, until

H264 = ("libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "15")


@pytest.fixture
def server():
    with MjpegServer() as running:
        yield running


def counted(n, height=32, width=48):
    """Pictures whose red channel tells their index."""
    pictures = np.zeros((n, height, width, 3), np.uint8)
    pictures[..., 0] = np.arange(n, dtype=np.uint8)[:, None, None] * 4
    return list(pictures)


@pytest.fixture
def opened(opens):
    """Opens cameras."""
    return lambda **options: opens(Camera("cam", **options))


def test_mjpeg_frames_are_rgb_and_stamped_now(server, opened):
    """Breaks if channels are swapped, shapes wrong, or stamps are the stream's relative ones."""
    server.picture = lambda _: np.full((240, 320, 3), (200, 30, 60), np.uint8)
    camera = opened(source=server.url)
    with Stalls() as stalls:
        samples = read_until(camera, lambda all_: len(all_) >= 5)
        now_ns = time.time_ns()
    last = samples[-1]
    assert last.data.shape == (240, 320, 3)
    assert last.data.dtype == np.uint8
    assert np.abs(last.data.mean((0, 1)) - (200, 30, 60)).max() < 6  # JPEG
    assert 0 <= now_ns - last.t_ns < 300e6 + 1e9 * stalls.lost_s(last.t_ns, now_ns)
    assert all(b.t_ns > a.t_ns for a, b in pairwise(samples))


def test_a_flash_is_stamped_within_the_documented_latency(server, opened):
    """Breaks if frames queue up unseen, or t_ns comes from anything but their arrival."""
    camera = opened(source=server.url)
    read_for(camera, 0.3)
    with Stalls() as stalls:
        lit_ns = time.time_ns()
        server.picture = lambda _: np.full((240, 320, 3), 255, np.uint8)
        bright = first(camera, lambda s: s.data.mean() > 200)
    lost_ms = 1e3 * stalls.lost_s(lit_ns, bright.t_ns)
    assert -5 < (bright.t_ns - lit_ns) / 1e6 <= camera.latency_ms + lost_ms


def test_after_a_stall_of_the_reader_the_newest_frame_wins(opened):
    """Breaks if a reader that slept 2 s then works through 2 s of old frames."""
    # 16 grey levels, 8 frames each: the level tells how old a frame is.
    with MjpegServer(lambda i: grey(i) // 128 * np.uint8(16 * (i // 8 % 16))) as server:
        camera = Camera("cam", source=server.url, rate_hz=30)
        until(lambda: opens(camera, 30), "30 Hz, once the server had time to keep it")
        read_for(camera, 0.3)
        with Stalls() as stalls:
            time.sleep(2.0)
        # A few reads may find the decoder behind on a busy machine, never sixty old frames' worth.
        tries = min(50, 5 + round(30 * stalls.lost_s()))
        for _ in range(tries):
            newest = server.sent[-1][1]
            sample = next(s[-1] for s in iter(lambda: camera.read(0.5), None) if s)
            level = round(float(sample.data.mean()) / 16)
            if (newest // 8 - level) % 16 in (0, 1, 15):
                break
        else:
            pytest.fail(f"after {tries} frames still not of now: {level}, {newest // 8 % 16}")
        assert camera.counters["skipped"] > 20
        camera.close()


def test_a_stalled_stream_is_lost_then_opens_again(server, opened):
    """Breaks if a stall blocks for ever, is silent, or leaves a capture that cannot be reopened."""
    camera = opened(source=server.url, read_timeout_s=0.5)
    camera.read(0.2)
    server.stall()
    with Stalls() as stalls:
        started = time.monotonic()
        with pytest.raises(DeviceLost, match=r"cam.mjpg"):
            until_lost(camera)
        assert time.monotonic() - started < 2 + stalls.lost_s()
    camera.close()
    server.resume()
    camera.open(time.time_ns)
    assert first(camera)


def test_a_server_that_hangs_up_is_lost(server, opened):
    """Breaks if a closed connection looks like silence."""
    camera = opened(source=server.url)
    server.hang_up()
    with pytest.raises(DeviceLost):
        until_lost(camera)


def test_the_size_may_change_while_it_runs(server, opened):
    """Breaks if a camera that was set to another size ends the stream or tears its frames."""
    camera = opened(source=server.url)
    server.picture = lambda i: grey(i, 120, 160) + np.uint8(100)
    changed: list[np.ndarray] = []
    until(
        lambda: (
            changed.extend(s.data for s in camera.read(0.2) if s.data.mean() > 200) or changed[5:]
        )
    )
    assert np.ptp(changed[-1].astype(int)) < 8


def test_a_wrong_rate_or_size_is_refused_and_named(server):
    """Breaks if the robot would run for weeks at another rate than its config says."""
    server.rate_hz = 10
    with pytest.raises(WrongFormat, match=r"wanted rate_hz 30, .* gives (\d|1\d)\b"):
        Camera("cam", source=server.url, rate_hz=30).open(time.time_ns)
    with pytest.raises(WrongFormat, match=r"wanted 640x480.*320x240"):
        Camera("cam", source=server.url, width=640, height=480).open(time.time_ns)
    camera = Camera("cam", source=server.url, rate_hz=10, width=320)
    until(lambda: opens(camera, 10), "10 Hz, once the server had time to keep it")
    camera.close()


def opens(camera, rate_hz):
    """Whether it does; not where a busy machine's server keeps no rate."""
    try:
        camera.open(time.time_ns)
    except WrongFormat as error:
        if f"wanted rate_hz {rate_hz}" not in str(error):
            raise
        return False
    return True


def test_the_rate_of_a_stream_is_learnt(server, opened):
    """Breaks if health were judged by the 25 that OpenCV claims for every MJPEG stream."""
    camera = opened(source=server.url)
    read_until(camera, lambda _: camera.rate_hz)
    came_s = [t_ns / 1e9 for t_ns, _ in server.sent]
    sent_hz = 1 / np.diff(came_s).mean()
    assert camera.rate_hz == pytest.approx(sent_hz, rel=0.15)
    assert camera.rate_hz == pytest.approx(30, rel=0.15) or sent_hz < 29


def test_absent_sources_are_named(tmp_path):
    """Breaks if an absent device hangs, passes silently, or its error does not name it."""
    for source in (
        f"http://127.0.0.1:{free_port()}/x",
        200,
        "/dev/video201",
        str(tmp_path / "no.mkv"),
    ):
        camera = Camera("cam", source=source)
        shown = "video200" if source == 200 else str(source)
        for _ in range(2):
            with pytest.raises(DeviceUnavailable, match=rf"'cam'.*{shown}"):
                camera.open(time.time_ns)
    with pytest.raises(DeviceUnavailable, match=r"\*\*\*@127"):
        Camera("cam", source=f"rtsp://me:secret@127.0.0.1:{free_port()}/").open(time.time_ns)


def test_a_silent_server_ends_in_the_open_timeout():
    """Breaks if OpenCV's default of 30 s decides."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/x"
        started = time.monotonic()
        with pytest.raises(DeviceUnavailable, match="does not answer"):
            Camera("cam", source=url, open_timeout_s=0.5).open(time.time_ns)
        assert time.monotonic() - started < 20


def test_mpegts_over_tcp(opened):
    """Breaks if compressed network video is not read, is late, or its end is not noticed."""
    for _ in range(4):
        try:
            check_mpegts(opened)
            return
        except DeviceLost:
            continue  # an ffmpeg that had no time for a second is a loss to the driver, rightly
    check_mpegts(opened)


def check_mpegts(opened):
    dark = np.zeros((240, 320, 3), np.uint8)
    with MpegtsServer(lambda _: dark) as server:
        camera = opened(source=server.url)
        read_until(camera, lambda all_: len(all_) > 15)
        with Stalls() as stalls:
            flash_ns = time.time_ns()
            server.picture = lambda _: dark + 255
            bright = first(camera, lambda s: s.data.mean() > 200)
        # painted here, encoded by ffmpeg, decoded here: each may be kept waiting
        lost_ms = 3e3 * stalls.lost_s(flash_ns, bright.t_ns)
        assert -5 < (bright.t_ns - flash_ns) / 1e6 <= camera.latency_ms + lost_ms
        server.kill()
        with pytest.raises(DeviceLost):
            until_lost(camera)


def test_a_network_camera_that_comes_back_turned_is_taken_as_it_is(opened):
    """Breaks if the size of before is kept over a loss: everything would be half as wide."""
    with MpegtsServer(lambda i: grey(i, 240, 320), codec=H264) as server:
        camera = opened(source=server.url)
        assert camera.read(0.5)[0].data.shape == (240, 320, 3)
        server.kill()
        with pytest.raises(DeviceLost):
            read_for(camera, 10)
    camera.close()
    again = MpegtsServer(lambda i: grey(i, 320, 240), codec=H264)
    again.url = server.url
    with again:
        camera.open(time.time_ns)
        assert camera.read(0.5)[0].data.shape == (320, 240, 3)


@pytest.mark.parametrize("codec", [H264, ("mpeg2video", "-q:v", "3")])
def test_within_compressed_video_opencv_keeps_the_first_size(tmp_path, opened, codec):
    """Breaks if OpenCV begins to tell of another size: then docs/sensors.md is wrong, and the
    driver can count it and take it, as it does with Motion JPEG."""
    parts = [write_square(tmp_path / f"{h}.ts", h, w, codec) for h, w in ((480, 640), (640, 480))]
    (tmp_path / "both.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    camera = Camera("cam", source=str(tmp_path / "both.ts"))
    samples = played(camera)
    assert {s.data.shape for s in samples} == {(480, 640, 3)}
    assert camera.counters["resized"] == 0
    across, down = (np.ptp(np.nonzero(samples[-1].data[:, :, 1] > 128)[axis]) for axis in (1, 0))
    assert across / down == pytest.approx((640 / 480) ** 2, rel=0.05)  # of what is a square


def write_square(path, height, width, codec):
    """A second of a green square on black, in a transport stream."""
    picture = np.zeros((height, width, 3), np.uint8)
    middle = (slice(height // 2 - 60, height // 2 + 60), slice(width // 2 - 60, width // 2 + 60))
    picture[middle] = (0, 255, 0)
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", "30", "-i", "-"]
    command = ["ffmpeg", "-loglevel", "error", *raw, "-c:v", *codec, "-f", "mpegts", str(path)]
    subprocess.run(command, input=picture.tobytes() * 30, check=True)
    return path


@pytest.mark.skipif(rtsp_server.missing() != "", reason=f"apt install {rtsp_server.PACKAGES}")
def test_rtsp(opened):
    """Breaks if an IP camera cannot be read, its end goes unseen, or it cannot come back."""
    with rtsp_server.RtspServer() as server:
        camera = opened(source=server.url)
        samples = read_until(camera, lambda all_: len(all_) > 15)
        assert np.abs(samples[-1].data.mean((0, 1)) - (0, 0, 255)).max() < 30
        server.kill()
        with pytest.raises(DeviceLost):
            until_lost(camera)
        camera.close()
        server.start()
        camera.open(time.time_ns)
        assert first(camera)


def test_a_file_is_paced_in_real_time_and_ends(tmp_path, opened):
    """Breaks if a file is read as fast as the disk, out of order, or its end is silent."""
    source = str(write_rgb(tmp_path / "v.mkv", counted(15), 30))
    camera = Camera("cam", source=source)
    started = time.monotonic()
    with Stalls() as stalls:
        samples = played(camera)
        took_s = time.monotonic() - started
    assert 0.4 < took_s < 1.5 + stalls.lost_s()
    levels = [int(s.data[0, 0, 0]) // 4 for s in samples]
    assert levels == sorted(levels)
    assert len(samples) + camera.counters["skipped"] == 15
    gaps_ms = np.diff([s.t_ns for s in samples]) / 1e6
    assert np.allclose(gaps_ms / 33.333, np.round(gaps_ms / 33.333), atol=0.01)
    assert all(s.arrival_ns >= s.t_ns for s in samples)
    with pytest.raises(StreamEnded, match="loop"):
        camera.open(time.time_ns)


def test_a_file_loops(tmp_path, opened):
    """Breaks if the second round does not come, or time goes back at the seam."""
    source = str(write_rgb(tmp_path / "v.mkv", counted(6), 30))
    camera = opened(source=source, loop=True, rate_hz=30)
    samples = read_until(camera, lambda all_: len(all_) > 12)
    assert np.all(np.diff([s.t_ns for s in samples]) > 0)


def test_a_late_reader_of_a_file_skips_frames(tmp_path, opened):
    """Breaks if a stalled reader is given the past instead of the present."""
    camera = opened(source=str(write_rgb(tmp_path / "v.mkv", counted(60), 30)))
    time.sleep(0.5)
    sample = first(camera)
    assert int(sample.data[0, 0, 0]) // 4 >= 14
    assert camera.counters["skipped"] >= 14


def test_picture_sequences_keep_order_and_colour(tmp_path, opened):
    """Breaks if 10 sorts before 9, the first number must be 0, or RGB becomes BGR."""
    pattern = write_images(tmp_path / "f%d.png", counted(6), first=7)
    camera = opened(source=str(pattern), rate_hz=10)
    samples = [first(camera)]
    assert int(samples[0].data[0, 0, 0]) // 4 == camera.counters["skipped"]  # f7 is the first
    samples += [first(camera) for _ in range(2)]
    levels = [int(s.data[0, 0, 0]) // 4 for s in samples]
    assert levels == sorted(levels)
    assert not samples[0].data[..., 2].any()
    with pytest.raises(ConfigError, match="rate_hz"):
        Camera("cam", source=str(pattern))


def test_a_glob_and_one_picture_work(tmp_path, opened):
    """Breaks if a still picture cannot stand in for a camera."""
    write_images(tmp_path / "f%03d.png", counted(3))
    assert first(opened(source=str(tmp_path / "f*.png"), rate_hz=1))
    assert first(opened(source=str(tmp_path / "f001.png"), rate_hz=30, loop=True))


def test_a_picture_of_several_is_not_taken_for_one(tmp_path):
    """Breaks if an animation shows its first picture for ever, or a TIFF of pages does."""
    for name in ("a.png", "a.webp"):
        first, *others = [Image.fromarray(picture) for picture in counted(4)]
        first.save(tmp_path / name, save_all=True, append_images=others)
        with pytest.raises(WrongFormat, match=rf"{name} holds \d pictures: save them as a video"):
            Camera("cam", source=str(tmp_path / name), rate_hz=5).open(time.time_ns)
    bgr = [picture[:, :, ::-1] for picture in counted(20)]
    assert cv2.imwritemulti(str(tmp_path / "a.tif"), bgr)
    camera = Camera("cam", source=str(tmp_path / "a.tif"), rate_hz=40)
    levels = [int(s.data[0, 0, 0]) // 4 for s in played(camera)]
    assert levels == sorted(set(levels))
    assert len(levels) + camera.counters["skipped"] == 20


def test_a_bad_picture_among_many_costs_that_one(tmp_path):
    """Breaks if it ends the sequence, or has it played from the start again, for ever."""
    pattern = write_images(tmp_path / "f%d.png", counted(6))
    (tmp_path / "f3.png").write_bytes(b"not a picture")
    camera = Camera("cam", source=str(pattern), rate_hz=10)
    levels = [int(s.data[0, 0, 0]) // 4 for s in played(camera)]
    assert levels == sorted(set(levels) - {3})
    assert len(levels) + camera.counters["skipped"] + camera.counters["bad"] == 6


def test_broken_files_are_refused(tmp_path):
    """Breaks if garbage would end in silence or in OpenCV's own error."""
    (tmp_path / "v.mkv").write_bytes(b"not a video" * 100)
    (tmp_path / "f0.png").write_bytes(b"not a picture")
    for options in ({"source": "v.mkv"}, {"source": "f%d.png", "rate_hz": 5}):
        options["source"] = str(tmp_path / options["source"])
        with pytest.raises(WrongFormat, match="OpenCV can read"):
            Camera("cam", **options).open(time.time_ns)


def test_a_file_of_another_rate_or_size_is_refused(tmp_path):
    """Breaks if a recording silently plays at another speed than the config says."""
    source = str(write_rgb(tmp_path / "v.mkv", counted(3), 15))
    with pytest.raises(WrongFormat, match=r"wanted rate_hz 30.* gives 15"):
        Camera("cam", source=source, rate_hz=30).open(time.time_ns)
    with pytest.raises(WrongFormat, match=r"wanted 64xany.*48x32"):
        Camera("cam", source=source, width=64).open(time.time_ns)


def test_absurd_sizes_are_refused(tmp_path):
    """Breaks if a one-pixel frame reaches the encoder."""
    assert cv2.imwrite(str(tmp_path / "f.png"), np.zeros((1, 20, 3), np.uint8))
    with pytest.raises(WrongFormat, match="20x1 pixels"):
        Camera("cam", source=str(tmp_path / "f.png"), rate_hz=1).open(time.time_ns)


def test_absurd_sizes_are_refused_while_it_runs(tmp_path, opened):
    """Breaks if they are looked at when opening alone."""
    for index, shape in enumerate(((20, 20, 3), (1, 20, 3))):
        assert cv2.imwrite(str(tmp_path / f"f{index}.png"), np.zeros(shape, np.uint8))
    camera = opened(source=str(tmp_path / "f%d.png"), rate_hz=50)
    with pytest.raises(WrongFormat, match="20x1 pixels"):
        until_lost(camera)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("source", ""),
        ("source", -1),
        ("source", 1.5),
        ("rate_hz", 0),
        ("rate_hz", "30"),
        ("rate_hz", float("nan")),
        ("width", 2.5),
        ("height", 1),
        ("loop", "yes"),
        ("open_timeout_s", 0),
        ("read_timeout_s", 1e9),
        ("fourcc", "MJPEG"),
        ("threads", -1),
        ("delay_ms", -1),
    ],
)
def test_bad_options_are_named(key, value):
    """Breaks if `check` would let a value pass that cannot work, or not say which."""
    with pytest.raises(ConfigError, match=f"'cam': option {key}: wanted .* got"):
        Camera("cam", **{"source": "x.mkv", key: value})


def test_a_known_delay_is_taken_off(tmp_path):
    """Breaks if a calibrated delay does not move the stamps."""
    pattern = write_images(tmp_path / "f%d.png", counted(2))
    camera = Camera("cam", source=str(pattern), rate_hz=10, delay_ms=80)
    camera.open(lambda: 1_000_000_000_000)
    (sample,) = camera.read(0)
    camera.close()
    assert sample.t_ns == 1_000_000_000_000 - 80_000_000


def test_rgb_takes_grey_and_alpha_and_refuses_the_rest():
    """Breaks if a monochrome camera fails, or 16-bit frames are cut to 8 in silence."""
    assert rgb("cam", np.full((9, 9), 7, np.uint8)).tolist() == [[[7, 7, 7]] * 9] * 9
    assert rgb("cam", np.full((9, 9, 4), (1, 2, 3, 9), np.uint8))[0, 0].tolist() == [3, 2, 1]
    with pytest.raises(WrongFormat, match="uint16"):
        rgb("cam", np.zeros((9, 9), np.uint16))


SPOILT = {
    "empty": lambda jpeg: b"",
    "garbage": lambda jpeg: bytes(range(256)) * 8,
    "cut": lambda jpeg: jpeg[: len(jpeg) // 2],
}


@pytest.mark.parametrize("kind", sorted(SPOILT))
def test_a_bad_frame_costs_that_frame(server, opened, kind):
    """Breaks if one unreadable JPEG of twenty ends the stream, or passes for a picture."""
    server.picture = lambda _: np.full((240, 320, 3), (200, 30, 60), np.uint8)
    server.spoil = lambda i, jpeg: SPOILT[kind](jpeg) if i % 20 == 19 else jpeg
    camera = opened(source=server.url)
    before = len(server.sent)
    samples = read_until(camera, lambda _: len(server.sent) - before >= 90)
    sent = len(server.sent) - before
    assert len(samples) + camera.counters["skipped"] > 0.8 * sent
    assert 1 <= camera.counters["bad"] <= sent // 20 + 3
    for sample in samples:
        assert np.abs(sample.data.mean((0, 1)) - (200, 30, 60)).max() < 6


def test_frames_that_are_all_bad_are_a_loss(server, opened):
    """Breaks if a camera that sends rubbish alone looks alive."""
    camera = opened(source=server.url)
    server.spoil = lambda i, jpeg: SPOILT["garbage"](jpeg)
    with pytest.raises(DeviceLost, match="gives no more frames"):
        until_lost(camera)


def test_a_camera_that_is_turned_is_not_squeezed(server, opened):
    """Breaks if 480x640 comes in the 640x480 of the first frame, everything in it half as wide."""
    server.picture = lambda i: grey(i, 480, 640)
    camera = opened(source=server.url)
    assert first(camera).data.shape == (480, 640, 3)
    server.picture = lambda i: grey(i, 640, 480)
    shapes = set()
    until(lambda: shapes.update(s.data.shape for s in camera.read(0.2)) or (640, 480, 3) in shapes)
    assert shapes <= {(480, 640, 3), (640, 480, 3)}
    assert camera.counters["resized"] == 1


def test_a_size_that_was_asked_for_must_last(server, opened):
    """Breaks if a camera of a configured size goes on in another one."""
    camera = opened(source=server.url, width=320, height=240)
    server.picture = lambda i: grey(i, 320, 240)
    with pytest.raises(DeviceLost, match="changed from 320x240 to 240x320"):
        until_lost(camera)
    camera.close()
    with pytest.raises(WrongFormat, match="gives 240x320"):
        camera.open(time.time_ns)


def rewritten(path, target, *options):
    """The same packets in another container."""
    command = ["ffmpeg", "-loglevel", "error", "-y", "-i", str(path), *options, str(target)]
    subprocess.run(command, check=True)
    return target


def test_a_file_plays_by_the_times_of_its_frames(tmp_path):
    """Breaks if a header's rate is believed where the frames' own times say otherwise."""
    plain = write_rgb(tmp_path / "v.mkv", counted(12), 10)
    slow = "setpts='if(lt(N,6),N,6+4*(N-6))/(10*TB)'"  # 10 Hz, then 2.5 Hz
    uneven = rewritten(plain, tmp_path / "u.mkv", "-vf", slow, "-fps_mode", "vfr", "-c:v", "ffv1")
    camera = Camera("cam", source=str(uneven))
    samples = played(camera)
    steps_ms = np.diff([s.t_ns for s in samples]) / 1e6
    assert len(samples) + camera.counters["skipped"] == 12
    assert steps_ms.max() == pytest.approx(400, abs=5) or camera.counters["skipped"]
    assert samples[-1].t_ns - samples[0].t_ns == pytest.approx(2.5e9, rel=0.2)


def test_a_rate_that_no_camera_gives_is_refused_or_told(tmp_path):
    """Breaks if nine seconds whose header says 1000 frames per second are over in a tenth."""
    path = str(tmp_path / "v.avi")
    writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*"MJPG"), 1000, (64, 48))
    for picture in counted(10, 48, 64):
        writer.write(picture)
    writer.release()
    with pytest.raises(
        WrongFormat, match=r"1000 frames per second.*set rate_hz to the rate it was"
    ):
        Camera("cam", source=path).open(time.time_ns)
    camera = Camera("cam", source=path, rate_hz=20)
    samples = played(camera)
    assert camera.rate_hz == 20
    assert samples[-1].t_ns - samples[0].t_ns >= 0.4e9


def test_a_damaged_place_in_a_file_is_not_its_end(tmp_path):
    """Breaks if one bad frame of a recording ends it."""
    path = tmp_path / "v.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30, (64, 48))
    for picture in counted(30, 48, 64):
        writer.write(picture)
    writer.release()
    data = bytearray(path.read_bytes())
    starts = [m.start() for m in re.finditer(b"\xff\xd8\xff", bytes(data))]
    for start in starts[10:13]:
        data[start : start + 200] = bytes(200)
    path.write_bytes(data)
    camera = Camera("cam", source=str(path))
    samples = played(camera)
    assert samples[-1].t_ns - samples[0].t_ns > 0.8e9


def test_a_camera_that_repeats_its_last_frame_is_stalled(opened):
    """Breaks if a server that is frozen on one picture passes for live, or its return is not seen.
    A picture that changes by one grey level is alive."""
    with MjpegServer(lambda i: grey(i) + np.uint8(2 * (i % 2))) as server:
        camera = opened(source=server.url)
        read_for(camera, 1.0)
        assert (camera.stalled, camera.counters["stale"]) == ("", 0)
        server.picture = grey
        deadline_s = time.monotonic() + 20
        while not camera.stalled and time.monotonic() < deadline_s:
            camera.read(0.2)
        assert "the source is frozen" in camera.stalled
        assert camera.counters["stale"] >= 3
        server.picture = lambda i: grey(i) + np.uint8(2 * (i % 2))
        while camera.stalled and time.monotonic() < deadline_s:
            camera.read(0.2)
    assert camera.stalled == ""
