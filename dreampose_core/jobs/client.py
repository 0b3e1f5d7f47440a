"""What a page calls. Everything is asked for a visitor, and nobody sees or stops another's jobs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from dreampose_core.drive import load_drive
from dreampose_core.extraction import check_request
from dreampose_core.film.background import PICTURE, choose
from dreampose_core.film.surroundings import MOST_SIDE, PHOTO
from dreampose_core.finetune.disk import written_by_finetune
from dreampose_core.finetune.tuning import tuning_of
from dreampose_core.jobs.events import ENDED, PREVIEW, Event, Job
from dreampose_core.jobs.lock import is_held, lock_path
from dreampose_core.jobs.store import Store
from dreampose_core.library.library import Library, check_id, delete_visitor, expired_visitors, new_id
from dreampose_core.more_photos import NO_MORE, check_more
from dreampose_core.photo import open_photo
from dreampose_core.profiles import PROFILES
from dreampose_core.settings import AnimateSettings
from pose_tools.errors import BadInput
from pose_tools.extract import Request

PROJECT = Path(__file__).resolve().parents[2]  # where `python -m dreampose_core...` finds the packages
IDLE_EXIT = 600  # seconds
ALONE = 10.0  # seconds without a sign of life; a worker that starts needs a few
START_AGAIN = 10.0  # seconds from one start of a worker to the next for jobs that were left alone
FITTINGS_LAST = 3600  # seconds; another tab may still show one
MORE = "more"  # begins the names of further photos in a job's folder
PUT_AWAY = "put_away"  # an empty file in the folder of a job that its visitor has closed
ROOM_NEEDED = 100 * 2**20  # bytes a job may write beside a film and a finetune: training pictures, sheets, poses
PIXEL_ROOM = 5  # bytes for each pixel of a film: its frames as PNG, once more in the zip, and the videos


_started: dict[Path, float] = {}  # when this process last started a worker for a lock, by the monotonic clock
_starting = threading.Lock()


@dataclass(frozen=True)
class Status:
    """A job as a page shows it.

    state: queued, running, done, failed or cancelled; ahead: jobs before it in line (0 when it runs or
    ended); stage, step, total, loss, message: of its latest event ("" and 0 before the first); seconds_left:
    of the whole job or None; preview: the latest sample's file or None; error: one sentence once it failed;
    subject, clip and motion: ids in the library once they are there; put_away: its visitor has seen how it ended.
    """

    id: str
    kind: str
    state: str
    created: float
    settings: dict
    ahead: int
    stage: str
    step: int
    total: int
    loss: float | None
    message: str
    seconds_left: float | None
    preview: Path | None
    error: str | None
    subject: str | None
    clip: str | None
    motion: str | None
    put_away: bool

    @property
    def ended(self) -> bool:
        return self.state in ENDED


def submit_animate(
    library: Library,
    settings: AnimateSettings,
    *,
    photo: Path | None = None,
    subject: str | None = None,
    poses: Path | None = None,
    backdrop: Path | None = None,
    more: Sequence[Path] = (),
    title: str = "",
    device: str = "cpu",
    offload: bool = False,
    compile: bool = False,
) -> str:
    """Queue one clip and return the job's id, which is the clip's id too.

    Either photo (a picture file, copied) or subject (an id of this library) is given. poses: a file of poses
    or of a motion (.npz, copied) in place of the preset that settings.motion names. backdrop: a picture file
    (copied) for settings.background "picture". more: further photos (copied) that a new subject learns from. title:
    the new subject's. offload, compile: as Order's. Raises BadInput if photo, backdrop or one of more is no picture,
    the motion none, the subject is not there, or the disk is full.
    """
    files: dict[str, Path] = {}
    if photo is not None:
        whole = open_photo(photo)
        files["photo"] = photo
        check_more(more)
        files |= {f"{MORE}-{index}": each for index, each in enumerate(more, 1)}
        subject = new_id()
    else:
        if more:
            raise BadInput(NO_MORE)
        title, whole = library.subject(subject or "").title, None
    if settings.extraction:
        motion = library.motion(settings.extraction)
        files["poses.npz"] = motion.drive
        if motion.sound:
            files["sound.m4a"] = motion.sound
    else:
        load_drive(settings.motion, poses)
        if poses is not None:
            files["poses.npz"] = poses
    if settings.background == PICTURE:
        choose(PICTURE, "", backdrop, 64, 64)
        files["background"] = backdrop
    values = {"settings": settings.to_dict(), "subject": subject, "title": title}
    values |= {"offload": offload, "compile": compile}
    room = ROOM_NEEDED + _room_of_finetune(library, settings, subject, 1 + len(more))
    room += settings.frames * PIXEL_ROOM * _pixels(library, settings, subject, whole)
    return submit(library, "animate", values, files=files, device=device, room=room)


def submit_extract(library: Library, request: Request, *, title: str = "", device: str = "cpu") -> str:
    """Queue the reading of a driving video and return the job's id, which is the motion's id in the library too.

    request.video is linked or copied; the video of an earlier one that failed or was cancelled is cleared away. title:
    the motion's. Raises BadInput if it is no video or one that is beyond what is read.
    """
    check_request(request)
    for old in _ended(library, "extract"):
        library.delete_job_folder(old.id)
    wanted = {name: value for name, value in asdict(request).items() if name not in ("video", "device")}
    values = {"request": wanted, "title": title}
    return submit(library, "extract", values, files={"video": request.video}, device=device)


def submit_align(
    library: Library,
    motion: str,
    *,
    photo: Path | None = None,
    subject: str | None = None,
    profile: str = "mini",
    before: str | None = None,
    device: str = "cpu",
) -> str:
    """Queue a look at how a motion of the library lies on a photo, or else on a subject; return the job's id.

    before: the look that this one takes the place of, which is forgotten, or cancelled where it still waits or runs;
    so are those that were begun over FITTINGS_LAST seconds ago. Raises BadInput if the photo is no picture, or if
    motion or subject are not there.
    """
    entry = library.motion(motion)
    files = {"poses.npz": entry.drive}
    if subject:
        library.subject(subject)
    else:
        open_photo(photo)
        files["photo"] = photo
    old = time.time() - FITTINGS_LAST
    drop_fittings(library, lambda job: job.id == before or job.created < old)
    values = {"motion": motion, "subject": subject, "profile": profile, "title": entry.title}
    return submit(library, "align", values, files=files, device=device)


def drop_fittings(library: Library, which: Callable[[Job], bool] = lambda job: True) -> None:
    """Forget this visitor's looks at motions on photos, which hold copies of the photos; cancel those at work."""
    store = Store(library.root)
    for job in store.of_visitor(library.visitor):
        if job.kind != "align" or not which(job):
            continue
        with suppress(BadInput):  # gone in the meantime, by another tab
            if job.ended:
                forget(library, job.id)
            else:
                cancel(library, job.id)


def submit(
    library: Library,
    kind: str,
    settings: Mapping,
    *,
    files: Mapping[str, Path] | None = None,
    device: str = "cpu",
    room: int | None = None,
) -> str:
    """Queue a job of any kind and return its id.

    files: linked or copied into the job's folder under their keys' names; room: bytes that it may write, ROOM_NEEDED
    where nobody says. Raises BadInput where the disk has not as many.
    """
    lock_path(library.root, device)
    library.touch()
    files = files or {}
    needed = (ROOM_NEEDED if room is None else room) + sum(path.stat().st_size for path in files.values())
    if (free := shutil.disk_usage(library.root).free) < needed:
        raise BadInput(
            f"The disk is almost full: this may need {needed / 1e9:.1f} GB and {free / 1e9:.1f} GB are free; make "
            "some room and try again."
        )
    job = new_id()
    folder = library.job_folder(job)
    folder.mkdir(parents=True)
    try:
        for name, path in files.items():
            _place(path, folder / name)
    except OSError:
        library.delete_job_folder(job)
        raise
    Store(library.root).add(job, library.visitor, kind, settings, device)
    return job


def status(library: Library, job: str) -> Status:
    """How a job of this visitor stands. BadInput if this visitor has no such job."""
    store = Store(library.root)
    return _status(library, store, _own(library, store, job))


def jobs(library: Library) -> list[Status]:
    """All of this visitor's jobs, the newest first."""
    store = Store(library.root)
    return [_status(library, store, job) for job in store.of_visitor(library.visitor)]


def events(library: Library, job: str, after: int = 0) -> list[Event]:
    """The events of a job of this visitor (with the losses) whose number is above `after`, in order."""
    store = Store(library.root)
    return store.events(_own(library, store, job).id, after)


def cancel(library: Library, job: str) -> None:
    """End a waiting or running job within a second; what it made stays for `retry`.

    Nothing happens if it ended.
    """
    store = Store(library.root)
    store.ask_stop(_own(library, store, job).id)


def retry(library: Library, job: str) -> None:
    """Queue a failed or cancelled job again; it goes on from what it left. BadInput if it is neither."""
    store = Store(library.root)
    if not store.again(_own(library, store, job).id):
        raise BadInput("Only a job that failed or was cancelled can be tried again.")
    (library.job_folder(job) / PUT_AWAY).unlink(missing_ok=True)


def put_away(library: Library, job: str) -> None:
    """Remember that the visitor has seen how a job ended; it stays for `retry`. Nothing happens to one at work."""
    store = Store(library.root)
    if _own(library, store, job).ended:
        folder = library.job_folder(job)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / PUT_AWAY).touch()


def forget(library: Library, job: str) -> None:
    """Remove an ended job and its working folder; its subject and its clip stay.

    BadInput if it has not ended.
    """
    store = Store(library.root)
    if not _own(library, store, job).ended:
        raise BadInput("The job is still at work; cancel it first.")
    store.forget(job)
    library.delete_job_folder(job)


def ensure_worker(root: Path, device: str = "cpu", since: float = 0.0) -> None:
    """Start a worker process for the library root and device unless one lives.

    It outlives its starter, ends by itself some minutes after the last job, and writes to worker-DEVICE.log.
    since: none is started where this process started one less than so many seconds ago.
    """
    lock = lock_path(root, device)
    if is_held(lock):
        return
    command = [sys.executable, "-m", "dreampose_core.jobs.worker", "--library", str(Path(root).resolve())]
    with _starting, lock.with_suffix(".log").open("ab") as log:
        now = time.monotonic()
        if lock in _started and now - _started[lock] < since:
            return
        _started[lock] = now
        subprocess.Popen(
            [*command, "--device", device, "--idle-exit", str(IDLE_EXIT)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=PROJECT,
        )  # fmt: skip


def mind(library: Library, job: str) -> None:
    """Start a worker where a job of this visitor waits or runs and has been left alone: its worker may have died."""
    row = _own(library, Store(library.root), job)
    alone = not row.ended and time.time() - (row.heartbeat or row.created) > ALONE
    if alone:
        ensure_worker(library.root, row.device, since=START_AGAIN)


def sweep(root: Path, lifetime: float) -> list[str]:
    """Delete what visitors left who were not here for `lifetime` seconds, and return their ids.

    Visitors with a waiting or running job, and the local one, are kept.
    """
    store = Store(root)
    gone = expired_visitors(root, lifetime, keep=store.busy_visitors())
    for visitor in gone:
        store.forget_visitor(visitor)
        delete_visitor(root, visitor)
    return gone


def _room_of_finetune(library: Library, settings: AnimateSettings, subject: str, photos: int) -> int:
    """Bytes that a finetune may write; 0 for a subject of the library that has one."""
    profile = PROFILES.get(settings.profile)
    tuned = {name for entry in library.subjects() if entry.id == subject for name in entry.tuned}
    if profile is None or not settings.finetuned or settings.profile in tuned:
        return 0
    steps, decoder_steps = settings.steps_of_finetune(profile)
    tune = replace(tuning_of(profile.name, settings.tuning), steps=steps, decoder_steps=decoder_steps)
    return written_by_finetune(profile.folder, tune, profile.width * profile.height, photos)


def _pixels(library: Library, settings: AnimateSettings, subject: str, photo: np.ndarray | None) -> int:
    """How many pixels a frame of a film will have at most; photo: of a new subject."""
    if settings.framing == PHOTO:
        if photo is not None:
            return MOST_SIDE**2 * min(photo.shape[:2]) // max(photo.shape[:2])
        if (whole := library.subject_folder(subject) / "whole.png").exists():
            with Image.open(whole) as picture:
                return picture.width * picture.height
    profile = PROFILES.get(settings.profile)
    return profile.width * profile.height * profile.finer**2 if profile else 0


def _ended(library: Library, kind: str) -> list[Job]:
    """The visitor's ended jobs of a kind."""
    return [job for job in Store(library.root).of_visitor(library.visitor) if job.kind == kind and job.ended]


def _place(path: Path, target: Path) -> None:
    """A second name for a file, or where that cannot be a copy of it: a video may have hundreds of megabytes."""
    try:
        os.link(path, target)
    except OSError:
        shutil.copyfile(path, target)


def _own(library: Library, store: Store, job: str) -> Job:
    row = store.get(check_id(job, "job"))
    if row is None or row.visitor != library.visitor:
        raise BadInput("There is no such job.")
    return row


def _seconds_left(event: Event) -> float | None:
    """What is left by now: also of a step that takes long no less than half of what was left when it began."""
    left = event.seconds_left
    return None if left is None else max(left - (time.time() - event.at), left / 2)


def _status(library: Library, store: Store, job: Job) -> Status:
    event = store.last_event(job.id)
    subject = job.settings.get("subject")
    preview = library.job_folder(job.id) / PREVIEW
    return Status(
        id=job.id,
        kind=job.kind,
        state=job.state,
        created=job.created,
        settings=job.settings,
        ahead=store.ahead(job.id) if job.state == "queued" else 0,
        stage=event.stage if event else "",
        step=event.step if event else 0,
        total=event.total if event else 0,
        loss=event.loss if event else None,
        message=event.message if event else "",
        seconds_left=_seconds_left(event) if event and not job.ended else None,
        preview=preview if preview.exists() else None,
        error=job.error,
        subject=subject if subject and (library.subject_folder(subject) / "subject.json").exists() else None,
        clip=(job.result or {}).get("clip"),
        motion=(job.result or {}).get("motion"),
        put_away=(library.job_folder(job.id) / PUT_AWAY).exists(),
    )
