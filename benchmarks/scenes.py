"""A subject, the poses of a clip, and the truth about it: from rendered people, or from a real video of one person.

A scene has everything that a recipe may use (the photo's subject, its sheet, the carried pictures) and everything it
is measured by, which no recipe sees.
"""

import time
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, islice, pairwise
from pathlib import Path

import cv2
import numpy as np
from scipy.spatial import cKDTree

from dreampose_core.carry import Carried, Sheet, carry, for_film, make_sheet, smaller, swings
from dreampose_core.carry.views import HEAD_PARTS
from dreampose_core.evaluation.readouts import GARMENT_PARTS
from dreampose_core.framing import frame_person
from dreampose_core.photo import resized
from dreampose_core.subject import FINE, LOOK_SIDE, Subject, prepare_subject
from dreampose_core.training.prepare import true_pose
from pose_tools.body.figure import Pose, joint_positions, load_figure
from pose_tools.body.fit import FittedBody, Seen, fit_body, follow
from pose_tools.body.raster import draw_iuv
from pose_tools.body.track import track_person
from pose_tools.errors import BadInput
from pose_tools.finding import find_person
from pose_tools.landmarks import Landmarks, find_landmarks
from pose_tools.people.kinds import KINDS, STEPS, UNKNOWN
from pose_tools.sequence import PoseSequence
from pose_tools.video import probe, read_frames

FPS = 12
TEXEL_MM, CELL_MM = 12, 96  # of a rendered garment
TEXEL_LEVELS, CELL_LEVELS = 8, 64  # of a chart's 256, on a real person
APART_MM = 1e5  # between two pieces of a person's surface
LEAST_FACE = 30  # pixels of a face that can be compared
LANDMARKS_EVERY = 4  # frames between those whose landmarks are compared


@dataclass(frozen=True)
class Truth:
    """frames (T,H,W,3) uint8; mask (T,H,W) f32; flow (T,H,W,2) f32 and texels, cells as metrics wants them; in_photo
    (N,) bool: the texels that the photo shows; face (T,H,W) bool; moved (T,H,W,3) uint8: the true frames in the photo's
    colours, see in_the_photo_s_colours, None where the true places are not known."""

    frames: np.ndarray
    mask: np.ndarray
    flow: np.ndarray
    texels: np.ndarray
    cells: np.ndarray
    in_photo: np.ndarray
    face: np.ndarray
    moved: np.ndarray | None = None

    @cached_property
    def landmarks(self) -> list[Landmarks | None]:
        return [find_landmarks(frame) for frame in self.frames[::LANDMARKS_EVERY]]


@dataclass(frozen=True)
class Scene:
    """moves: the body's poses; drawn_on, drawn: each frame's sheet, as it is for its motion's film, and the carried
    pictures, at the truth's size; sheet, carried: the photo's sheet and the pictures at the model's; seconds: of
    fitting and cutting out (once), and of carrying (a frame)."""

    name: str
    subject: Subject
    sheet: Sheet
    drawn_on: list[Sheet]
    moves: list[Pose]
    drawn: list[Carried]
    carried: list[Carried]
    truth: Truth
    seconds_once: float
    seconds_carry: float

    @property
    def poses(self) -> PoseSequence:
        return PoseSequence(np.stack([one.iuv for one in self.carried]), fps=FPS)

    @property
    def still(self) -> np.ndarray:
        """(T,H,W,3) uint8, drawn anew with cloth that does not swing."""
        return np.stack([carry(*moved).picture for moved in zip(self.drawn_on, self.moves, strict=True)])


def rendered_scene(path: Path, frames: int | None = None, finer: int = 1) -> Scene | None:
    """Of a file that `python -m pose_tools.people --sequence N --traced` wrote; None where nobody is found in the
    photo. frames: at most so many of each motion; finer: times the model's size that the file's pictures have. Raises
    BadInput for a file without the traced arrays."""
    with np.load(path) as data:
        people = {key: data[key] for key in data.files}
    if "flow" not in people:
        raise BadInput(f"{path.name} has no true correspondences; render it with --traced.")
    photo = people["frames"][0]
    started = time.monotonic()
    found = find_landmarks(photo)
    if found is None:
        return None
    size = photo.shape[1] // finer, photo.shape[0] // finer
    small = replace(found, points=found.points / finer, mask=resized(found.mask, *size))
    subject = Subject.of(resized(photo, *size), small.mask, fit_body(small))
    if finer > 1:
        subject = replace(subject, fine=Subject.of(photo, found.mask, subject.body.scaled(finer)))
    rows = _rows(people, frames)
    poses = [true_pose(subject.body.scaled(finer), people, row) for row in rows]
    begins = [i for i, row in enumerate(rows) if (people["flow"][row] == UNKNOWN).all()]
    return _scene(path.stem, subject, poses, begins, _rendered_truth(people, rows), started)


def _rows(people: dict, frames: int | None) -> np.ndarray:
    """Rows after the photo, the first `frames` of every motion."""
    follows = (people["flow"] != UNKNOWN).any((1, 2, 3))
    since, rows = 0, []
    for row in range(1, len(follows)):
        since = since + 1 if follows[row] else 0
        if frames is None or since < frames:
            rows.append(row)
    return np.array(rows)


def _rendered_truth(people: dict, rows: np.ndarray) -> Truth:
    flow = np.where(people["flow"][rows] == UNKNOWN, np.nan, people["flow"][rows] / STEPS).astype(np.float32)
    and_photo = np.append(0, rows)
    cloth = people["kind"][and_photo] == KINDS.index("cloth")
    place = people["place"][and_photo].astype(int)
    garment = _texels(cloth, people["piece"][and_photo], place, TEXEL_MM, CELL_MM)
    mask = people["mask"][rows].astype(np.float32) / 255
    face = people["kind"][rows] == KINDS.index("face")
    return Truth(people["frames"][rows], mask, flow, *garment, face, in_the_photo_s_colours(people, rows))


def in_the_photo_s_colours(people: dict, rows: np.ndarray) -> np.ndarray:
    """The true frames (T,H,W,3) uint8, with the photo's colour at every place of the person that the photo shows too.

    What moving a photo's pixels could give at best: its errors are those of the light, which changes as people turn.
    """

    def places(row: int) -> tuple[np.ndarray, np.ndarray]:
        known = people["kind"][row] > 0
        surface = people["piece"][row].astype(np.float32) + 100 * people["kind"][row]
        return known, np.concatenate([people["place"][row], APART_MM * surface[..., None]], -1)[known]

    known, at = places(0)
    tree, colours = cKDTree(at), people["frames"][0][known].astype(np.float32)
    out = people["frames"][rows].copy()
    for frame, row in zip(out, rows, strict=True):
        known, at = places(row)
        distance, index = tree.query(at, 3, distance_upper_bound=TEXEL_MM)
        weight = np.where(np.isfinite(distance), 1 / (distance + 1), 0)
        shown = np.isfinite(distance[:, 0])
        near = colours[np.minimum(index, len(colours) - 1)]
        mean = (near * weight[..., None]).sum(1)[shown] / weight.sum(1)[shown, None]
        pixels = frame[known]
        pixels[shown] = mean + 0.5
        frame[known] = pixels
    return out


def real_scene(path: Path, frames: int, width: int, height: int, finer: int = 1) -> Scene:
    """Self-reenactment: the video's first frame is the photo, `frames` later ones (12 a second) are the truth, at width
    x height times finer.

    Poses are read from the clip as a whole, as in use; correspondences are optical flow between the true frames
    (Kroeger et al. 2016), garment and face the body's charts of trunk, thighs and upper arms, and of the head where it
    faces the camera.
    Raises BadInput where nobody can be used.
    """
    rate = probe(path).fps
    stride = max(1, round(rate / FPS))
    pictures = [_at_most(f) for f in islice(read_frames(path), 0, (frames + 1) * stride, stride)]
    found = find_person(pictures[0])
    if found is None or len(pictures) < 3:
        raise BadInput(f"{path.name} does not begin with one person from head to feet, or is too short.")
    frame = frame_person(found[1], pictures[0].shape[1], width * FINE, height * FINE)
    nobody = np.zeros(found[1].shape, bool)
    size = width * finer, height * finer
    framed = [cv2.resize(frame.apply(p, nobody), size, interpolation=cv2.INTER_AREA) for p in pictures]
    truth = np.stack(framed[1:])
    started = time.monotonic()
    subject = prepare_subject(pictures[0], width, height, finer)
    bodies, masks = _bodies(subject.body.scaled(finer), framed, rate / stride)
    poses = [body.pose for body in bodies]
    charts = np.stack([draw_iuv(load_figure(), b.shape, b.pose, b.camera) for b in bodies])
    part = charts[..., 0]
    large = subject.fine or subject
    garment = np.isin(part, GARMENT_PARTS) & (masks > 0.5)
    in_photo = np.isin(large.charts[..., 0], GARMENT_PARTS) & (large.mask > 0.5)
    and_photo = np.concatenate([large.charts[None], charts]).astype(int)
    garment = np.concatenate([in_photo[None], garment])
    cloth = _texels(garment, and_photo[..., 0], and_photo[..., 1:], TEXEL_LEVELS, CELL_LEVELS)
    frontal = np.array([abs(pose.yaw) < np.pi / 4 for pose in poses])[:, None, None]
    face = np.isin(part, HEAD_PARTS) & (masks > 0.5) & frontal
    known = Truth(truth, masks, optical_flow(truth, masks), *cloth, face)
    return _scene(path.stem, subject, poses, [0], known, started)


def _at_most(picture: np.ndarray) -> np.ndarray:
    factor = min(1.0, LOOK_SIDE / max(picture.shape[:2]))
    return cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA) if factor < 1 else picture


def _bodies(body: FittedBody, framed: list[np.ndarray], fps: float) -> tuple[list[FittedBody], np.ndarray]:
    """The subject's body in the pose of each frame after the first, and the frames' person masks."""
    track = track_person(iter(framed), fps)
    seen = [
        Seen(pose, camera.with_depth(joint_positions(load_figure(), track.shape, pose)), camera.scale)
        for pose, camera in zip(track.poses, track.cameras, strict=True)
    ]
    out, masks = [], []
    for frame, now in zip(framed[1:], seen[1:], strict=True):
        found = find_landmarks(frame)
        masks.append(np.zeros(frame.shape[:2], np.float32) if found is None else found.mask)
        out.append(follow(body, seen[0], now))
    return out, np.stack(masks)


def optical_flow(frames: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """(T,H,W,2) f32 pixels back to the frame before, on the person; nan where there and back do not meet."""
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    height, width = grey[0].shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    out = np.full((*masks.shape, 2), np.nan, np.float32)
    for t in range(1, len(grey)):
        back, forth = search.calc(grey[t], grey[t - 1], None), search.calc(grey[t - 1], grey[t], None)
        met = back + cv2.remap(forth, x + back[..., 0], y + back[..., 1], cv2.INTER_LINEAR)
        known = (np.abs(met).max(-1) < 1) & (masks[t] > 0.5)
        out[t][known] = back[known]
    return out


def _texels(
    where: np.ndarray, piece: np.ndarray, place: np.ndarray, texel: int, cell: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """texels (T,H,W) and cells (N,), as metrics.likeness wants them, and (N,) bool which of them the photo shows, of a
    surface given by piece (1+T,H,W) and place (1+T,H,W,2), the photo's before those of the frames."""
    small, large = (
        np.concatenate([piece[..., None].astype(int), np.floor_divide(place, size)], -1)[where]
        for size in (texel, cell)
    )
    texels = np.full(where.shape, -1)
    if not len(small):
        return texels[1:], np.zeros(0, int), np.zeros(0, bool)
    _, first, inverse = np.unique(small, axis=0, return_index=True, return_inverse=True)
    texels[where] = inverse.ravel()
    _, cells = np.unique(large[first], axis=0, return_inverse=True)
    cells = cells.ravel()
    return texels[1:], cells, np.isin(np.arange(len(cells)), texels[0])


def _scene(
    name: str, subject: Subject, poses: list[Pose], begins: list[int], truth: Truth, started: float
) -> Scene:
    """begins: the frames with which a motion begins."""
    sheet, large = make_sheet(subject.photo, subject.mask, subject.body), subject.fine or subject
    large_sheet = sheet if large is subject else make_sheet(large.photo, large.mask, large.body)
    ready = time.monotonic()
    motions = [poses[first:end] for first, end in pairwise([*begins, len(poses)])]
    swung = np.concatenate([swings(large.body, motion, FPS) for motion in motions])
    films = [[for_film(large_sheet, motion)] * len(motion) for motion in motions]
    drawn_on = list(chain.from_iterable(films))
    drawn = [carry(*moved) for moved in zip(drawn_on, poses, swung, strict=True)]
    times = len(large.photo) // len(subject.photo)
    carried = drawn if times == 1 else [smaller(one, times) for one in drawn]
    seconds = ready - started, (time.monotonic() - ready) / max(len(poses), 1)
    return Scene(name, subject, sheet, drawn_on, poses, drawn, carried, truth, *seconds)
