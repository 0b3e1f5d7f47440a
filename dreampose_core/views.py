"""What a page shows of jobs and of a library, as plain values that travel as JSON; not how it looks."""

from __future__ import annotations

import base64
import time
from pathlib import Path

from dreampose_core.jobs import client
from dreampose_core.library import ClipEntry, Library, SubjectEntry
from dreampose_core.progress import STAGES, TITLES
from pose_tools.body.motion import list_motions

MOST_POINTS = 200  # of a loss curve


def picture_data(path: Path | None) -> str:
    """A small JPEG file as a data URI, "" where there is none."""
    try:
        data = path.read_bytes() if path else b""
    except FileNotFoundError:  # a preview that was replaced or removed in this very moment
        data = b""
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}" if data else ""


def motion_title(name: str) -> str:
    """A preset's title, or the name itself for a file of poses."""
    return next((m.title for m in list_motions() if m.name == name), name)


def ago(created: float) -> str:
    """A time as a person says it: "just now", "5 min ago", "12 Mar"."""
    minutes = int((time.time() - created) / 60)
    if minutes < 60:
        return f"{minutes} min ago" if minutes > 0 else "just now"
    if minutes < 24 * 60:
        return f"{minutes // 60} h ago"
    return time.strftime("%d %b", time.localtime(created)).lstrip("0")


def shelf(library: Library, chosen: str | None = None) -> dict:
    """The library strip: subjects that are tuned, films, and which subject is chosen."""

    def card(entry: SubjectEntry | ClipEntry, title: str) -> dict:
        picture = picture_data(entry.thumbnail)
        return {"id": entry.id, "title": title, "detail": ago(entry.created), "picture": picture}

    return {
        "subjects": [card(entry, entry.title or "Untitled") for entry in library.subjects() if entry.tuned],
        "films": [card(entry, motion_title(entry.settings["motion"])) for entry in library.clips()],
        "chosen": chosen,
    }


def progress_view(library: Library, now: client.Status) -> dict:
    """A job as the progress panel shows it: stages and their states, share done, seconds left, losses."""
    events = client.events(library, now.id)
    seen = {event.stage for event in events}
    here = STAGES.index(now.stage) if now.stage else -1
    rows = []
    for index, name in enumerate(STAGES):
        past = "done" if name in seen else "skipped"
        state = "now" if index == here else "waiting" if index > here else past
        rows.append({"title": TITLES[name], "state": state, "step": now.step, "total": now.total})
    learning = next((e.stage for e in reversed(events) if e.loss is not None), None)
    losses = [[e.step, e.loss] for e in events if e.stage == learning and e.loss is not None]
    spent = time.time() - events[0].at if events else 0.0
    photo = library.subject_folder(now.settings["subject"]) / "thumbnail.jpg"
    return {
        "job": now.id,
        "state": now.state,
        "title": motion_title(now.settings["settings"]["motion"]),
        "ahead": now.ahead,
        "stages": rows,
        "fraction": spent / max(spent + now.seconds_left, 1e-6) if now.seconds_left is not None else 0.0,
        "seconds_left": now.seconds_left,
        "message": now.message,
        "losses": losses[:: max(1, len(losses) // MOST_POINTS)],
        "preview": picture_data(now.preview),
        "photo": "" if now.preview else picture_data(photo),
        "error": now.error,
    }


def clip_view(clip: ClipEntry) -> dict:
    """What stands over a film."""
    frames, fps = clip.settings["frames"], clip.settings["fps"]
    detail = f"{frames} frames, {frames / fps:.1f} s, seed {clip.settings['seed']}"
    return {"id": clip.id, "title": motion_title(clip.settings["motion"]), "detail": detail}
