"""Motions: joint rotations over time, put on the body that was fitted to a photo.

A `Motion` knows no body. `perform` gives it the photo's person: it begins in the photo's own pose, passes over
into the motion, and (for loops) comes back; the person's own limbs carry it, planted feet stay where they stand,
and the person does not leave the picture. `pose_tools.body.gallery` made the files in assets/motions.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from pose_tools.body.camera import Camera
from pose_tools.body.clearance import keep_arms_off
from pose_tools.body.contacts import leg_length
from pose_tools.body.figure import (
    BONES,
    Figure,
    Pose,
    load_figure,
    pose_vertices,
    rotation_matrices,
    rotation_vectors,
    yaw_matrix,
)
from pose_tools.body.fit import FittedBody
from pose_tools.body.following import heels, plants, sole_turns, travelled
from pose_tools.body.footing import SIDES, Stand, plant, root_path, sole_points
from pose_tools.body.kinematics import (
    about,
    chain,
    cover,
    heading,
    leg_reach,
    mix,
    smooth_step,
    solve_leg,
    wrap,
)
from pose_tools.body.raster import draw_iuv
from pose_tools.errors import BadInput
from pose_tools.files import load_arrays, save_arrays
from pose_tools.sequence import PoseSequence

MOTIONS = Path(__file__).resolve().parents[2] / "assets" / "motions"
MAX_FRAMES = 20000
PASSAGE = 0.6  # seconds from the photo's pose into the motion, and back
TURN_OUT = np.radians(14)  # most that a stepping foot keeps of the photo's turn-out
HAND = 0.12  # metres that hands and head reach beyond their joints
STRAIGHT = 0.996  # of a leg's length: how far a moving leg stretches
OWN_ARM, OTHER_ARM = np.radians([35, 75])  # arm travel up to which the photo's arm pose is kept, and beyond lost
ARM = ("clavicle", "upperarm01", "lowerarm01", "wrist")
LEG = ("upperleg01", "lowerleg01", "foot")
TRUNK, NECK = ("root", "spine04", "spine02"), ("neck01", "head")
HELD_OUT = np.radians([55, 75])  # from hanging down: an upper arm below the first is the person's own pose


@dataclass(frozen=True, eq=False)
class Motion:
    """Joint rotations over time.

    name: file name without ending; title, about: one line each for a person; rotations (T, B, 3) float32:
    rotation vectors as in Pose; yaw (T,) radians, unwrapped, 0 facing the camera; contacts (T, 2) bool: left,
    right foot planted (its heel or toe stays); fps: frames a second; loop: ends in the pose it began with;
    path (T, 2) float32: where the motion was read from a video, the root's way to the picture's right and the lower
    foot's height above the ground, both in leg lengths. Such a motion is followed to the letter, while one without
    a path changes the photo's own pose. BadInput where shapes or values break this.
    """

    name: str
    title: str
    about: str
    rotations: np.ndarray
    yaw: np.ndarray
    contacts: np.ndarray
    fps: float
    loop: bool
    path: np.ndarray | None = None

    def __post_init__(self):
        frames = len(self.yaw) if self.yaw.ndim == 1 else 0
        if not 2 <= frames <= MAX_FRAMES:
            raise BadInput(f"A motion has 2 to {MAX_FRAMES} frames.")
        if self.rotations.shape != (frames, len(BONES), 3) or self.contacts.shape != (frames, 2):
            raise BadInput("The motion's rotations, yaw and contacts do not fit each other.")
        finite = np.isfinite(self.rotations).all() and np.isfinite(self.yaw).all()
        if self.contacts.dtype != bool or not finite:
            raise BadInput("The motion holds values that are no rotations or contacts.")
        way = np.zeros((frames, 2)) if self.path is None else self.path
        if way.shape != (frames, 2) or way.dtype.kind != "f" or not np.isfinite(way).all():
            raise BadInput("The motion's path does not fit its frames.")
        if not (np.isfinite(self.fps) and 0 < self.fps <= 240):
            raise BadInput("The motion's frame rate must be above 0 and at most 240 frames a second.")

    def __len__(self) -> int:
        return len(self.yaw)

    @property
    def seconds(self) -> float:
        return len(self.yaw) / self.fps

    @property
    def steps(self) -> bool:
        """Whether a foot is ever lifted: such a motion takes its heading from the camera, not from the photo."""
        return not self.contacts.all()

    @property
    def tracked(self) -> bool:
        """Whether it was read from a video and is to be followed to the letter."""
        return self.path is not None

    @property
    def thumbnail(self) -> Path:
        """The moving picture of a gallery motion."""
        return MOTIONS / f"{self.name}.webp"

    @property
    def poster(self) -> Path:
        """The still picture of a gallery motion."""
        return MOTIONS / f"{self.name}.png"

    def save(self, folder: Path = MOTIONS) -> Path:
        """Write folder/name.npz; returns its path."""
        facts = {"name": self.name, "title": self.title, "about": self.about, "loop": self.loop, "bones": BONES}
        arrays = {
            "rotations": self.rotations.astype(np.float32), "yaw": self.yaw.astype(np.float32),
            "contacts": self.contacts, "fps": np.float64(self.fps), "facts": np.str_(json.dumps(facts)),
        }
        if self.path is not None:
            arrays["path"] = self.path.astype(np.float32)
        return save_arrays(Path(folder) / f"{self.name}.npz", arrays)

    @staticmethod
    def load(path: str | Path) -> Motion:
        """Read a motion; BadInput, one sentence, where the file is missing or no motion."""
        path = Path(path)
        if not path.is_file():
            raise BadInput(f"There is no motion named {path.stem}.")
        size = MAX_FRAMES * len(BONES) * 3 * 4
        limits = {"rotations": size, "yaw": size, "contacts": size, "fps": 64, "facts": 1 << 16}
        arrays = load_arrays(path, limits | {"path": MAX_FRAMES * 2 * 4}, optional=("path",))
        try:
            facts = json.loads(str(arrays["facts"]))
            known = facts["name"], facts["title"], facts["about"]
            bones, loop = tuple(facts["bones"]), bool(facts["loop"])
            fps = arrays["fps"].item()
        except (ValueError, TypeError, KeyError) as error:
            raise BadInput(f"{path.name} does not say which motion it holds.") from error
        if bones != BONES:
            raise BadInput(f"{path.name} moves another skeleton.")
        return Motion(*known, arrays["rotations"], arrays["yaw"], arrays["contacts"], fps, loop,
                      arrays.get("path"))


@lru_cache(maxsize=1)
def list_motions() -> tuple[Motion, ...]:
    """The gallery, in its order (assets/motions/order.json). Read once a process."""
    order = json.loads((MOTIONS / "order.json").read_text())
    return tuple(Motion.load(MOTIONS / f"{name}.npz") for name in order)


def find_motion(name: str) -> Motion:
    """A gallery motion by name; BadInput with the names that there are."""
    for motion in list_motions():
        if motion.name == name:
            return motion
    raise BadInput(f"There is no motion named {name}; there are {', '.join(m.name for m in list_motions())}.")


def template_body(width: int, height: int) -> FittedBody:
    """The template, standing as the gallery's motions begin, in the middle of a picture of this size."""
    figure = load_figure()
    shape = np.zeros(len(figure.modes))
    motion = Motion.load(MOTIONS / "sway.npz")
    pose = Pose(motion.rotations[0].astype(float), 0.0, np.zeros(3))
    heights = pose_vertices(figure, shape, pose)[:, 2]
    low, high = heights.min(), heights.max()
    scale = 0.84 * height / (high - low)
    camera = Camera(scale, width / 2, height * 0.94 + scale * low, width, height)
    return FittedBody(shape, pose, camera, 1.0, 0.0)


def draw_motion(
    motion: Motion,
    body: FittedBody,
    frames: int | None = None,
    fps: float | None = None,
    report: Callable[[int, int], None] | None = None,
) -> PoseSequence:
    """The motion's charts on this body as its camera sees it; frames and fps default to the motion's own.

    The whole motion is spread over the frames, so it lasts frames / fps seconds. report(done, total) is called
    after each frame.
    """
    frames = len(motion) if frames is None else frames
    fps = fps or frames / motion.seconds
    figure = load_figure()
    iuv = []
    for pose in perform(motion, body, frames):
        iuv.append(draw_iuv(figure, body.shape, pose, body.camera))
        if report:
            report(len(iuv), frames)
    return PoseSequence(np.stack(iuv), fps, {"motion": motion.name, "frames": frames})


def perform(motion: Motion, body: FittedBody, frames: int) -> list[Pose]:
    """The poses of `frames` moments spread evenly over the motion, first and last included.

    The first is the photo's own pose; of a loop the last is too, but for travel in depth, which this camera does
    not see. The body is in world metres of its own camera.
    """
    if frames < 1:
        raise BadInput("A motion needs at least one frame.")
    figure, shape = load_figure(), np.asarray(body.shape, np.float64)
    local, yaw, root = _on_body(motion, body, figure, shape)
    at = np.linspace(0, len(motion) - 1, frames) if frames > 1 else np.zeros(1)
    low = np.minimum(at.astype(int), len(motion) - 2)
    part = at - low
    local = mix(local[low], local[low + 1], part[:, None])
    yaw = yaw[low] + part * (yaw[low + 1] - yaw[low])
    root = root[low] + part[:, None] * (root[low + 1] - root[low])
    turns = rotation_vectors(local)
    shift = root - figure.rest_joints(shape)[0]
    return [Pose(turns[i], float(yaw[i]), shift[i]) for i in range(frames)]


def _on_body(motion: Motion, body: FittedBody, figure: Figure, shape: np.ndarray):
    """The motion at its own rate: local rotations (T, B, 3, 3), yaw (T,) and root joint (T, 3)."""
    rest = figure.rest_joints(shape)
    moved = rotation_matrices(motion.rotations)
    photo, photo_yaw = _photo_rotations(body.pose)
    photo_rotation, photo_joints = (
        v[0] for v in chain(figure.parents, rest, photo[None], np.array([photo_yaw]), rest[:1] + body.pose.shift)
    )
    away = _away(motion)
    local, named = _blend(motion, moved, photo, away)
    yaw = motion.yaw - motion.yaw[0] + photo_yaw
    if motion.tracked:
        yaw = motion.yaw + (1 - away) * wrap(photo_yaw - motion.yaw[0])
    elif motion.steps:
        yaw = yaw - away * (photo_yaw - motion.yaw[0])

    rotation, joints = chain(figure.parents, rest, moved, motion.yaw, np.zeros((len(motion), 3)))
    feet = [figure.bone(f"foot.{side}") for side in SIDES]
    points = sole_points(figure, shape)
    bare = np.stack([_sole(joints[:, b], rotation[:, b], points[f]) for f, b in enumerate(feet)], 1)
    path = root_path(bare, motion.contacts)
    heel = heels(photo_rotation[feet])
    if motion.tracked:
        path = travelled(path, motion.path, leg_length(shape))
        soles = [sole_turns(rotation[:, b], motion.contacts[:, f], photo_rotation[b], heel, away)
                 for f, b in enumerate(feet)]
    else:
        out = [wrap(float(heading(photo_rotation[b])) - photo_yaw) for b in feet]
        natural = float(np.clip((out[0] - out[1]) / 2, -TURN_OUT, TURN_OUT))
        soles = [_sole_turns(motion, f, rotation[:, b], photo_rotation[b], photo_yaw, natural * (1, -1)[f], heel)
                 for f, b in enumerate(feet)]
    reach = chain(figure.parents, rest, local, yaw, np.zeros((len(motion), 3)))[1][..., 0]
    room = np.stack([reach.min(1) - HAND, reach.max(1) + HAND], 1)
    ankles, offsets = _plants(
        motion, body, joints, soles, points, photo_rotation, photo_joints, feet, path, room, away
    )

    drift = (offsets[0] + offsets[1]) / 2
    own = photo_joints[0] - path[0] - drift[0]
    # who steps stands as high as the motion says on their own legs, and not as the photo's bent knees had it
    root = path + drift + own * (1 - away[:, None] * (motion.steps or motion.tracked))
    targets = [ankle + offset for ankle, offset in zip(ankles, offsets, strict=True)]
    root, local = _legs(figure, rest, local, yaw, root, targets, soles, away)
    allow = {side: 1 - away * named[BONES.index(f"wrist.{side}")] for side in SIDES}
    return keep_arms_off(figure, shape, local, allow, smooth_step(3 * away), motion.tracked), yaw, root


def _photo_rotations(pose: Pose) -> tuple[np.ndarray, float]:
    """The photo's local rotations (B, 3, 3) and yaw with all of the root's turn about z put into the yaw."""
    local = rotation_matrices(pose.rotations)
    world = yaw_matrix(pose.yaw) @ local[0]
    yaw = float(heading(world))
    local[0] = yaw_matrix(-yaw) @ world
    return local, yaw


def _away(motion: Motion) -> np.ndarray:
    """(T,) how far the person has left the photo's pose: 0 at the first frame and, in loops, at the last."""
    seconds = np.arange(len(motion)) / motion.fps
    passage = min(PASSAGE, seconds[-1] / 3)
    away = smooth_step(seconds / passage)
    return away * smooth_step((seconds[-1] - seconds) / passage) if motion.loop else away


def _blend(motion: Motion, moved: np.ndarray, photo: np.ndarray, away: np.ndarray):
    """Local rotations (T, B, 3, 3) between the photo's pose and the motion's, and how far each bone is named.

    Two readings of the motion are mixed for each bone: what it changes, done to the photo's own pose (a hand on
    the hip stays there, a lean stays), and the pose that it names. Arms that travel far take the latter, and of a
    motion that steps the legs, the trunk (who leans must stand up to walk, or one leg stays bent), half of the head and
    arms that would go on leaning on what is left behind: they are named (B,) 0..1. So is all of a tracked one.
    """
    if motion.tracked:
        return mix(np.broadcast_to(photo, moved.shape), moved, away[:, None]), np.ones(len(BONES))
    change = moved @ np.swapaxes(moved[0], -1, -2)
    travel = np.linalg.norm(rotation_vectors(change), axis=-1).max(0)
    named = np.zeros(len(BONES))
    kept = photo.copy()
    if motion.steps:  # the head keeps where it looks in the world, not what it did against the trunk's lean
        trunk, neck = [BONES.index(bone) for bone in TRUNK], [BONES.index(bone) for bone in NECK]
        named[trunk], named[neck] = 1.0, 0.5
        kept[neck] = mix(np.eye(3), np.linalg.multi_dot(photo[trunk + neck]), 0.5)
    for i, bone in enumerate(BONES):
        kind, _, side = bone.partition(".")
        if kind in ARM:
            arm = [BONES.index(f"{part}.{side}") for part in ARM[1:3]]
            named[i] = smooth_step((travel[arm].max() - OWN_ARM) / (OTHER_ARM - OWN_ARM))
            freedom = _freedom(photo, side)
            if motion.steps:
                left = _leans(photo, side)
                named[i], freedom = max(named[i], left), max(freedom, left)
            change[:, i] = mix(np.eye(3), change[:, i], freedom)
        elif motion.steps and kind in LEG:
            named[i] = 1.0
    own = mix(change @ photo, change @ kept, away[:, None])
    return mix(own, moved, away[:, None] * named), named


def _freedom(photo: np.ndarray, side: str) -> float:
    """0.25 to 1: how far an arm swings along; one that the photo shows sharply bent rests on something."""
    joints = load_figure().joints
    shoulder, elbow, wrist = (BONES.index(f"{bone}.{side}") for bone in ARM[1:])
    upper, fore = joints[elbow] - joints[shoulder], photo[elbow] @ (joints[wrist] - joints[elbow])
    bend = np.degrees(np.arccos(upper @ fore / np.linalg.norm(upper) / np.linalg.norm(fore)))
    return 1 - 0.75 * float(smooth_step((bend - 60) / 40))


def _leans(photo: np.ndarray, side: str) -> float:
    """0 to 1: how surely an arm of the photo is held out farther than a hand on the hip holds it: on a wall, a rail."""
    joints = load_figure().joints
    collar, shoulder, elbow = (BONES.index(f"{bone}.{side}") for bone in ARM[:3])
    upper = photo[collar] @ photo[shoulder] @ (joints[elbow] - joints[shoulder])
    lifted = np.arccos(-upper[2] / np.linalg.norm(upper))
    return float(smooth_step((lifted - HELD_OUT[0]) / (HELD_OUT[1] - HELD_OUT[0])))


def _sole(ankle: np.ndarray, rotation: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Heel and toe in the world: (T, 2, 3)."""
    return ankle[:, None] + np.einsum("tij,kj->tki", rotation, points)


def _sole_turns(
    motion: Motion, foot: int, rotation: np.ndarray, photo: np.ndarray, photo_yaw: float, natural: float, heel: float
) -> np.ndarray:
    """World rotations (T, 3, 3) of a foot: the photo's, changed as the motion changes its own foot.

    So heels stay high. With its first step a foot of a motion that steps leaves the photo's heading, and what
    the fit says of it beyond the pair's natural turn-out and heel (radians); in loops its last step takes them again.
    """
    turn = np.unwrap(heading(rotation))
    tilt = np.swapaxes(about(2, turn), 1, 2) @ rotation
    tilt = tilt @ tilt[0].T
    own_turn = float(heading(photo))
    own_tilt = yaw_matrix(-own_turn) @ photo
    left = _stepped(motion, foot)
    out = wrap(own_turn - photo_yaw)
    away = left * (photo_yaw - motion.yaw[0] + out - natural)
    kept = mix(own_tilt, about(0, heel), left)
    return about(2, photo_yaw + out + turn - turn[0] - away) @ tilt @ kept


def _stepped(motion: Motion, foot: int) -> np.ndarray:
    """(T,) 0 while a foot stands as in the photo, 1 from its first step on, in loops 0 again after its last."""
    changes = np.diff(motion.contacts[:, foot].astype(int))
    lifts, lands = np.flatnonzero(changes < 0), np.flatnonzero(changes > 0) + 1
    times = np.arange(len(motion))
    if not len(lifts):
        return np.zeros(len(times))
    first_land = lands[lands > lifts[0]][0] if len(lands) and lands[-1] > lifts[0] else times[-1]
    left = smooth_step((times - lifts[0]) / max(first_land - lifts[0], 1))
    if motion.loop and len(lands):
        last_lift = lifts[lifts < lands[-1]][-1] if lifts[0] < lands[-1] else 0
        left = left * smooth_step((lands[-1] - times) / max(lands[-1] - last_lift, 1))
    return left


def _plants(motion, body, joints, soles, points, photo_rotation, photo_joints, feet, path, room, away):
    """The track (T, 3) of either ankle, and the offset that makes the foot start from the photo, stand still and
    stay in the picture. What a tracked motion walks beyond the picture is taken from `path` itself."""
    ankles = [joints[:, b] + path for b in feet]
    net = np.zeros(3)
    if motion.steps:
        net[1] = np.mean([ankle[-1, 1] - ankle[0, 1] for ankle in ankles])
    stood = [photo_joints[b] for b in feet]
    shift = np.mean([at[:2] - ankle[0, :2] for at, ankle in zip(stood, ankles, strict=True)], 0)
    level = np.mean([_sole(photo_joints[b][None], photo_rotation[b][None], points[f])[..., 2].min()
                     for f, b in enumerate(feet)])
    narrow, aside = _into_picture(body.camera, shift[0], path[:, 0], room)
    shift = shift + [aside, 0]
    if motion.tracked:
        path[:, 0] *= narrow
        ankles = [joints[:, b] + path for b in feet]
        treads = [_sole(ankle, turn, points[f]) for f, (ankle, turn) in enumerate(zip(ankles, soles, strict=True))]
        return ankles, plants(ankles, treads, motion.contacts, stood, shift, level, away)
    offsets = []
    for f in range(2):
        stand = Stand(stood[f], stood[f] + net if motion.loop else None, shift, narrow, level)
        sole = _sole(ankles[f], soles[f], points[f])
        offsets.append(plant(ankles[f], sole, motion.contacts[:, f], stand))
    return ankles, offsets


def _into_picture(camera: Camera, start: float, x: np.ndarray, room: np.ndarray) -> tuple[float, float]:
    """What keeps a path inside the picture: the share of it that is walked (0..1), and metres to step aside.

    start: where the path begins, in metres; x (T,): the path; room (T, 2): how far the person's arms and legs
    are to the left and the right of the root (negative, positive).
    """
    left, right = -camera.cx / camera.scale, (camera.width - camera.cx) / camera.scale
    ahead, behind = x + room[:, 1] - room[0, 1], x + room[:, 0] - room[0, 0]
    free_right, free_left = max(right - start - room[0, 1], 0), max(start + room[0, 0] - left, 0)
    walked = np.ptp(x) > 0.2
    narrow = min(1.0, free_right / max(ahead.max(), 1e-6), free_left / max(-behind.min(), 1e-6)) if walked else 1.0
    over = max((start + narrow * x + room[:, 1]).max() - right, 0.0)
    under = max(left - (start + narrow * x + room[:, 0]).min(), 0.0)
    return narrow, (under - over) / (2 if under and over else 1)


def _legs(figure, rest, local, yaw, root, targets, soles, away):
    """Bring the ankles onto their targets: returns the root (T, 3), lowered where a leg is too short, and local."""
    local = local.copy()
    pelvis = about(2, yaw) @ local[:, 0]
    sides, drop = [], np.zeros(len(root))
    for f, side in enumerate(SIDES):
        upper, lower, foot = (figure.bone(f"{bone}.{side}") for bone in LEG)
        thigh, shin = rest[lower] - rest[upper], rest[foot] - rest[lower]
        hip = root + pelvis @ (rest[upper] - rest[0])
        reach = leg_reach(thigh, shin) * (1 - (1 - STRAIGHT) * away)
        flat = np.minimum(np.linalg.norm((targets[f] - hip)[:, :2], axis=-1), reach * 0.98)
        drop = np.maximum(drop, hip[:, 2] - targets[f][:, 2] - np.sqrt(reach**2 - flat**2))
        sides.append((upper, lower, foot, thigh, shin, hip))
    lowered = np.zeros_like(root)
    lowered[:, 2] = -cover(drop, 3)
    for f, (upper, lower, foot, thigh, shin, hip) in enumerate(sides):
        local[:, upper], local[:, lower], local[:, foot] = solve_leg(
            pelvis, hip + lowered, local[:, upper], local[:, lower], targets[f], soles[f], thigh, shin
        )
    return root + lowered, local

