"""What a page shows of jobs and of a library, as plain values that travel as JSON; not how it looks."""

from __future__ import annotations

import base64
import io
import re
import shutil
import time
from pathlib import Path

import numpy as np
from PIL import Image

from dreampose_core.fitting import Fitting, Hand
from dreampose_core.jobs import client
from dreampose_core.library.entries import ClipEntry, MotionEntry, SubjectEntry
from dreampose_core.library.files import read_json
from dreampose_core.library.library import Library
from dreampose_core.page.parts import Parts, note
from dreampose_core.page.wording import film_title
from dreampose_core.photo import open_photo
from dreampose_core.progress import READING, STAGES, TITLES
from dreampose_core.trouble import DISK_FULL
from pose_tools.errors import BadInput
from pose_tools.video import VideoInfo

SEEN = {  # what a job's latest picture shows, by the stage that it is of
    "prepare": "The pose that was found",
    "finetune": "Live sample",
    "decoder": "Live sample",
    "render": "The latest frame",
}
SHOWN_BY_BROWSERS = (".jpg", ".jpeg", ".png", ".webp")
LEAST_ROOM = 2**20  # bytes; with less on the disk even the worker has no way to tell
MOST_POINTS = 200  # of a loss curve
MEANINGS = {  # of a film's readouts
    "likeness": "Garment and head of the film beside the photo's, place by place on the body. 100: no difference. "
    "Light that changes as the person turns counts too, so that a true film of a turn gets about 75.",
    "steadiness": "Each frame beside the one before, carried along the body. 100: nothing flickers. "
    "Folds that move count too, so that a true film of a turn gets about 80.",
}


def taken(path: str | None, part: str, told: str) -> Parts:
    """What changes with a picture that was handed over to a part, or taken away: nothing, but where browsers do not
    know its format, or where it cannot be read, which the part `told` then says."""
    try:
        picture = open_photo(path) if path else None
    except BadInput as error:
        return {part: None, told: note(error)}
    return {} if not path or Path(path).suffix.lower() in SHOWN_BY_BROWSERS else {part: picture}


def picture_data(path: Path | None, kind: str = "jpeg") -> str:
    """A small picture file as a data URI, "" where there is none."""
    try:
        data = path.read_bytes() if path else b""
    except FileNotFoundError:  # a preview that was replaced or removed in this very moment
        data = b""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}" if data else ""


def pixels_data(picture: np.ndarray) -> str:
    """A picture, uint8 (H, W, 3), as a data URI."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def file_name(title: str) -> str:
    """A title as a part of a file's name."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", title).strip("-") or "motion"


def ago(created: float) -> str:
    """A time as a person says it: "just now", "5 min ago", "12 Mar"."""
    minutes = int((time.time() - created) / 60)
    if minutes < 60:
        return f"{minutes} min ago" if minutes > 0 else "just now"
    if minutes < 24 * 60:
        return f"{minutes // 60} h ago"
    return time.strftime("%d %b", time.localtime(created)).lstrip("0")


NO_SHELF = {"subjects": [], "films": [], "chosen": None}  # of a library that nobody can read


def shelf(library: Library, chosen: str | None = None) -> dict:
    """The library strip: subjects that are tuned, films, and which subject is chosen."""

    def card(entry: SubjectEntry | ClipEntry, title: str) -> dict:
        picture = picture_data(entry.thumbnail)
        return {"id": entry.id, "title": title, "detail": ago(entry.created), "picture": picture}

    return {
        "subjects": [card(entry, entry.title or "Untitled") for entry in library.subjects() if entry.tuned],
        "films": [card(entry, film_title(entry.settings)) for entry in library.clips()],
        "chosen": chosen,
    }


def progress_view(library: Library, now: client.Status) -> dict:
    """A film or an extraction as the progress panel shows it: its stages, share done, seconds left, losses."""
    film = now.kind == "animate"
    stages = STAGES if film else READING
    events = client.events(library, now.id)
    seen = {event.stage for event in events}
    here = stages.index(now.stage) if now.stage else -1
    rows = []
    for index, name in enumerate(stages):
        past = "done" if name in seen else "skipped"
        state = "now" if index == here else "waiting" if index > here else past
        rows.append({"title": TITLES[name], "state": state, "step": now.step, "total": now.total})
    seen_in = next((event.stage for event in reversed(events) if event.preview), "")
    learning = next((e.stage for e in reversed(events) if e.loss is not None), None)
    losses = [[e.step, e.loss] for e in events if e.stage == learning and e.loss is not None]
    spent = time.time() - events[0].at if events else 0.0
    photo = library.subject_folder(now.settings["subject"]) / "thumbnail.jpg" if film else None
    return {
        "job": now.id,
        "state": now.state,
        "kind": now.kind,
        "title": film_title(now.settings["settings"]) if film else now.settings["title"],
        "ahead": now.ahead,
        "stages": rows,
        "fraction": spent / max(spent + now.seconds_left, 1e-6) if now.seconds_left is not None else 0.0,
        "seconds_left": now.seconds_left,
        "message": DISK_FULL if shutil.disk_usage(library.root).free < LEAST_ROOM else now.message,
        "losses": losses[:: max(1, len(losses) // MOST_POINTS)],
        "preview": picture_data(now.preview),
        "seen": SEEN.get(seen_in, "At this frame"),
        "photo": "" if now.preview else picture_data(photo),
        "error": now.error,
    }


def clip_view(clip: ClipEntry) -> dict:
    """What stands over a film."""
    frames, fps = clip.settings["frames"], clip.settings["fps"]
    detail = f"{frames} frames, {frames / fps:.1f} s, seed {clip.settings['seed']}"
    told = (read_json(clip.report) or {}).get("readouts", {})  # a film of an earlier version has none
    readouts = [
        {"title": name.capitalize(), "value": one["value"], "words": one["words"], "meaning": MEANINGS[name]}
        for name, one in told.items()
        if name in MEANINGS
    ]
    return {
        "id": clip.id,
        "title": film_title(clip.settings),
        "detail": detail,
        "readouts": readouts,
    }


def own_motions(library: Library) -> list[dict]:
    """The cards of the motions that were read from videos."""
    return [
        {
            "name": entry.id,
            "title": entry.title,
            "about": f"{entry.seconds:.1f} s, {ago(entry.created)}",
            "picture": picture_data(entry.thumbnail, "webp"),
        }
        for entry in library.motions()
    ]


def motion_view(entry: MotionEntry, has_gpu: bool) -> dict:
    """What stands beside the preview of a motion: how it was read, and what happened on the way. Why by this estimator
    is told where there is a GPU: without one the page has no other to offer."""
    frames = round(entry.seconds * entry.fps)
    detail = f"{entry.seconds:.1f} s, {frames} frames" + (", with sound" if entry.sound else "")
    why = entry.why if has_gpu else ""
    return {"id": entry.id, "title": entry.title, "detail": detail, "why": why, "notes": entry.notes}


def frame_view(picture: np.ndarray, path: str, info: VideoInfo) -> dict:
    """The first frame of a video that will be read, and what the video is."""
    length = f"{info.seconds:.1f} s" if info.seconds else "of unknown length"
    sound = "with sound" if info.audio else "silent"
    return {
        "picture": pixels_data(picture),
        "title": Path(path).stem.replace("_", " "),
        "detail": f"{length}, {info.width}x{info.height}, {sound}",
    }


def fitting_view(found: Fitting, hand: Hand = (1.0, 0.0, 0.0)) -> dict:
    """A motion's moments on the photo."""
    return {
        "pictures": [pixels_data(picture) for picture in found.pictures(hand)],
        "body": found.alignment is None,
        "warnings": found.warnings,
    }
