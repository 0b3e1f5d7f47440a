"""From a score to a motion: footsteps and curves, put on the template body, become joint rotations.

Authors' code; nothing at run time needs it. A `Score` says where the feet step and how pelvis, chest, head and
arms turn over time; `play` adds what a walk does by itself (hips, counter-turning shoulders, swinging arms,
rolling feet), solves the legs, and returns the `Motion`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d

from pose_tools.body.figure import BONES, load_figure, rotation_vectors
from pose_tools.body.footing import SIDES, sole_points
from pose_tools.body.kinematics import about, cover, leg_reach, mix, smooth_step, solve_leg
from pose_tools.body.motion import LEG, STRAIGHT, Motion
from pose_tools.body.postures import arm

FPS = 24
STANCE = {"L": (0.10, 0.0, 7.0), "R": (-0.10, 0.0, -7.0)}  # x, y in metres and heading in degrees of the feet
FOOT_REST = 3.0  # degrees that the template's feet point inward
Keys = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Step:
    """A foot ("L" or "R") leaves the ground at `start` and lands at `end` seconds at x, y (metres), facing `turn`.

    turn: degrees, 0 toward the camera, positive toward the picture's right, unwrapped; roll: 0..1, how far the
    heel rises before and the toes after; lift: metres above the ground in the middle.
    """

    side: str
    start: float
    end: float
    x: float
    y: float
    turn: float
    roll: float = 1.0
    lift: float = 0.03


@dataclass(frozen=True)
class Score:
    """What happens when. curves: name -> (second, value) keys, 0 where a name is missing.

    Degrees, in the frame of the heading: roll (left hip up), twist, tilt (forward) of the pelvis; bend (to the
    left), turn, lean of the chest; look (to the left), nod, cock of the head; per side, as in swing_L: swing
    (forward), out, elbow, spin of the arm, and wave of the forearm. Metres: side (to the left), fore and dip of
    the pelvis. 0..1, per side: hip (hand on the hip) and raise (hand up beside the head). heading (degrees) is
    taken from the feet where it is missing.
    """

    name: str
    title: str
    about: str
    seconds: float
    steps: tuple[Step, ...] = ()
    curves: Mapping[str, Keys] = field(default_factory=dict)
    walk: float = 1.0  # how strongly hips and arms follow the feet


def play(score: Score) -> Motion:
    """The motion of a score: 24 frames a second, the last frame's pose the first's."""
    times = np.arange(round(score.seconds * FPS) + 1) / FPS
    figure = load_figure()
    shape = np.zeros(len(figure.modes))
    rest = figure.rest_joints(shape)
    points = sole_points(figure, shape)
    feet = [_foot(side, score.steps, times, points[f]) for f, side in enumerate(SIDES)]
    contacts = np.stack([foot[2] for foot in feet], 1)
    curve = _curves(score, times, feet, contacts)

    pelvis = about(2, curve["twist"]) @ about(1, -curve["roll"]) @ about(0, curve["tilt"])
    chest = about(2, curve["turn"]) @ about(1, curve["bend"]) @ about(0, curve["lean"])
    head = about(2, curve["look"]) @ about(1, curve["cock"]) @ about(0, curve["nod"])
    local = np.tile(np.eye(3), (len(times), len(BONES), 1, 1))
    local[:, 0] = pelvis
    for bones, low, high in ((("spine04", "spine02"), pelvis, chest), (("neck01", "head"), chest, head)):
        half = mix(np.eye(3), np.swapaxes(low, 1, 2) @ high, 0.5)
        for bone in bones:
            local[:, BONES.index(bone)] = half
    for side in SIDES:
        for bone, turns in arm(side, curve).items():
            local[:, BONES.index(f"{bone}.{side}")] = turns

    root = _root(rest, local, curve, feet)
    root -= _closing(times)[:, None] * (root[-1] - root[0] - (feet[0][0][-1] - feet[0][0][0]))
    world = about(2, curve["heading"]) @ pelvis
    for f, side in enumerate(SIDES):
        upper, lower, foot = (BONES.index(f"{bone}.{side}") for bone in LEG)
        ankle, sole, _ = feet[f]
        facing = np.arctan2(sole[:, 1, 0], sole[:, 0, 0]) - curve["heading"] - curve["twist"]
        knee = about(2, 0.5 * (np.mod(facing + np.pi, 2 * np.pi) - np.pi))
        straight = np.tile(np.eye(3), (len(times), 1, 1))
        local[:, upper], local[:, lower], local[:, foot] = solve_leg(
            world, root + world @ rest[upper], knee, straight, ankle, sole,
            rest[lower] - rest[upper], rest[foot] - rest[lower],
        )
    rotations = rotation_vectors(local).astype(np.float32)
    yaw = curve["heading"].astype(np.float32)
    return Motion(score.name, score.title, score.about, rotations, yaw, contacts, FPS, True)


def track(keys: Keys, times: np.ndarray, soft: float = 0.07) -> np.ndarray:
    """Values (T,) through (second, value) keys, monotone between them, rounded over `soft` seconds."""
    at, value = np.array(sorted(keys), float).T
    if len(at) == 1:
        return np.full(len(times), value[0])
    raw = PchipInterpolator(at, value)(np.clip(times, at[0], at[-1]))
    return gaussian_filter1d(raw, soft * FPS, mode="nearest")


def _foot(side: str, steps: Sequence[Step], times: np.ndarray, points: np.ndarray):
    """Ankle (T, 3), world rotation (T, 3, 3) and contact (T,) of a foot along its steps."""
    own = [step for step in steps if step.side == side]
    x, y, turn = STANCE[side]
    places = [(x, y, turn), *((s.x, s.y, s.turn) for s in own)]
    pitch_keys = [(0.0, 0.0), (times[-1], 0.0)]
    contact = np.ones(len(times), bool)
    stage = np.zeros(len(times), int)  # which place the foot stands on, or last stood on
    way = np.zeros(len(times))
    for n, s in enumerate(own):
        roll = np.radians(s.roll)
        before = max(s.start - 0.17, own[n - 1].end + 0.1 if n else 0.02)
        pitch_keys += [(before, 0.0), (s.start, 24 * roll), (s.start + 0.3 * (s.end - s.start), 34 * roll)]
        pitch_keys += [(s.end - 0.02, -9 * roll), (s.end + 0.09, 0.0)]
        contact &= ~((times > s.start) & (times < s.end))
        stage[times > s.start] = n
        way[times > s.start] = 0
        inside = times > s.start
        way[inside] = smooth_step((times[inside] - s.start) / (s.end - s.start))
    pitch = track(pitch_keys, times, 0.03)
    there = np.array(places)
    last = len(places) - 1
    ahead = np.minimum(stage + 1, last)
    turn = there[stage, 2] + way * (there[ahead, 2] - there[stage, 2])
    turn = np.radians(turn + FOOT_REST * (1 if side == "L" else -1))
    sole = about(2, turn) @ about(0, pitch)
    ankle = np.zeros((len(times), 3))
    for end, weight in ((stage, 1 - way), (ahead, way)):
        flat = np.concatenate([there[end, :2], np.full((len(times), 1), -points[0, 2])], 1)
        upright = about(2, turn)
        pivot = np.where(pitch[:, None] > 0, points[1], points[0])
        held = flat + np.einsum("tij,tj->ti", upright, pivot) - np.einsum("tij,tj->ti", sole, pivot)
        ankle += weight[:, None] * held
    for s in own:
        ankle[:, 2] += s.lift * np.sin(np.pi * np.clip((times - s.start) / (s.end - s.start), 0, 1)) ** 2
    return ankle, sole, contact


def _curves(score: Score, times: np.ndarray, feet, contacts: np.ndarray) -> dict[str, np.ndarray]:
    """All curves in radians and metres: the score's own, and what hips, chest and arms do with the feet."""
    names = "roll twist tilt bend turn lean look nod cock side fore dip".split()
    names += [f"{kind}_{side}" for kind in "swing out elbow spin wave hip raise".split() for side in SIDES]
    lengths = {"side", "fore", "dip", "hip_L", "hip_R", "raise_L", "raise_R"}
    unknown = set(score.curves) - set(names) - {"heading"}
    if unknown:
        raise KeyError(f"curves {unknown}")
    curve = {name: track(score.curves.get(name, [(0, 0)]), times) for name in names}
    curve.update({name: np.radians(curve[name]) for name in names if name not in lengths})
    turns = [np.unwrap(np.arctan2(sole[:, 1, 0], sole[:, 0, 0])) for _, sole, _ in feet]
    if "heading" in score.curves:
        curve["heading"] = np.radians(track(score.curves["heading"], times))
    else:
        curve["heading"] = gaussian_filter1d((turns[0] + turns[1]) / 2, 0.14 * FPS, mode="nearest")
        curve["heading"] -= curve["heading"][0]
    forward = np.stack([np.sin(curve["heading"]), -np.cos(curve["heading"])], 1)
    stride = ((feet[1][0] - feet[0][0])[:, :2] * forward).sum(1)  # how far the right foot is ahead
    stride = score.walk * gaussian_filter1d(stride, 0.05 * FPS, mode="nearest")
    support = gaussian_filter1d(contacts[:, 0].astype(float) - contacts[:, 1], 0.1 * FPS, mode="nearest")
    curve["support"] = support
    curve["twist"] = curve["twist"] + np.radians(14) * stride
    curve["turn"] = curve["turn"] - np.radians(11) * stride
    curve["roll"] = curve["roll"] + np.radians(7) * support * score.walk
    curve["bend"] = curve["bend"] + np.radians(2.5) * support * score.walk
    curve["side"] = curve["side"] + 0.03 * support
    for name, values in curve.items():  # filters leave a trace of the last step: the end shall be the start
        turns = 2 * np.pi * np.round((values[-1] - values[0]) / (2 * np.pi)) if name == "heading" else 0.0
        curve[name] = values - _closing(times) * (values[-1] - values[0] - turns)
    stride = stride - _closing(times) * (stride[-1] - stride[0])
    late = np.interp(times - 0.06, times, stride)
    later = np.interp(times - 0.12, times, stride)  # np.interp holds the start's value before it
    for side, sign in (("L", 1), ("R", -1)):
        curve[f"swing_{side}"] = curve[f"swing_{side}"] + sign * np.radians(34) * late
        curve[f"elbow_{side}"] = curve[f"elbow_{side}"] + np.radians(16) * np.maximum(sign * later, 0)
    return curve


def _closing(times: np.ndarray) -> np.ndarray:
    """0 until half a second before the end, 1 at the end."""
    return smooth_step((times - times[-1] + 0.5) / 0.5)


def _root(rest, local, curve, feet) -> np.ndarray:
    """The root joint (T, 3): between the feet, over the one that carries, as high as the legs reach."""
    heading = curve["heading"]
    left = np.stack([np.cos(heading), np.sin(heading)], 1)
    forward = np.stack([np.sin(heading), -np.cos(heading)], 1)
    middle = (feet[0][0] + feet[1][0])[:, :2] / 2
    middle = gaussian_filter1d(middle, 0.06 * FPS, axis=0, mode="nearest")
    root = np.zeros((len(heading), 3))
    root[:, :2] = middle + left * curve["side"][:, None] + forward * (curve["fore"][:, None] + 0.01)
    world = about(2, heading) @ local[:, 0]
    drop = np.full(len(root), -np.inf)
    for f, side in enumerate(SIDES):
        upper, lower, foot = (BONES.index(f"{bone}.{side}") for bone in LEG)
        reach = STRAIGHT * leg_reach(rest[lower] - rest[upper], rest[foot] - rest[lower])
        hip = root + world @ rest[upper]
        flat = np.minimum(np.linalg.norm((feet[f][0] - hip)[:, :2], axis=-1), 0.9 * reach)
        drop = np.maximum(drop, hip[:, 2] - feet[f][0][:, 2] - np.sqrt(reach**2 - flat**2))
    root[:, 2] = -cover(drop, 2) - curve["dip"]
    return root
