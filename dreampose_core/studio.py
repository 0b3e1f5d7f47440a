"""The one way from a photo to a clip, shared by the worker, the page and the command line.

prepare (photo -> subject, sheet) -> finetune, decoder -> render (frame by frame) -> write (videos and the
rest). Every stage looks first at what is already on disk, so that a run that was killed anywhere goes on from
there, and ends with what an undisturbed run makes: all that is random is seeded by frame or step. Knows
nothing of jobs.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from dreampose_core.background import KEEP, choose
from dreampose_core.carry import Sheet, make_sheet, swings
from dreampose_core.checkpoints import FINISHED, load_model, load_tuned, tuned_settings
from dreampose_core.drive import clip_length, load_drive, make_poses
from dreampose_core.finetune import finetune_subject
from dreampose_core.finishing import Finish, Moves
from dreampose_core.fitting import keep_time, placed
from dreampose_core.guidance import Guidance
from dreampose_core.library import ClipEntry, Library, write_json, write_picture, write_thumbnail
from dreampose_core.memory import check_room
from dreampose_core.photo import open_photo, resized
from dreampose_core.pipeline import DreamPosePipeline
from dreampose_core.profiles import Profile, find_profile
from dreampose_core.progress import Progress, Report, silent
from dreampose_core.readouts import MOST_FRAMES, read_out
from dreampose_core.settings import SWITCHES, AnimateSettings
from dreampose_core.stopwatch import Stopwatch, expected_seconds, known_seconds, remember, speeds_file
from dreampose_core.subject import FINE_FOLDER, Subject, prepare_subject
from dreampose_core.surroundings import FILM, PHOTO, Surroundings
from dreampose_core.tuning import DEFAULT_TUNINGS, FinetuneSettings, tuning_of
from pose_tools.body.figure import Pose
from pose_tools.draw import colour_iuv, enlarged, overlay
from pose_tools.errors import BadInput
from pose_tools.files import replacing
from pose_tools.sequence import PoseSequence
from pose_tools.video import side_by_side, write_frames_zip, write_gif, write_video

SHEET = "sheet.npz"


@dataclass(frozen=True)
class Order:
    """What is to be made, and for whom.

    subject: id of a subject in the library, or of the new one that is made of `photo`; title: the new one's;
    clip: the new clip's id; poses: a file in place of the motion that the settings name; sound: to be laid under
    the clip; backdrop: the picture that the settings' background wants; folder: where unfinished work is kept; more:
    further photos of the same person, which the finetune of a new subject learns from too; device: of torch; offload,
    compile: the way to render there, as the pipeline's methods of these names say.
    """

    library: Library
    settings: AnimateSettings
    folder: Path
    subject: str
    clip: str = ""
    photo: Path | None = None
    poses: Path | None = None
    sound: Path | None = None
    backdrop: Path | None = None
    title: str = ""
    more: tuple[Path, ...] = ()
    device: str = "cpu"
    offload: bool = False
    compile: bool = False

    @property
    def profile(self) -> Profile:
        return profile_of(self.settings)


def profile_of(settings: AnimateSettings) -> Profile:
    """The profile that settings name. BadInput if there is none, or if its weights are not here."""
    try:
        profile = find_profile(settings.profile)
    except KeyError as error:
        raise BadInput(str(error.args[0])) from error
    if not profile.here:
        raise BadInput(profile.what_to_do)
    return profile


def beginning(
    settings: AnimateSettings, profile: Profile, carried: bool = True
) -> tuple[str | None, float | None, float]:
    """Start, strength and pull of a film: what its settings say, or else the profile for its own start.

    carried: whether the photo can be carried to the poses, without which the profile's are not used.
    """
    own = carried and settings.start_from in (None, profile.start)
    usual = (profile.start, profile.strength, profile.pull) if own else (None, None, 0.0)
    asked = settings.start_from, settings.strength, settings.pull
    start, strength, pull = map(_given, asked, usual)
    return start, strength, pull


def expected(order: Order) -> dict[str, float]:
    """Seconds each stage of make_clip (of make_subject, where there is no clip) will take on this machine."""
    return expected_seconds(_speeds(order), order.settings.profile, _units(order), _ways(order))


def make_subject(order: Order, report: Report = silent) -> None:
    """Prepare and finetune a subject, or go on with it. Raises BadInput where the photo cannot be used."""
    order.folder.mkdir(parents=True, exist_ok=True)
    watch, units = Stopwatch(order.folder / "stages.json"), _units(order)
    report = watch.listen(report)
    subject, sheet, pipeline = _prepare(order, report)
    _tune(order, pipeline, subject, sheet, report)
    remember(_speeds(order), order.settings.profile, units, watch, _ways(order))


def make_clip(order: Order, report: Report = silent) -> ClipEntry:
    """Make a clip, or go on with it. Raises BadInput where the photo or the poses cannot be used."""
    if (order.library.clip_folder(order.clip) / "clip.json").exists():
        return order.library.clip(order.clip)
    drive = load_drive(order.settings.motion, order.poses)
    _backdrop(order)  # said before anything else is done
    order.folder.mkdir(parents=True, exist_ok=True)
    watch, units = Stopwatch(order.folder / "stages.json"), _units(order)
    report = watch.listen(report)
    subject, sheet, pipeline = _prepare(order, report)
    tuned, settings = _tune(order, pipeline, subject, sheet, report)
    frames, alignment = clip_length(drive, settings.frames, settings.fps), None
    if settings.extraction:
        drive, frames = keep_time(drive, settings.frames, settings.fps)
    if settings.extraction or settings.hand != (1.0, 0.0, 0.0):
        alignment = placed(drive, subject, settings.hand)
    poses, moves = make_poses(drive, subject, frames, settings.fps, alignment)
    settings = replace(settings, frames=len(poses))
    finish = _finish(order, subject, sheet, poses, moves)
    if not settings.refined and tuned.refiner is not None:
        tuned = tuned.with_parts(refiner=None)
    frames = _render(order, settings, tuned, subject, finish, report)
    made = _write(order, settings, subject, finish, frames, report)
    seen = _pictures(frames[:MOST_FRAMES])
    seen = seen if finish.around is None else map(finish.around.cut, seen)
    seen = np.stack([resized(frame, poses.width, poses.height) for frame in seen])
    readouts = read_out(seen, poses.iuv[: len(seen)], subject.photo, subject.charts)
    about = {"settings": settings.to_dict(), "device": order.device, "frames": len(poses), "readouts": readouts}
    about |= {"carried": finish.moved is not None, "offload": order.offload, "compile": order.compile}
    write_json(made / "report.json", about | watch.summary())
    remember(_speeds(order), settings.profile, units, watch, _ways(order))
    title = order.library.subject(order.subject).title
    return order.library.add_clip(order.clip, made, order.subject, title, settings.to_dict())


def load_pipeline(profile: Profile, device: str, offload: bool = False) -> DreamPosePipeline:
    """A profile's pipeline on a device, kept between clips; nobody trains its parts in place.

    offload: for small cards, only what is at work is on the device. BadInput where the memory is too small for it.
    """
    conditions = Guidance(profile.s1, profile.s2).most_conditions
    size = (profile.height, profile.width)
    pipeline = _loaded(profile.folder, profile.dtype_on(device), device, offload, size, conditions)
    return pipeline.offload(device) if offload else pipeline.to(device)


@lru_cache(maxsize=1)
def _loaded(
    folder: Path, precision: torch.dtype, device: str, offload: bool, size: tuple[int, int], conditions: int
) -> DreamPosePipeline:
    check_room(folder, precision, torch.device(device), offload, size, conditions)
    return load_model(folder, precision)


def _finish(order: Order, subject: Subject, sheet: Sheet, poses: PoseSequence, moves: list[Pose]) -> Finish:
    """How the frames of a clip in these poses are finished; moves: the body's, none where the charts drive alone."""
    finer = 1
    if moves and subject.fine is not None and order.settings.detailed:
        sheet = Sheet.load(order.library.subject_folder(order.subject) / FINE_FOLDER / SHEET)
        finer = len(subject.fine.photo) // len(subject.photo)
    around = subject.around if order.settings.framing == PHOTO else None
    backdrop = _backdrop(order, around)
    old = None if backdrop is None else sheet.background
    swung = swings(sheet.body, moves, poses.fps) if moves and order.settings.swinging else None
    return Finish(poses, Moves(sheet, moves, swung) if moves else None, finer, backdrop, old, around)


def _backdrop(order: Order, around: Surroundings | None = None) -> np.ndarray | None:
    """The background that is asked for, at the size of the photo around or at twice the profile's; None to keep the
    photo's. Raises BadInput."""
    asked, profile = order.settings, order.profile
    width, height = 2 * profile.width, 2 * profile.height
    if around is not None:
        height, width = around.photo.shape[:2]
    return choose(asked.background, asked.background_colour, order.backdrop, width, height)


def _prepare(order: Order, report: Report) -> tuple[Subject, Sheet, DreamPosePipeline]:
    """The subject and its sheet, from the library or from the photo, and the model without a finetune."""

    def say(step: int, message: str, picture: np.ndarray | None = None) -> None:
        report(Progress("prepare", step, 4 + len(more), preview=picture, message=message))

    folder, profile = order.library.subject_folder(order.subject), order.profile
    more = order.more if order.settings.finetuned and not (_tuned_folder(order) / FINISHED).exists() else ()
    if not (folder / "photo.png").exists():
        if order.photo is None:
            raise BadInput("There is no such subject.")
        say(0, "Reading the photo")
        image = open_photo(order.photo)
        say(1, "Finding the person and the pose")
        prepare_subject(image, profile.width, profile.height, profile.finer).save(folder)
    subject = Subject.load(folder)
    if subject.photo.shape[:2] != (profile.height, profile.width):
        raise BadInput(
            f"This subject was not made for the profile {profile.name}; please start from its photo."
        )
    if order.settings.framing == PHOTO and subject.around is None:
        raise BadInput("The whole photo of this subject was not kept; please start from the photo for its framing.")
    say(2, "Cutting the person out", overlay(subject.photo, subject.charts))
    _lay_sheet(folder, subject)
    if subject.fine is not None and order.settings.detailed:
        _lay_sheet(folder / FINE_FOLDER, subject.fine)
    sheet = Sheet.load(folder / SHEET)
    if not (folder / "subject.json").exists():
        order.library.add_subject(order.subject, order.title, subject.photo)
    for index, photo in enumerate(more, 1):
        say(2 + index, f"Finding the person in further photo {index} of {len(more)}")
        _prepare_more(folder / "more" / str(index), photo, profile)
    say(3 + len(more), "Loading the model")
    pipeline = load_pipeline(profile, order.device, order.offload)
    say(4 + len(more), "Ready")
    return subject, sheet, pipeline


def _tune(
    order: Order, pipeline: DreamPosePipeline, subject: Subject, sheet: Sheet, report: Report
) -> tuple[DreamPosePipeline, AnimateSettings]:
    """The subject's own pipeline, loaded or finetuned, and the settings with every None filled in."""
    asked, profile, folder = order.settings, order.profile, _tuned_folder(order)
    kept = tuned_settings(pipeline, folder)
    if kept:
        for name, has in (("finetune_steps", kept["steps"]), ("decoder_steps", kept["decoder_steps"])):
            if getattr(asked, name) not in (None, has):
                had = f"{kept['steps']} and {kept['decoder_steps']} steps"
                raise BadInput(
                    f"This subject was finetuned with {had}; leave them out, or start from the photo."
                )
    if kept and asked.tuning:
        same = {name: kept[name] for name in ("steps", "decoder_steps", "seed")}
        if asdict(replace(tuning_of(profile.name, asked.tuning), **same)) != kept:
            raise BadInput("This subject was finetuned with another tuning; leave it out, or start from the photo.")
    steps = _given(asked.finetune_steps, kept["steps"] if kept else profile.finetune_steps)
    decoder_steps = _given(asked.decoder_steps, kept["decoder_steps"] if kept else profile.decoder_steps)
    settings = replace(
        asked,
        finetune_steps=steps,
        decoder_steps=decoder_steps,
        steps=_given(asked.steps, profile.steps),
        s1=_given(asked.s1, profile.s1),
        s2=_given(asked.s2, profile.s2),
    )
    if not settings.finetuned:
        return pipeline, settings
    if kept:
        try:
            return load_tuned(pipeline, folder), settings
        except BadInput as error:
            report(Progress("finetune", 0, steps, message=f"{error} This subject is finetuned anew."))
    tune = replace(
        tuning_of(profile.name, asked.tuning), steps=steps, decoder_steps=decoder_steps, seed=settings.seed
    )
    if kept:  # as it was
        tune = FinetuneSettings(**kept)
    seconds, photos = _known_seconds(order, tune), _more_photos(order, all_kept=bool(kept))
    return finetune_subject(pipeline, subject, sheet, tune, folder, report, photos, seconds), settings


def _known_seconds(order: Order, tune: FinetuneSettings) -> float | None:
    """What a finetune takes by the speeds of earlier ones, None where there were none."""
    units = {"finetune": tune.steps, "decoder": tune.decoder_steps}
    return known_seconds(_speeds(order), order.settings.profile, units, _ways(order))


def _prepare_more(folder: Path, photo: Path, profile: Profile) -> None:
    """A further photo, prepared as the main one is and kept beside it."""
    if not (folder / "photo.png").exists():
        try:
            subject = prepare_subject(open_photo(photo), profile.width, profile.height)
            replace(subject, around=None).save(folder)
        except BadInput as error:
            raise BadInput(f"Further photo {folder.name}: {error}") from error
    _lay_sheet(folder, Subject.load(folder))


def _lay_sheet(folder: Path, subject: Subject) -> None:
    """The sheet of a subject beside it, where it is not there yet or is one of an earlier version."""
    if not Sheet.is_whole(folder / SHEET):
        with replacing(folder / SHEET) as temporary:
            make_sheet(subject.photo, subject.mask, subject.body).save(temporary)


def _more_photos(order: Order, all_kept: bool) -> list[tuple[Subject, Sheet]]:
    """The further photos, as _prepare left them; all_kept: also those of an earlier order."""
    folder = order.library.subject_folder(order.subject) / "more"
    count = len(list(folder.glob(f"*/{SHEET}"))) if all_kept else len(order.more)
    folders = [folder / str(i) for i in range(1, count + 1)]
    photos = [Subject.load(folder) for folder in folders]
    for folder, photo in zip(folders, photos, strict=True):
        _lay_sheet(folder, photo)
    return [(photo, Sheet.load(folder / SHEET)) for folder, photo in zip(folders, photos, strict=True)]


def _tuned_folder(order: Order) -> Path:
    return order.library.subject_folder(order.subject) / "tuned" / order.profile.name


def _given(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def _units(order: Order) -> dict[str, int]:
    """How much there is to do of each stage: persons, steps, denoising steps of all frames, frames."""
    asked, profile = order.settings, order.profile
    tuned = not asked.finetuned or (_tuned_folder(order) / FINISHED).exists()
    known = (order.library.subject_folder(order.subject) / "subject.json").exists()
    units = {
        "prepare": 0 if known else 1 + len(order.more),
        "finetune": 0 if tuned else _given(asked.finetune_steps, profile.finetune_steps),
        "decoder": 0 if tuned else _given(asked.decoder_steps, profile.decoder_steps),
    }
    if order.clip:
        steps = _given(asked.steps, profile.steps) * _given(beginning(asked, profile)[1], 1.0)
        units |= {"render": asked.frames * max(1, round(steps)), "write": asked.frames}
    return units


def _ways(order: Order) -> dict[str, str]:
    """What the stages' speeds depend on beside the profile: the tuning; what is computed for a frame; where it lies."""
    asked, profile = order.settings, order.profile
    tuning = asked.tuning or DEFAULT_TUNINGS.get(profile.name, "")
    interval = asked.guidance_interval or profile.guidance_interval
    guidance = Guidance(_given(asked.s1, profile.s1), _given(asked.s2, profile.s2), interval)
    extras = [f"not {name}" for name in SWITCHES if name != "finetuned" and not getattr(asked, name)]
    start, _, pull = beginning(asked, profile)
    extras += ["carried"] if start == "carried" or pull else []
    extras += [] if asked.background == KEEP else ["background"]
    extras += [] if asked.framing == FILM else ["whole photo"]
    extras += [name for name in ("offload", "compile") if getattr(order, name)]
    render = ", ".join([f"{guidance.most_conditions} conditions", *extras])
    return {"finetune": tuning, "decoder": tuning, "render": render, "write": asked.framing}


def _speeds(order: Order) -> Path:
    return speeds_file(order.library.root, order.device)


def _render(
    order: Order,
    settings: AnimateSettings,
    pipeline: DreamPosePipeline,
    subject: Subject,
    finish: Finish,
    report: Report,
) -> list[Path]:
    """Render every frame that is not on disk yet; returns the files of all.

    Frames that are rendered together and were cut off are rendered anew as a whole, for equal results.
    """
    folder, profile = order.folder / "frames", order.profile
    folder.mkdir(exist_ok=True)
    files = [folder / f"frame_{i:04d}.png" for i in range(len(finish))]
    _put_away_old(order, files)
    interval = settings.guidance_interval or profile.guidance_interval
    guidance = Guidance(settings.s1, settings.s2, interval)
    if order.compile:
        pipeline.compile()
    size = profile.batch or pipeline.batch_for(profile.height, profile.width, guidance)
    batches = [range(i, min(i + size, len(files))) for i in range(0, len(files), size)]
    missing = [i for batch in batches if not all(files[i].exists() for i in batch) for i in batch]
    if not missing:
        return files
    start, strength, pull = beginning(settings, profile, finish.moved is not None)
    rendered = pipeline.frames(
        subject.photo,
        finish.poses,
        None if finish.moved is None else finish,
        num_inference_steps=settings.steps,
        s1=settings.s1,
        s2=settings.s2,
        guidance_interval=interval,
        scheduler=settings.scheduler or profile.scheduler,
        seed=settings.seed,
        start=start,
        strength=strength,
        pull=pull,
        batch_size=size,
        only=missing,
        report=lambda p: report(
            replace(p, message=f"Rendering frame {min(p.step + 1, p.total)} of {p.total}")
        ),
    )
    for index, frame in rendered:
        write_picture(files[index], finish.put(index, frame))
    return files


def _put_away_old(order: Order, frames: list[Path]) -> None:
    """Delete the frames that are older than a sheet or a finetune of theirs, as one of an earlier version is laid anew:
    half a film of each would not fit together."""
    subject, asked = order.library.subject_folder(order.subject), order.settings
    sources = [subject / SHEET]
    sources += [subject / FINE_FOLDER / SHEET] if asked.detailed else []
    sources += [_tuned_folder(order) / FINISHED] if asked.finetuned else []
    laid = max(path.stat().st_mtime_ns for path in sources if path.exists())
    for frame in frames:
        if frame.exists() and frame.stat().st_mtime_ns < laid:
            frame.unlink()


def _write(
    order: Order,
    settings: AnimateSettings,
    subject: Subject,
    finish: Finish,
    frames: list[Path],
    report: Report,
) -> Path:
    """Write all files of a clip but its JSON into the folder `made` of the order, which is begun anew."""
    made, sound = order.folder / "made", order.sound
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    whole = (subject.fine or subject).photo
    poses, photo, (high, wide) = finish.poses, finish.framed(whole), whole.shape[:2]
    drawn = (finish.alone(enlarged(colour_iuv(iuv), wide, high)) for iuv in poses.iuv)
    width = round(photo.shape[1] * poses.height / photo.shape[0])
    small = (resized(frame, width, poses.height) for frame in _pictures(frames))
    steps = (
        ("the video", lambda: write_video(_pictures(frames), made / "video.mp4", settings.fps, sound)),
        (
            "the video side by side",
            lambda: write_video(
                side_by_side(photo, drawn, _pictures(frames)), made / "side_by_side.mp4", settings.fps, sound
            ),
        ),
        ("the GIF", lambda: write_gif(small, made / "clip.gif", settings.fps)),
        ("the frames", lambda: write_frames_zip(frames, made / "frames.zip")),
        ("the poses", lambda: poses.save(made / "poses.npz")),
        ("the thumbnail", lambda: write_thumbnail(made / "thumbnail.jpg", next(_pictures(frames)))),
    )
    for step, (what, write) in enumerate(steps):
        report(Progress("write", step, len(steps), message=f"Writing {what}"))
        write()
    report(Progress("write", len(steps), len(steps), message="Done"))
    return made


def _pictures(files: list[Path]) -> Iterator[np.ndarray]:
    for file in files:
        yield np.asarray(Image.open(file))
