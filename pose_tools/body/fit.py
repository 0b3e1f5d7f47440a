"""Fits the body to a person in a picture: build, pose and camera, from landmarks and the person mask.

Everything is solved in a working frame in which the person is about as tall as in a picture of 256x320 (146 px
a metre), whatever the picture's size, so that one set of tolerances serves all pictures.

fit_body takes landmarks that were found already; fit_picture finds them, and where the person is turned or the
body lies badly in the mask looks again at the mirrored and the widened picture and keeps the best.
"""
from dataclasses import dataclass, replace

import numpy as np

from pose_tools.body.camera import Camera
from pose_tools.body.derivatives import ancestors, articulate, rigid_points
from pose_tools.body.evidence import BodyProblem, Evidence
from pose_tools.body.figure import (
    BONES,
    Pose,
    bone_transforms,
    joint_positions,
    load_figure,
    rotation_matrices,
    rotation_vectors,
    yaw_matrix,
)
from pose_tools.body.solve import levenberg_marquardt
from pose_tools.landmarks import Landmarks, find_landmarks

GOOD_OVERLAP = 0.8   # skirts and hair keep even a perfect fit from 1
POOR_OVERLAP = 0.7
MARGIN = 0.005       # a further try has to overlap by this much more to be taken
TURNED = np.deg2rad(40)


@dataclass(frozen=True)
class FittedBody:
    """A person's build, pose and camera, found in a picture.

    overlap: intersection over union of the drawn body and the person mask; error_px: mean distance in pixels of
    the body's own landmarks to the picture's, over those that were seen.
    """

    shape: np.ndarray  # (S,)
    pose: Pose
    camera: Camera
    overlap: float
    error_px: float

    def to_dict(self) -> dict:
        """Plain numbers for JSON."""
        return {"shape": np.asarray(self.shape).tolist(), "pose": self.pose.to_dict(),
                "camera": self.camera.to_dict(), "overlap": float(self.overlap), "error_px": float(self.error_px)}

    @classmethod
    def from_dict(cls, data: dict) -> "FittedBody":
        """The inverse of to_dict."""
        return cls(np.array(data["shape"]), Pose.from_dict(data["pose"]), Camera.from_dict(data["camera"]),
                   data["overlap"], data["error_px"])

    def scaled(self, factor: float) -> "FittedBody":
        """The same body in the same picture at `factor` times its size."""
        return replace(self, camera=self.camera.scaled(factor), error_px=self.error_px * factor)


def facing(pose: Pose) -> float:
    """Where the trunk looks, in radians: 0 toward the camera, positive toward the picture's right, up to pi."""
    front = yaw_matrix(pose.yaw) @ rotation_matrices(pose.rotations[0]) @ np.array([0.0, -1.0, 0.0])
    return float(np.arctan2(front[0], -front[1]))


def fit_body(landmarks: Landmarks, start: FittedBody | None = None) -> FittedBody:
    """The body under the person of these landmarks, in the pixels of the picture they were found in.

    start: the same person's body in the frame before; its build is then all but kept and its pose drawn on, as
    long as that fits about as well as a fresh look.
    """
    if start is not None:
        start = replace(start, pose=_recentred(start.pose))
        tracked = _solve(Evidence.of(landmarks, start.pose.yaw), landmarks, start)
        if tracked.overlap > GOOD_OVERLAP:
            return tracked
    evidence = Evidence.of(landmarks)
    fitted = _solve(evidence, landmarks)
    if fitted.overlap < GOOD_OVERLAP:
        # left and right legs are the landmarks' commonest confusion where people turn
        swapped = _solve(evidence.with_legs_swapped(), landmarks)
        fitted = swapped if swapped.overlap > fitted.overlap + MARGIN else fitted
    if start is not None and tracked.overlap > fitted.overlap - 5 * MARGIN:
        return tracked
    return fitted


def _solve(evidence: Evidence, landmarks: Landmarks, start: FittedBody | None = None) -> FittedBody:
    """One descent: landmarks alone, then the mask, at first without touching the build."""
    if start is None:
        problem = BodyProblem(evidence)
        x = problem.solve(problem.first_guess(), 20)
    else:
        problem = BodyProblem(evidence, start)
        x = problem.solve(problem.guess_from(start), 8)
    for reach, build in ((12.0, False), (4.0, True)):
        x = problem.with_doubt(x).solve(x, 8, reach, build)
    return _as_fitted(problem, x, landmarks)


def _recentred(pose: Pose) -> Pose:
    """The same pose with the trunk's whole turn about +z in its yaw."""
    yaw = facing(pose)
    root = yaw_matrix(pose.yaw - yaw) @ rotation_matrices(pose.rotations[0])
    rotations = np.concatenate([rotation_vectors(root)[None], pose.rotations[1:]])
    return Pose(rotations, yaw, pose.shift)


def fit_picture(picture: np.ndarray, landmarks: Landmarks | None = None, tries: int = 3) -> FittedBody | None:
    """The body of the person in an RGB picture (H, W, 3) uint8, or None where no person is found.

    `tries` further looks (mirrored, widened, both) at about 0.3 s each are taken where the first fit is turned
    or lies badly; the fit with the best overlap is kept.
    """
    landmarks = landmarks or find_landmarks(picture)
    if landmarks is None:
        return None
    best = fit_body(landmarks)
    if best.overlap > POOR_OVERLAP and abs(facing(best.pose)) < TURNED:
        return best
    height, width = picture.shape[:2]
    border = (int(0.4 * width), int(0.22 * height))
    for mirrored, wide in ((True, False), (False, True), (True, True))[:tries]:
        seen = picture[:, ::-1] if mirrored else picture
        other = find_landmarks(seen, border if wide else (0, 0))
        if other is None:
            continue
        other = other.mirrored() if mirrored else other
        # one mask for all tries, so that their overlaps compare
        fitted = fit_body(replace(other, mask=landmarks.mask))
        if fitted.overlap > best.overlap + MARGIN:
            best = fitted
    return best


def fit_joints(body: FittedBody, joints: np.ndarray, scale: float | None = None, near: Pose | None = None,
               steps: int = 12) -> FittedBody:
    """The same build and camera in the pose that puts its joints where they are known to be.

    joints (B, 3): px x, px y in the body's picture, and depth in metres (smaller is nearer, any origin) of the
    bones of figure.BONES. scale: px a metre in the world that the depths are measured in; without it, the body's
    own camera's. near: a pose to stay close to (without it the body's own); give the true pose where it is
    known, because places alone say nothing of how head, hands and feet are turned.
    """
    figure, camera = load_figure(), body.camera
    near = near or body.pose
    above, bones = ancestors(figure.parents), np.arange(len(figure.bone_names))
    goal = np.stack([(joints[:, 0] - camera.cx) / camera.scale,
                     joints[:, 2] * (scale or camera.scale) / camera.scale,
                     (camera.cy - joints[:, 1]) / camera.scale], 1)
    rest, modes = figure.rest_joints(body.shape), figure.joint_modes
    usual = np.asarray(near.rotations, float).ravel()
    spread = np.array([0.01, 0.03, 0.01])  # metres; depth is the least sure, since builds differ
    size = 3 + len(usual)

    def evaluate(x, derive):
        state = articulate(figure, body.shape, x[3:].reshape(-1, 3), near.yaw)
        places, derivatives = rigid_points(state, rest, modes, bones, above)
        residual = np.concatenate([((places + x[:3] - goal) / spread).ravel(), (x[3:] - usual) / 0.3])
        if not derive:
            return residual, None
        by_place = np.zeros((len(bones), 3, size))
        by_place[:, :, :3] = np.eye(3)
        by_place[:, :, 3:] = derivatives[:, :, len(body.shape):]
        tied = np.eye(size)[3:] / 0.3
        return residual, np.concatenate([(by_place / spread[:, None]).reshape(-1, size), tied])

    x = levenberg_marquardt(evaluate, np.concatenate([goal[0], usual]), steps, np.ones(size, bool))
    pose = Pose(x[3:].reshape(-1, 3), near.yaw, x[:3])
    drawn = camera.project(articulate(figure, body.shape, pose.rotations, near.yaw).place + x[:3])
    error = np.linalg.norm(drawn - joints[:, :2], axis=1).mean()
    return replace(body, pose=pose, error_px=float(error))


@dataclass(frozen=True, eq=False)
class Seen:
    """A person as something else than the fit saw them: pose; joints (B, 3) as fit_joints takes them; scale: px a metre
    in the world of their depths."""

    pose: Pose
    joints: np.ndarray
    scale: float


def follow(body: FittedBody, photo: Seen, now: Seen) -> FittedBody:
    """The body that was fitted to a photo, in the pose of another picture of the same person; both seen by one other.

    Where the fit's joints lie beside the photo's as seen, they do so afterwards, as if the difference were fixed to the
    bones, and so does the head where it is turned otherwise: so what the photo shows at a place of the body stays at
    that place.
    """
    figure, camera = load_figure(), body.camera
    beside = camera.project(joint_positions(figure, body.shape, body.pose)) - photo.joints[:, :2]
    was, new = (bone_transforms(figure, body.shape, seen.pose)[:, :, :3] for seen in (photo, now))
    space = np.stack([beside[:, 0], np.zeros(len(beside)), -beside[:, 1]], 1) / camera.scale
    across, deep, up = np.einsum("bij,bkj,bk->ib", new, was, space) * camera.scale
    joints = now.joints + np.stack([across, -up, deep / now.scale], 1)
    followed = fit_joints(body, joints, scale=now.scale, near=replace(now.pose, shift=np.zeros(3)))
    head = BONES.index("head")
    world = bone_transforms(figure, body.shape, followed.pose)[:, :, :3]
    own = bone_transforms(figure, body.shape, body.pose)[head, :, :3]
    rotations = followed.pose.rotations.copy()
    rotations[head] = rotation_vectors(world[figure.parents[head]].T @ new[head] @ was[head].T @ own)
    return replace(followed, pose=replace(followed.pose, rotations=rotations))


def _as_fitted(problem: BodyProblem, x: np.ndarray, landmarks: Landmarks) -> FittedBody:
    factor = problem.evidence.factor
    shape, rotations = problem.unpack(x)
    height, width = landmarks.mask.shape
    camera = Camera(float(np.exp(x[0])) / factor, float(x[1]) / factor, float(x[2]) / factor, width, height)
    pose = Pose(rotations, problem.evidence.yaw, np.zeros(3))
    return FittedBody(shape, pose, camera, problem.overlap(x), float(problem.error(x) / factor))
