"""The jobs on disk: one sqlite3 file in WAL mode that pages, workers and command lines open at the same time.

Every function is one short transaction. The store neither starts workers nor knows what a kind of job does.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dreampose_core.jobs.events import Event, Job
from dreampose_core.progress import ORDER

RANKS_PER_STAGE = 10**6  # more than the steps of any stage, so that a later stage always counts as further

SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, visitor TEXT NOT NULL,
    kind TEXT NOT NULL, settings TEXT NOT NULL, device TEXT NOT NULL, state TEXT NOT NULL,
    created REAL NOT NULL, heartbeat REAL, finished REAL,
    stop INTEGER NOT NULL DEFAULT 0, deaths INTEGER NOT NULL DEFAULT 0, furthest INTEGER NOT NULL DEFAULT 0,
    died_at INTEGER NOT NULL DEFAULT -1, error TEXT, result TEXT);
CREATE INDEX IF NOT EXISTS jobs_state ON jobs (state, device, number);
CREATE INDEX IF NOT EXISTS jobs_visitor ON jobs (visitor, number);
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    at REAL NOT NULL, stage TEXT NOT NULL, step INTEGER NOT NULL, total INTEGER NOT NULL, loss REAL,
    seconds_left REAL, preview TEXT, message TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS events_job ON events (job, number);
"""


_KEPT: dict[Path, tuple[int, sqlite3.Connection]] = {}  # inode and an idle connection
_KEEPING = threading.Lock()


def _keep_open(path: Path) -> None:
    """Hold the files beside a store for as long as this process lives: the last connection that closes removes them,
    and on a full disk they could not be made anew, so that nobody could even read how the jobs stand."""
    inode = path.stat().st_ino
    with _KEEPING:
        if _KEPT.get(path, (None,))[0] != inode:
            db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
            db.execute("SELECT COUNT(*) FROM jobs").fetchone()
            _KEPT[path] = inode, db


class Store:
    """The jobs of a library root. Opens a connection for each call, so that it may be shared by threads."""

    def __init__(self, root: Path) -> None:
        """Open or make the store. Raises OSError or sqlite3.OperationalError where that cannot be."""
        self.path = Path(root) / "jobs.sqlite3"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._open() as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.executescript(SCHEMA)
        _keep_open(self.path)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        db = sqlite3.connect(self.path, timeout=30, isolation_level=None)
        try:
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA foreign_keys = ON")
            db.execute("PRAGMA synchronous = NORMAL")
            yield db
        finally:
            db.close()

    # asked by pages

    def add(self, job: str, visitor: str, kind: str, settings: Mapping, device: str) -> None:
        """Put a job at the end of the line of its device."""
        with self._open() as db:
            db.execute(
                "INSERT INTO jobs (id, visitor, kind, settings, device, state, created)"
                " VALUES (?,?,?,?,?,'queued',?)",
                (job, visitor, kind, json.dumps(dict(settings)), device, time.time()),
            )

    def get(self, job: str) -> Job | None:
        with self._open() as db:
            row = db.execute("SELECT * FROM jobs WHERE id = ?", (job,)).fetchone()
        return Job.from_row(row) if row else None

    def of_visitor(self, visitor: str) -> list[Job]:
        """A visitor's jobs, the newest first."""
        with self._open() as db:
            rows = db.execute(
                "SELECT * FROM jobs WHERE visitor = ? ORDER BY number DESC", (visitor,)
            ).fetchall()
        return [Job.from_row(row) for row in rows]

    def busy_visitors(self) -> set[str]:
        """Visitors with a job that waits or runs."""
        with self._open() as db:
            rows = db.execute(
                "SELECT DISTINCT visitor FROM jobs WHERE state IN ('queued', 'running')"
            ).fetchall()
        return {row["visitor"] for row in rows}

    def ahead(self, job: str) -> int:
        """How many jobs of the same device run or wait before this one."""
        with self._open() as db:
            return db.execute(
                "SELECT COUNT(*) FROM jobs a JOIN jobs b ON b.id = ?"
                " WHERE a.device = b.device AND a.id != b.id"
                " AND (a.state = 'running' OR (a.state = 'queued' AND a.number < b.number))",
                (job,),
            ).fetchone()[0]

    def ask_stop(self, job: str) -> None:
        """A waiting job is cancelled here and now, a running one by its worker, which looks every moment."""
        with self._open() as db:
            db.execute(
                "UPDATE jobs SET stop = 1, finished = CASE state WHEN 'queued' THEN ? ELSE finished END,"
                " state = CASE state WHEN 'queued' THEN 'cancelled' ELSE state END"
                " WHERE id = ? AND state IN ('queued', 'running')",
                (time.time(), job),
            )

    def again(self, job: str) -> bool:
        """Queue a failed or cancelled job once more; it goes on from what it left.

        False if it was neither.
        """
        with self._open() as db:
            return bool(
                db.execute(
                    "UPDATE jobs SET state = 'queued', stop = 0, deaths = 0, error = NULL, finished = NULL"
                    " WHERE id = ? AND state IN ('failed', 'cancelled')",
                    (job,),
                ).rowcount
            )

    def forget(self, job: str) -> None:
        """Remove a job and its events."""
        with self._open() as db:
            db.execute("DELETE FROM jobs WHERE id = ?", (job,))

    def forget_visitor(self, visitor: str) -> None:
        with self._open() as db:
            db.execute("DELETE FROM jobs WHERE visitor = ?", (visitor,))

    # events

    def add_event(self, event: Event) -> None:
        """Append an event (its number is given here) and remember how far the job ever came."""
        with self._open() as db:
            db.execute("BEGIN IMMEDIATE")
            db.execute(
                "INSERT INTO events (job, at, stage, step, total, loss, seconds_left, preview, message)"
                " VALUES (?,?,?,?,?,?,?,?,?)",
                (
                    event.job,
                    event.at,
                    event.stage,
                    event.step,
                    event.total,
                    event.loss,
                    event.seconds_left,
                    event.preview,
                    event.message,
                ),
            )
            rank = ORDER.index(event.stage) * RANKS_PER_STAGE + event.step
            db.execute("UPDATE jobs SET furthest = MAX(furthest, ?) WHERE id = ?", (rank, event.job))
            db.execute("COMMIT")

    def events(self, job: str, after: int = 0) -> list[Event]:
        """The events of a job whose number is above `after`, in order."""
        with self._open() as db:
            rows = db.execute(
                "SELECT * FROM events WHERE job = ? AND number > ? ORDER BY number", (job, after)
            )
            return [Event.from_row(row) for row in rows]

    def last_event(self, job: str) -> Event | None:
        with self._open() as db:
            row = db.execute(
                "SELECT * FROM events WHERE job = ? ORDER BY number DESC LIMIT 1", (job,)
            ).fetchone()
        return Event.from_row(row) if row else None

    # asked by workers

    def claim(self, device: str) -> Job | None:
        """Take the first waiting job of a device; it is running from here on. None if none waits."""
        with self._open() as db:
            row = db.execute(
                "UPDATE jobs SET state = 'running', heartbeat = ? WHERE number ="
                " (SELECT MIN(number) FROM jobs WHERE state = 'queued' AND device = ?) RETURNING *",
                (time.time(), device),
            ).fetchone()
        return Job.from_row(row) if row else None

    def beat(self, job: str) -> bool:
        """Note that the worker lives.

        True if somebody asked for the job's end, or if the job is no longer there.
        """
        with self._open() as db:
            row = db.execute(
                "UPDATE jobs SET heartbeat = ? WHERE id = ? AND state = 'running' RETURNING stop",
                (time.time(), job),
            ).fetchone()
        return row is None or bool(row["stop"])

    def finish(self, job: str, state: str, error: str | None = None, result: Mapping | None = None) -> None:
        """End a running job as done, failed (with one sentence) or cancelled."""
        with self._open() as db:
            db.execute(
                "UPDATE jobs SET state = ?, error = ?, result = ?, finished = ?"
                " WHERE id = ? AND state = 'running'",
                (state, error, None if result is None else json.dumps(dict(result)), time.time(), job),
            )

    def requeue_orphans(self, device: str) -> list[str]:
        """Queue the running jobs of a device again; only for the one worker that holds the device's lock."""
        with self._open() as db:
            rows = db.execute(
                "UPDATE jobs SET state = CASE stop WHEN 1 THEN 'cancelled' ELSE 'queued' END,"
                " finished = CASE stop WHEN 1 THEN ? ELSE NULL END"
                " WHERE state = 'running' AND device = ? RETURNING id",
                (time.time(), device),
            ).fetchall()
        return [row["id"] for row in rows]

    def died(self, job: str) -> int:
        """Count an executor that died at this job, anew from 1 if the job came further than last time."""
        with self._open() as db:
            row = db.execute(
                "UPDATE jobs SET deaths = CASE WHEN furthest > died_at THEN 1 ELSE deaths + 1 END,"
                " died_at = furthest WHERE id = ? RETURNING deaths",
                (job,),
            ).fetchone()
        return row["deaths"] if row else 0
