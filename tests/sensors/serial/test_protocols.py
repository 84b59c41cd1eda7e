"""The bytes of VectorNav, Xsens, BNO055 and NMEA-like devices: golden frames, cuts and damage."""

from __future__ import annotations

import math
import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.serial.bno055 import Bno055
from sensors.serial.frames import Frames
from sensors.serial.lines import Lines, csv
from sensors.serial.nmea import Nmea
from sensors.serial.vectornav import VectorNav, message
from sensors.serial.vectornav_binary import VectorNavBinary, places, size
from sensors.serial.xsens import Xsens
from tests.devices.imu_frames import mtdata2, vectornav_binary, vectornav_crc, vnymr, xsens
from tests.devices.serial_port import G

WRITTEN = ("float32", "fp1220", "fp1632", "float64")

# Printed in VectorNav's library and course material by devices.
VNYMR = (
    b"$VNYMR,+100.949,-007.330,+000.715,-00.0049,-00.2449,+00.5397,"
    b"-01.258,-00.100,-09.701,-00.000018,+00.001122,-00.000551*69\r\n"
)
VNIMU = (
    b"$VNIMU,-00.0350,+00.4222,-00.6643,-00.015,+00.019,+09.948,"
    b"+00.002066,-00.008442,-00.044656,+20.7,+084.322*66\r\n"
)
# UM001, section 4.3, the example with a CRC: yaw, pitch, roll alone.
VN_YPR = bytes.fromhex("FA010800 93502E42 833EF13F 48B504BB 9288")
# By hand after UM001, 4.3: common group, TimeStartup 1 s, rate of turn (0.5, 0, 0), acceleration
# (0, 0, -9.8125); the CRC by the manual's own C code, line by line.
VN_IMU = bytes.fromhex(
    "FA01 2101 00CA9A3B00000000 0000003F 00000000 00000000 00000000 00000000 00001DC1".replace(
        " ", ""
    )
)
# Recorded from an MTi: SampleTimeFine, Quaternion, Acceleration, RateOfTurn and more.
MTI = bytes.fromhex(
    "FAFF364E 1060040253 35CB 2010103F7FFA66BB4034B83C49962D3B5A1F82 80200C39FF9101BAECDD81BA865380"
    "40200CBE64DB99BCE7FF83411DC2CF C0200CBE9048803F673204BF548904 E02004 00000003 C9".replace(
        " ", ""
    )
)
AT_REST = (0.0, 0.0, -9.8125, 0.5, 0.0, 0.0)


def test_a_vectornavs_lines_by_hand():
    """Breaks if a field is taken for another, or the checksum is computed over other bytes."""
    (ymr,) = VectorNav().feed(VNYMR)
    assert ymr == (-1.258, -0.1, -9.701, -0.000018, 0.001122, -0.000551)
    (imu,) = VectorNav().feed(VNIMU)
    assert imu == (-0.015, 0.019, 9.948, 0.002066, -0.008442, -0.044656)
    assert message(b"$VNRRG,08,-114.314,+000.058,-001.773*5F")[0] == "VNRRG"


def test_a_vectornavs_line_may_have_a_crc():
    """Breaks if a device set to the 16-bit CRC gives nothing, or a wrong CRC passes."""
    parser = VectorNav()
    line = vnymr((1, 2, 9, 0.1, 0.2, 0.3), crc=True)
    assert parser.feed(line)[0][:3] == (1, 2, 9)
    assert parser.feed(line.replace(b"+010.000", b"+010.001")) == []
    assert parser.bad == 1
    assert "has checksum" in parser.why


def test_a_vectornav_that_sends_other_messages_says_what_to_set():
    """Breaks if a device in its factory setting for attitude is a riddle."""
    parser = VectorNav()
    body = b"VNYPR,+010.071,+000.278,-002.026"
    check = 0
    for byte in body:
        check ^= byte
    parser.feed(b"$" + body + f"*{check:02X}\r\n".encode())
    assert parser.bad == 0
    assert "VNYPR come, but none of VNYMR" in parser.why
    assert "register 6" in parser.why


def test_a_vectornavs_binary_frames_by_hand():
    """Breaks if a field's length, the order of bytes, the CRC or the time is wrong."""
    assert vectornav_crc(VN_YPR[1:]) == 0
    parser = VectorNavBinary()
    assert parser.feed(VN_YPR) == []
    assert (parser.unpaired, parser.bad, parser.skipped) == (1, 0, 0)
    assert "register 75" in parser.why
    (reading,) = parser.feed(VN_IMU + struct.pack(">H", vectornav_crc(VN_IMU[1:])))
    assert reading == (*AT_REST, 1e9)
    assert parser.time_unit == "ns"


def test_a_vectornavs_groups_are_walked_through():
    """Breaks if fields of other groups move those that are looked for: the example of UM001, 4.2.1
    (TimeStartup; UncompAccel, UncompGyro; Qtn, MagNed), and compensated ones are not preferred."""
    header = bytes.fromhex("FA15 0100 0C00 1400".replace(" ", ""))
    assert size(header, 0) == 8 + 8 + 24 + 16 + 12 + 2
    assert places(header) == (16, 28, 8)
    both = bytes.fromhex("FA05 2103 0C06".replace(" ", ""))
    accel, gyro, time = places(both)
    assert (accel, gyro, time) == (6 + 8 + 12, 6 + 8, 6)
    assert size(bytes.fromhex("FA08 0040".replace(" ", "")), 0) == 0  # SatInfo: of no known length
    assert size(b"\xfa\x80\x01", 0) == 0


def test_an_xsens_message_by_hand():
    """Breaks if packets are walked wrongly, or the sum is taken over other bytes."""
    parser = Xsens()
    (reading,) = parser.feed(MTI + MTI[:2])  # the next head confirms the first
    assert reading[:6] == pytest.approx(
        (-0.22349395, -0.02832008, 9.86006069, 0.00048745, -0.00180714, -0.00102482), abs=1e-7
    )
    assert (reading[6], parser.time_unit) == (0x025335CB, "100us")
    assert (parser.bad, parser.skipped, parser.unpaired) == (0, 0, 0)


@pytest.mark.parametrize("written", WRITTEN)
def test_xsens_numbers_in_all_four_ways(written):
    """Breaks if fixed point is read as floats, or the fraction of 16.32 as whole."""
    values = (-1.5, 0.25, 9.8125, -0.125, 2.0, -3.0078125)
    (reading,) = Xsens().feed(xsens(values, 7, written) + b"\xfa")
    assert reading == (*values, 7)


def test_an_xsens_message_in_the_long_form_and_by_its_counter():
    """Breaks if a message of 255 bytes and more is lost, or PacketCounter is not the clock."""
    accel = (0x4020, struct.pack(">3f", 0, 0, G))
    gyro = (0x8020, struct.pack(">3f", 0, 0, 1))
    filler = (0x2010, bytes(240))
    parser = Xsens()
    (reading,) = parser.feed(mtdata2((0x1020, b"\x01\x02"), filler, accel, gyro) + b"\xfa\xff")
    assert reading[6] == 0x0102
    assert parser.time_unit == "count"


def test_an_xsens_without_what_is_needed_says_what_to_add():
    """Breaks if a device that sends orientation alone is a riddle."""
    parser = Xsens()
    assert parser.feed(mtdata2((0x2030, bytes(12))) * 3) == []
    assert parser.unpaired == 3
    assert "Acceleration (4020) and RateOfTurn (8020)" in parser.why


def nmea(body):
    """A sentence with its checksum."""
    check = 0
    for byte in body.encode():
        check ^= byte
    return f"${body}*{check:02X}\r\n".encode()


def test_sentences_of_one_address_are_readings():
    """Breaks if a receiver's GGA on the same port is damage, or a sentence without a checksum
    passes."""
    columns = ["id", "ax", "ay", "az", "gx", "gy", "gz"]
    parser = Nmea(Lines(csv, columns, "g", "deg/s"), "PIMU")
    gga = nmea("GPGGA,172814.0,3723.46587704,N,12202.26957864,W,2,6,1.2,18.893,M,-25.669,M,2.0,1")
    good = nmea("PIMU,17,0.0,0.0,1.0,0,0,180.0")
    readings = parser.feed(gga + good + gga + good.replace(b"*", b"#") + good)
    assert len(readings) == 2
    assert readings[0] == pytest.approx((0, 0, G, 0, 0, math.pi))
    assert parser.bad == 1
    other = Nmea(Lines(csv, columns), "PSTI")
    other.feed(good)
    assert "sentences PIMU come, but no PSTI" in other.why


def asked(device, answers, now_s=0.0):
    """Ask and answer as often as there are answers: the questions, and the readings."""
    questions, readings = [], []
    for answer in answers:
        question = b""
        while not question:
            question, wait_s = device.request(now_s)
            now_s += 0.0 if question else wait_s
        questions.append(question.hex())
        readings += device.feed(bytes.fromhex(answer))
    return questions, readings


SET_UP = ("ee01", "bb01a0", "bb0180", "bb0100", "ee01")
# Data sheet, 3.6.4: 1 m/s2 = 100 LSB, 1 deg/s = 16 LSB: 9.81 m/s2 upwards, 90 deg/s about x.
DATA = "bb12 0000 0000 d503 1000 2000 3000 a005 0000 0000".replace(" ", "")


def test_a_bno055_is_set_up_and_asked_by_its_data_sheet():
    """Breaks if a command has other bytes than section 4.7 and the register map say, the mode that
    runs both sensors is not chosen, or a unit is wrong."""
    questions, readings = asked(Bno055(100), [*SET_UP, DATA])
    page, chip, units, mode, choose, poll = questions
    assert (page, chip, units) == ("aa00070100", "aa010001", "aa013b01")
    assert (mode, choose, poll) == ("aa013d01", "aa003d0105", "aa010812")
    assert readings[0][:6] == pytest.approx((0, 0, 9.81, math.pi / 2, 0, 0))


def test_a_bno055_keeps_its_mode_and_its_units():
    """Breaks if a device that a fusion runs in is taken out of it, or mg and rad/s are misread."""
    answers = ("ee01", "bb01a0", "bb0103", "bb010c", "bb12e803" + "00" * 10 + "840300000000")
    questions, readings = asked(Bno055(100), answers)
    assert questions[-1] == "aa010812"
    assert readings[0][:6] == pytest.approx((G, 0, 0, 1.0, 0, 0))


def test_a_bno055_overrun_costs_one_reading():
    """Breaks if EE 07, which is usual, ends the device or is read as data."""
    device = Bno055(100)
    _, readings = asked(device, [*SET_UP, "ee07", DATA, "ff" + DATA])
    assert len(readings) == 2
    assert (device.bad, device.skipped) == (1, 1)
    assert readings[1][6] - readings[0][6] == pytest.approx(10_000)


def test_a_bno055_that_began_anew_is_set_up_anew():
    """Breaks if the zeros of CONFIGMODE become free fall."""
    device = Bno055(100)
    questions, readings = asked(device, [*SET_UP, "bb12" + "00" * 18, *SET_UP, DATA], 5.0)
    assert questions[6] == "aa00070100"
    assert len(readings) == 1


def test_a_bno055_that_is_another_chip_says_so():
    """Breaks if some other device on the port gives motion."""
    device = Bno055(100)
    asked(device, ["ee01", "bb0155"])
    assert "chip id is 55" in device.why


def makers():
    """Each parser with six good frames, and how a seventh begins."""
    values = (0.0, 0.0, 9.75, 0.5, 0.0, 0.0)
    yield VectorNav, [vnymr(values)] * 6, b"$"
    yield VectorNavBinary, [vectornav_binary(values, i * 2_500_000) for i in range(6)], b""
    yield Xsens, [xsens(values, i * 25) for i in range(6)], b"\xfa\xff"
    yield lambda: Nmea(Lines(csv)), [nmea("PIMU,0,0,9.75,0.5,0,0")] * 6, b"$"


MAKERS = pytest.mark.parametrize(("parser", "frames", "next_head"), list(makers()))


@MAKERS
@given(cuts=st.lists(st.integers(1, 60), min_size=1, max_size=40))
def test_cuts_of_the_stream_do_not_matter(parser, frames, next_head, cuts):
    """Breaks if a frame that arrives in pieces is lost or doubled."""
    stream, cut_up = b"".join(frames) + next_head, parser()
    whole, pieces, at = parser().feed(stream), [], 0
    for cut in cuts:
        pieces += cut_up.feed(stream[at : at + cut])
        at += cut
    pieces += cut_up.feed(stream[at:])
    assert len(whole) == 6
    assert pieces == whole
    assert (cut_up.bad, cut_up.skipped) == (0, 0)


@MAKERS
@given(before=st.binary(max_size=200), between=st.binary(max_size=200))
def test_garbage_never_raises_and_is_followed_by_readings(
    parser, frames, next_head, before, between
):
    """Breaks if some bytes raise, loop for ever, or keep the parser from finding its step."""
    device, good = parser(), b"".join(frames)
    long_enough = good * 30 + next_head  # a length that is garbage may swallow half a kilobyte
    readings = device.feed(before) + device.feed(long_enough)
    readings += device.feed(between) + device.feed(long_enough)
    assert len(readings) >= 2 * 6 * 30 - 30
    right = sum(reading[2] == pytest.approx(9.75, abs=1e-3) for reading in readings)
    assert right >= 2 * 6 * 30 - 30


@MAKERS
def test_flipped_bits_hardly_ever_make_a_wrong_reading(parser, frames, next_head):
    """Breaks if damage reaches the encoder as motion: the check must be looked at."""
    draw, device, readings = random.Random(4), parser(), []
    for n in range(3000):
        frame = bytearray(frames[n % 6])
        if draw.random() < 0.1:
            frame[draw.randrange(len(frame))] ^= 1 << draw.randrange(8)
        readings += device.feed(bytes(frame))
    assert len(readings) > 2000
    assert device.bad > 50
    wrong = [r for r in readings if r[2] != pytest.approx(9.75, abs=1e-3)]
    assert wrong == []


def test_a_weak_check_wants_the_next_frame_out_of_step():
    """Breaks if one damaged byte in 256 becomes a reading after a loss of step."""
    whole = Frames(b"HD", lambda b, at: 4, lambda _: True, weak=True)
    assert whole.feed(b"xxHD12") == []
    assert whole.feed(b"H") == [b"HD12"]
    assert whole.feed(b"D34") == [b"HD34"]
    assert whole.skipped == 2
    assert Frames(b"HD", lambda b, at: 4, lambda _: True, weak=True).feed(b"HD12zzHD34") == []
