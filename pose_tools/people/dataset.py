"""A data set of rendered people: one compressed .npz a subject, written under a temporary name and then renamed.

Arrays of a file (K frames, the first is the photo): ``frames`` uint8 (K,H,W,3); ``mask`` uint8 (K,H,W), the whole
person, antialiased; ``iuv`` uint8 (K,H,W,3), charts of the naked body; ``joints`` float32 (K,19,3), pixel x, pixel
y and depth in metres of the bones' heads; ``rotations`` float32 (K,19,3) axis-angle; ``yaw`` float32 (K,) radians;
``shift`` float32 (K,3) metres; ``camera`` float32 (3,) scale px/m, cx, cy; ``motions`` (K,) names; ``background``
uint8 (H,W,3); ``person`` a JSON string. With ``traced`` also ``kind``, ``piece``, ``place`` and ``flow`` (K,...), what
each pixel truly shows and where it was one frame before, as in trace.Traced.
"""

import json
import os
from pathlib import Path

import cv2
import numpy as np

from .backdrops import random_backdrop
from .person import make_person
from .render import Frame, encode, random_studio, take
from .stances import MOTIONS, motion, photo_stance
from .trace import trace


def plan(rng, frames: int, sequence: int) -> list[tuple[str, dict]]:
    """Names and stances of a subject's frames, the photo first. ``sequence`` 0 draws single stances of all
    motions; otherwise motions of that many consecutive frames at 12 frames a cycle or slower."""
    photo = photo_stance(rng)
    out = [("photo: " + photo[0], photo[1])]
    names = list(rng.permutation(MOTIONS))
    while len(out) < frames:
        name = str(names[len(out) // max(sequence, 1) % len(names)])
        if sequence:
            phases = rng.uniform(0, 1) + np.arange(sequence) / max(sequence, 16)
        else:
            phases = rng.uniform(0, 1, 1)
        out += [(name, stance) for stance in motion(name, photo[1], rng, phases)]
    return out[:frames]


def render_subject(
    seed: int, frames: int, width: int, height: int, sequence: int = 0, samples: int = 2, traced: bool = False
) -> dict[str, np.ndarray]:
    """All arrays of one subject's file (see the module)."""
    person = make_person(seed)
    rng = np.random.default_rng((seed, 1))
    stances = plan(rng, frames, sequence)
    _, points, _, _ = person.pose(person.rotations(stances[0][1]), np.deg2rad(stances[0][1]["yaw"]))
    tall = float(points[person.keep > 0, 2].max())
    share = rng.uniform(0.85, 0.92)
    scale, floor = share * height / tall, height * (0.5 + share / 2 + rng.uniform(-0.01, 0.015))
    cx = width * (0.5 + rng.normal(0, 0.012))
    backdrop, place = random_backdrop(rng, width, height, floor)
    studio = random_studio(rng, width, height, scale, cx, floor, backdrop)
    taken: list[Frame] = [take(person, studio, stance, samples) for _, stance in stances]

    def stack(name):
        return np.stack([getattr(frame, name) for frame in taken])

    arrays = {
        "frames": stack("picture"),
        "mask": stack("mask"),
        "iuv": stack("iuv"),
        "joints": stack("joints"),
        "rotations": stack("rotations"),
        "yaw": stack("yaw").astype(np.float32),
        "shift": stack("shift"),
        "camera": np.array([scale, cx, floor], np.float32),
        "motions": np.array([name for name, _ in stances]),
        "background": encode(backdrop),
        "person": np.array(json.dumps(person.notes | {"background": place})),
    }
    if traced:
        follows = [sequence > 0 and i > 1 and (i - 1) % sequence > 0 for i in range(len(taken))]
        truth = trace(person, studio, [(frame.rotations, frame.yaw) for frame in taken], follows)
        arrays |= {name: np.stack([getattr(t, name) for t in truth]) for name in ("kind", "piece", "place", "flow")}
    return arrays


def write_subject(
    index: int, folder: Path, seed: int, frames: int, width: int, height: int, sequence: int, traced: bool = False
) -> bool:
    """Writes subject_NNNNN.npz of ``seed`` + index; False where it is there already."""
    target = folder / f"subject_{index:05d}.npz"
    if target.exists():
        return False
    cv2.setNumThreads(1)
    temporary = folder / f".subject_{index:05d}.{os.getpid()}.npz"
    arrays = render_subject(seed + index, frames, width, height, sequence, traced=traced)
    np.savez_compressed(temporary, **arrays)
    temporary.rename(target)
    return True
