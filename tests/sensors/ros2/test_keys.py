"""Keys, tokens and attachments: against what rmw_zenoh's documents and other programs write."""

from __future__ import annotations

import pytest

from sensors.ros2 import attachment, keys
from sensors.ros2 import definitions as ros

STRING = "std_msgs/msg/String"
STRING_HASH = "RIHS01_df668c740482bbd48fb39d76a70dfd4bd59db1288021743503259e948f6b1a18"
"""Of rmw_zenoh's design document."""
TALKER = (
    "@ros2_lv/2/aac3178e146ba6f1fc6e6a4085e77f21/0/10/MP/%/%/talker/%chatter/"
    f"std_msgs::msg::dds_::String_/{STRING_HASH}/::,10:,:,:,,"
)


def test_the_key_of_a_topic_is_the_documented_one():
    """Breaks if our keys are not those under which rmw_zenoh publishes and subscribes."""
    key = keys.data_key(0, "/chatter", STRING, ros.type_hash(STRING))
    assert key == f"0/chatter/std_msgs::msg::dds_::String_/{STRING_HASH}"
    assert keys.data_key(5, "/a/b") == "5/a/b/*/*"
    assert keys.kind_and_hash(key) == (STRING, STRING_HASH)


@pytest.mark.parametrize(
    ("kind", "reported"),
    [
        (ros.IMU, "7d9a00ff131080897a5ec7e26e315954b8eae3353c3f995c55faf71574000b5b"),
        (ros.IMAGE, "d31d41a9a4c4bc8eae9be757b0beed306564f7526c88ea6a4588fb9582527d47"),
        (ros.COMPRESSED, "15640771531571185e2efc8a100baf923961a4d15d5569652e6cb6691e8e371a"),
    ],
)
def test_the_hash_of_a_type_is_what_ros_reports(kind, reported):
    """Breaks if a library counts another hash than ``ros2 topic info -v`` shows of Jazzy: every
    topic would be refused as of another definition."""
    assert ros.type_hash(kind) == f"RIHS01_{reported}"


def test_the_tokens_are_the_documented_ones():
    """Breaks if `ros2 topic list` would not show what we publish."""
    node = keys.Node(2, "aac3178e146ba6f1fc6e6a4085e77f21", "/", "talker")
    assert node.publisher_token(10, "/chatter", STRING, STRING_HASH) == TALKER
    assert node.token() == "@ros2_lv/2/aac3178e146ba6f1fc6e6a4085e77f21/0/0/NN/%/%/talker"
    inner = keys.Node(0, "ab", "/r2/eye", "us")
    assert inner.token() == "@ros2_lv/0/ab/0/0/NN/%/%r2%eye/us"


def test_a_token_is_read_back():
    """Breaks if a publisher is not found by what it announced."""
    found = keys.announced(TALKER)
    assert found == keys.Announced(2, "/talker", "/chatter", STRING, STRING_HASH)
    inner = keys.Node(0, "ab", "/r2", "us").publisher_token(7, "/r2/x", STRING, keys.NO_HASH)
    assert keys.announced(inner) == keys.Announced(0, "/r2/us", "/r2/x", STRING, keys.NO_HASH)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "@ros2_lv",
        TALKER.replace("MP", "MS"),
        TALKER.replace("/2/", "/x/"),
        TALKER.rpartition("/")[0].rpartition("/")[0],
        TALKER.replace("@ros2_lv", "@other"),
    ],
)
def test_what_is_no_publishers_token_is_none(token):
    """Breaks if a subscription counts as a publisher, or a stranger's token is an exception."""
    assert keys.announced(token) is None


@pytest.mark.parametrize(
    ("topic", "wanted"),
    [
        ("imu", "/imu"),
        ("/a/b_1", "/a/b_1"),
        ("/1a", None),
        ("a//b", None),
        ("/a/", None),
        ("a*", None),
        ("/a__b", None),
        ("a b", None),
        ("a$", None),
    ],
)
def test_names_of_topics(topic, wanted):
    """Breaks if a name reaches zenoh that means something else there, as * does."""
    assert keys.absolute(topic) == wanted


def test_an_attachment_is_as_zenohs_own_serializer_writes_it():
    """Breaks if a ROS 2 subscription would refuse our messages: checked against zenoh's."""
    from zenoh import ext

    sender = bytes(range(16))
    ours = attachment.Attachment(7, 1_700_000_000_123_456_789, sender).packed()
    theirs = b"".join(
        bytes(ext.z_serialize(value))
        for value in (ext.Int64(7), ext.Int64(1_700_000_000_123_456_789), sender)
    )
    assert ours == theirs
    assert len(ours) == 33
    assert attachment.unpacked(ours) == (7, 1_700_000_000_123_456_789, sender)
    assert attachment.unpacked(ours[:-1]) is None
    assert attachment.unpacked(ours[:16] + b"\x0f" + ours[17:]) is None
