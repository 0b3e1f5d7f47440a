"""From rendered people to what the networks see in use: charts and carried pictures with the fit's own faults.

For every subject of a people data set the body is fitted to the *rendered photo*, the photo becomes a sheet on it,
and that sheet is carried to the true pose of every frame.  So a model learns to mend what it will meet.
"""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from dreampose_core.carry import carry, make_sheet
from dreampose_core.modeling import LATENT_STRIDE, POSES_AROUND
from pose_tools.body.figure import Camera, Pose, load_figure
from pose_tools.body.fit import FittedBody, Seen, fit_body, follow
from pose_tools.body.raster import draw_iuv
from pose_tools.landmarks import find_landmarks
from pose_tools.processes import in_processes

# Standard deviation, in radians a frame, of the joints' speed around a training frame at 12 frames a second.
JOINT_SPEED = 0.05


def prepare(people: Path, folder: Path, processes: int = 1) -> None:
    """Prepare every subject below `people`; what is there already is kept."""
    folder.mkdir(parents=True, exist_ok=True)
    todo = [p for p in sorted(people.glob("subject_*.npz")) if not (folder / p.name).exists()]
    jobs = [(path, folder / path.name) for path in todo]
    for _ in in_processes(_prepare_subject, jobs, processes):
        pass


def _prepare_subject(job: tuple[Path, Path]) -> None:
    source, target = job
    with np.load(source) as data:
        people = {key: data[key] for key in data.files}
    frames = people["frames"]
    found = find_landmarks(frames[0])
    if found is None:
        return
    body = fit_body(found)
    sheet = make_sheet(frames[0], found.mask, body)
    rng = np.random.default_rng(int.from_bytes(source.stem.encode()[-5:], "big"))
    rows: dict[str, list[np.ndarray]] = {"carried": [], "alpha": [], "visibility": [], "charts": [], "around": []}
    for index in range(len(frames)):
        pose = body.pose if index == 0 else true_pose(body, people, index)
        made = carry(sheet, pose)
        rows["carried"].append(made.picture)
        rows["alpha"].append(levels(made.alpha))
        rows["visibility"].append(levels(made.visibility))
        rows["charts"].append(made.iuv)
        rows["around"].append(poses_around(body, pose, rng))
    arrays = {key: np.stack(value) for key, value in rows.items()}
    arrays |= {"frames": frames, "mask": people["mask"]}
    part = target.with_suffix(".part")
    with part.open("wb") as file:
        np.savez_compressed(file, **arrays)
    os.replace(part, target)


def true_pose(body: FittedBody, people: dict, index: int) -> Pose:
    """The true pose of a rendered frame, put on the body that was fitted to the photo, which is row 0."""
    photo, now = (
        Seen(
            Pose(people["rotations"][row].astype(float), float(people["yaw"][row]), np.zeros(3)),
            people["joints"][row].astype(float),
            float(people["camera"][0]),
        )
        for row in (0, index)
    )
    return follow(body, photo, now).pose


def levels(share: np.ndarray) -> np.ndarray:
    """0…1 as uint8."""
    return np.clip(share * 255 + 0.5, 0, 255).astype(np.uint8)


def poses_around(body: FittedBody, pose: Pose, rng: np.random.Generator) -> np.ndarray:
    """Charts of five poses around a frame at the latent's size: uint8 (5, h, w, 3).

    Training frames stand alone; their neighbours follow from a random smooth speed of every joint.
    """
    speed = rng.normal(0, JOINT_SPEED, pose.rotations.shape) * rng.uniform(0, 1.5)
    turning = rng.normal(0, 0.05) * (rng.random() < 0.5)
    height, width = body.camera.height // LATENT_STRIDE, body.camera.width // LATENT_STRIDE
    small = small_camera(body.camera, width, height)
    drawn = []
    for offset in range(-(POSES_AROUND // 2), POSES_AROUND // 2 + 1):
        near = replace(pose, rotations=pose.rotations + offset * speed, yaw=pose.yaw + offset * turning)
        drawn.append(draw_iuv(load_figure(), body.shape, near, small))
    return np.stack(drawn)


def small_camera(camera: Camera, width: int, height: int) -> Camera:
    """A camera whose pixels see what nearest-neighbour shrinking keeps: the first pixel of every cell."""
    stride = camera.width / width
    shift = 0.5 - 0.5 / stride
    return Camera(
        scale=camera.scale / stride,
        cx=camera.cx / stride + shift,
        cy=camera.cy / stride + shift,
        width=width,
        height=height,
    )
