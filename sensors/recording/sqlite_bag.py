"""A rosbag2 file of SQLite (``.db3``), the usual one until ROS 2 Iron.

Tables as in https://github.com/ros2/rosbag2/tree/rolling/rosbag2_storage_sqlite3. Read by Python's
own sqlite3, which needs no ``metadata.yaml``: a recorder that was killed leaves none.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from bindstream.errors import ConfigError
from sensors.recording.topic import Recorded, Topic, Wanted

_TOPICS = """
SELECT topics.name, topics.type, count(messages.id), min(timestamp), max(timestamp)
FROM topics LEFT JOIN messages ON messages.topic_id = topics.id
GROUP BY topics.id ORDER BY topics.id"""
_MESSAGES = """
SELECT topics.name, topics.type, timestamp, data
FROM messages JOIN topics ON messages.topic_id = topics.id
WHERE topics.id IN ({}) ORDER BY timestamp, messages.id"""


class SqliteBag:
    """See ``topic.File``; equal stamps keep the order in which they were written.

    Raises ConfigError for what is no bag of rosbag2.
    """

    has_index = True

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damaged = 0
        found = self.topics()
        self.starts_ns = min((topic.first_ns for topic in found if topic.count), default=0)

    def topics(self) -> list[Topic]:
        """See ``topic.File``. Raises ConfigError."""
        with closing(self._opened()) as base:
            try:
                rows = base.execute(_TOPICS).fetchall()
            except sqlite3.Error as error:
                raise ConfigError(f"{self.path}: is no bag of rosbag2: {error}") from error
        return [
            Topic(name, kind, {}, count, first_ns or 0, last_ns or 0)
            for name, kind, count, first_ns, last_ns in rows
        ]

    def messages(self, wanted: Wanted) -> Iterator[Recorded | None]:
        """See ``topic.File``; in the order of time, and of writing where that is equal."""
        with closing(self._opened()) as base:
            known = base.execute("SELECT id, name, type FROM topics ORDER BY id").fetchall()
            topics = [str(n) for n, name, kind in known if wanted(Topic(name, kind))]
            try:
                for name, kind, log_ns, data in base.execute(_MESSAGES.format(",".join(topics))):
                    yield Recorded(Topic(name, kind), log_ns, memoryview(data))
            except sqlite3.DatabaseError:  # a damaged page: what lies behind is not found
                self.damaged += 1

    def _opened(self) -> sqlite3.Connection:
        try:
            return sqlite3.connect(f"file:{quote(str(self.path))}?mode=ro", uri=True)
        except sqlite3.Error as error:
            raise ConfigError(f"{self.path}: not opened: {error}") from error
