"""Jobs and their events as frozen dataclasses, to and from rows of the store."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field

PREVIEW = "preview.jpg"  # in the job's folder, the latest one
ENDED = ("done", "failed", "cancelled")  # the other states are "queued" and "running"


@dataclass(frozen=True)
class Event:
    """One step of a job. stage, step, total, loss, message: as in progress.Progress.

    seconds_left: of the whole job, None while nobody knows; preview: PREVIEW where this step has one;
    at: seconds since 1970; number: rises from event to event.
    """

    number: int
    job: str
    at: float
    stage: str
    step: int
    total: int
    loss: float | None
    seconds_left: float | None
    preview: str | None
    message: str

    @classmethod
    def from_row(cls, row: sqlite3.Row) -> Event:
        return cls(**dict(row))


@dataclass(frozen=True)
class Job:
    """One row of the store.

    settings and result: JSON objects, what they hold is the kind's affair; error: one sentence once it
    failed; stop: somebody asked for its end; device: whose worker has it or had it last; deaths: how often an
    executor died at it since it last came further; times in seconds since 1970.
    """

    id: str
    visitor: str
    kind: str
    settings: dict = field(repr=False)
    device: str
    state: str
    created: float
    heartbeat: float | None
    finished: float | None
    stop: bool
    deaths: int
    error: str | None
    result: dict | None

    @classmethod
    def from_row(cls, row: sqlite3.Row) -> Job:
        values = {name: row[name] for name in cls.__dataclass_fields__}
        values["settings"] = json.loads(values["settings"])
        values["result"] = json.loads(values["result"]) if values["result"] else None
        values["stop"] = bool(values["stop"])
        return cls(**values)

    @property
    def ended(self) -> bool:
        return self.state in ENDED


@dataclass(frozen=True)
class Outcome:
    """How a job ended. state: done, failed or cancelled; error: one sentence if failed; result: if done."""

    state: str
    error: str | None = None
    result: dict | None = None
