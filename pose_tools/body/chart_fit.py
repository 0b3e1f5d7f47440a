"""Fits the body to DensePose charts: every pixel's part, U and V name a point of the skin that must lie there.

No landmarks and no network take part, so charts of any estimator, or from a file, become a body in a pose.
pose_tools.body.chart_track does it for whole clips.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from pose_tools.body.camera import Camera
from pose_tools.body.derivatives import ancestors, articulate, skinned_points
from pose_tools.body.figure import Pose, load_figure, rotation_matrices, rotation_vectors, yaw_matrix
from pose_tools.body.fit import FittedBody, facing
from pose_tools.body.prior import joint_prior
from pose_tools.body.raster import draw_iuv
from pose_tools.body.solve import levenberg_marquardt, project_points
from pose_tools.body.surface import Skin, find_skin

SAMPLES = 900
EVIDENCE = 90.0      # points that the samples are worth: neighbours err alike
LEAST = 60           # pixels of a person that say something of a pose
LEAST_PARTS = 3
NEAR_M = 0.03        # metres on the skin: how far right charts usually name a point from where it is
FACING = 0.6         # how far a seen point's normal may look away, as a sine, at unit cost
PRIOR = 1.0
LEAN = (0.35, 0.8, 1.0)  # usual turn of the root, in radians about the world axes
BUILD_PRIOR = 0.6
SCALE_STEP = 0.03    # log of the scale between frames
TURN_STEP = 0.4      # radians between frames
COLD = ((0.6, 4, "root"), (0.3, 6, "pose"), (0.3, 6, "pose"), (0.12, 8, "build"), (0.06, 8, "build"))
WARM = ((0.3, 4, "pose"), (0.12, 4, "pose"), (0.07, 4, "pose"))
ASIDE = 0.8          # radians by which the first look may mistake the heading
FAR = 0.5            # radians between frames beyond which a body is looked at again from where it got to
FOLLOWS = 3
BENT = 0.7           # radians from the stop at which a hinge's search begins
LOST_M = 0.06        # a followed body that lies farther than this from its charts is looked for anew
HIDDEN = 0.001       # of the body's pixels: a part with fewer is not seen
DRAWN = 320          # pixels of height at which the drawn body is compared with the charts


@dataclass(frozen=True)
class Seen:
    """What one frame of charts says. N sampled pixels.

    pixels (N, 2): their middles; skin: the points of the figure that they show.
    """

    pixels: np.ndarray
    skin: Skin


def fit_charts(
    iuv: np.ndarray, start: FittedBody | None = None, shape: np.ndarray | None = None, turn: float = TURN_STEP
) -> FittedBody | None:
    """The body that these charts show, in their pixels; None where they show too little of a person.

    iuv: uint8 (H, W, 3), I 0..24, U and V 0..255. start: the same person's body in the frame before; its build is
    kept, and its pose is where the search begins; turn: radians by which joints usually leave it. shape: a known
    build, where there is no start. The result's error_px is the median distance in pixels from where the charts show
    a point of the skin to where the body has it; overlap is that of the silhouettes, hidden parts
    left out.
    """
    seen = _look(iuv)
    if seen is None:
        return None
    if start is None:
        return _as_fitted(*_begin(seen, shape), iuv)
    tracked, sure = _follow(seen, start, turn)
    if sure:
        return _as_fitted(*tracked, iuv)
    fresh = _begin(seen, start.shape)
    return _as_fitted(*min(tracked, fresh, key=_cost), iuv)


def _follow(seen: Seen, start: FittedBody, turn: float) -> tuple[tuple[ChartProblem, np.ndarray], bool]:
    """The problem and its unknowns near a body known from before, and whether that can be believed.

    A start that is left by much is given up for where it led to, a few times.
    """
    pose, camera, moved = start.pose, start.camera, np.inf
    for _ in range(FOLLOWS):
        near = replace(start, pose=_recentred(pose), camera=camera)
        problem = ChartProblem(seen, near.pose.yaw, camera.scale, near.shape, near, turn)
        x = problem.descend(problem.bent(problem.tie), WARM)
        moved = np.abs(x - problem.tie)[3:].max()
        if moved < FAR:
            break
        pose = Pose(problem.unpack(x)[1], near.pose.yaw, np.zeros(3))
        camera = Camera(float(np.exp(x[0])), float(x[1]), float(x[2]), camera.width, camera.height)
    return (problem, x), moved < FAR and problem.error_m(x) < LOST_M


def _begin(seen: Seen, shape: np.ndarray | None) -> tuple[ChartProblem, np.ndarray]:
    """The problem and its unknowns for a body of which nothing is known, or only its build."""
    scale, front, roll = _guess_scale(seen), _guess_yaw(seen), _guess_roll(seen)
    tries = []
    for yaw in (front, front + ASIDE, front - ASIDE):
        problem = ChartProblem(seen, yaw, scale, shape)
        tries.append((problem, problem.descend(problem.bent(problem.first_guess(roll)), COLD[:2])))
    tries.sort(key=_cost)
    return min([(problem, problem.descend(x, COLD[2:])) for problem, x in tries[:2]], key=_cost)


def _cost(found: tuple[ChartProblem, np.ndarray]) -> float:
    problem, x = found
    return problem.cost(x)


def _look(iuv: np.ndarray) -> Seen | None:
    """Pixels spread over every part, the small ones more densely; None where too little of a person is there."""
    flat = iuv.reshape(-1, 3)
    body = np.flatnonzero(flat[:, 0])
    part = flat[body, 0]
    order = np.argsort(part, kind="stable")
    body, part = body[order], part[order]
    kinds, counts = np.unique(part, return_counts=True)
    if len(body) < LEAST or (counts >= 4).sum() < LEAST_PARTS:
        return None
    quota = np.sqrt(counts)
    quota = np.minimum(counts, np.ceil(quota * SAMPLES / quota.sum())).astype(int)
    starts = np.cumsum(counts) - counts
    picked = np.concatenate([
        body[first + ((np.arange(n) + 0.5) * count / n).astype(int)]
        for first, count, n in zip(starts, counts, quota, strict=True)
    ])
    row, column = np.divmod(picked, iuv.shape[1])
    return Seen(np.stack([column + 0.5, row + 0.5], 1), find_skin(flat[picked]))


def _guess_yaw(seen: Seen) -> float:
    """The turn that makes the skin that is seen look at the camera on the whole."""
    out = np.median(seen.skin.normal, axis=0) + seen.skin.normal.mean(0)
    return float(-np.arctan2(out[0], -out[1]))


def _guess_roll(seen: Seen) -> float:
    """The turn in the picture that brings the body upright, 0 where it is nearly so: positive has it lean right."""
    rest = seen.skin.mix(load_figure().template)
    known = np.column_stack([rest, np.ones(len(rest))])
    weight = np.ones(len(rest))
    for _ in range(5):
        mapped = np.linalg.lstsq(known * weight[:, None], seen.pixels * weight[:, None], rcond=None)[0]
        away = np.linalg.norm(known @ mapped - seen.pixels, axis=1)
        weight = 1 / (1 + (away / (np.median(away) + 1e-6)) ** 2)
    roll = float(np.arctan2(mapped[2, 0], -mapped[2, 1]))
    return roll if abs(roll) > ASIDE else 0.0


def _guess_scale(seen: Seen) -> float:
    """Pixels a metre: the larger ratios of picture to body among pairs on one bone, which tilts only shorten."""
    rest = seen.skin.mix(load_figure().template)
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, len(rest), (2, 6000))
    far = np.linalg.norm(rest[a] - rest[b], axis=1)
    same = (seen.skin.bone[a] == seen.skin.bone[b]) & (far > 0.08)
    if same.sum() < 20:
        same = far > 0.08
    ratio = np.linalg.norm(seen.pixels[a] - seen.pixels[b], axis=1)[same] / far[same]
    return float(np.percentile(ratio, 70))


def _recentred(pose: Pose) -> Pose:
    """The same pose with the trunk's whole turn about +z in its yaw."""
    yaw = facing(pose)
    root = yaw_matrix(pose.yaw - yaw) @ rotation_matrices(pose.rotations[0])
    return Pose(np.concatenate([rotation_vectors(root)[None], pose.rotations[1:]]), yaw, pose.shift)


class ChartProblem:
    """Residuals of the unknowns x (see solve.py) for one frame of charts."""

    def __init__(
        self, seen: Seen, yaw: float, scale: float, shape: np.ndarray | None = None, near: FittedBody | None = None,
        turn: float = TURN_STEP,
    ):
        """yaw: held; scale: about how many pixels a metre has; shape: a known build; near: draws the unknowns, which
        leave it by `turn` radians."""
        self.seen, self.yaw, self.scale = seen, yaw, scale
        self.figure = figure = load_figure()
        self.prior, self.above = joint_prior(), ancestors(figure.parents)
        # charts tell leaning from standing, which landmarks do not
        self.whiten = self.prior.whiten.copy()
        self.whiten[0] = np.diag(1 / np.array(LEAN))
        self.bones, self.modes = len(figure.bone_names), len(figure.modes)
        self.known = shape is not None
        self.shape = np.zeros(self.modes) if shape is None else np.asarray(shape, float)
        skin = seen.skin
        self.weights = skin.mix(figure.weights)
        if self.known:
            self.points, self.by_shape = skin.mix(figure.rest_vertices(self.shape)), np.zeros((0, len(skin.bone), 3))
        else:
            self.points = skin.mix(figure.template)
            self.by_shape = np.stack([skin.mix(mode) for mode in figure.modes])
        self.trust = np.ones(len(skin.bone))
        self.turn = turn
        self.tie = None if near is None else self.guess_from(near)

    @property
    def first(self) -> int:
        """Where the rotations begin in x: a known build is no unknown."""
        return 3 if self.known else 3 + self.modes

    def unpack(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Shape (S,) and rotations (B, 3) of the unknowns."""
        shape = self.shape if self.known else x[3 : 3 + self.modes]
        return shape, x[self.first :].reshape(self.bones, 3)

    def guess_from(self, start: FittedBody) -> np.ndarray:
        """The unknowns of a known body."""
        centre = start.camera.project(np.asarray(start.pose.shift))
        build = [] if self.known else start.shape
        return np.concatenate([[np.log(start.camera.scale)], centre, build, np.ravel(start.pose.rotations)])

    def first_guess(self, roll: float = 0.0) -> np.ndarray:
        """The usual pose, placed on the pixels and turned in the picture by `roll` radians."""
        x = np.zeros(self.first + 3 * self.bones)
        x[0] = np.log(self.scale)
        x[self.first :] = self.prior.mean.ravel()
        x[self.first : self.first + 3] = yaw_matrix(-self.yaw) @ [0.0, roll, 0.0]
        pixels, _ = self._pixels(x, False)
        x[1:3] = np.median(self.seen.pixels - pixels, axis=0)
        return x

    def bent(self, x: np.ndarray) -> np.ndarray:
        """The same with knees and elbows a little bent: of a straight one the picture does not say which way."""
        prior, out = self.prior, x.copy()
        rotations = out[self.first :].reshape(self.bones, 3)
        bend = (rotations[prior.hinge_bone] * prior.hinge_axis).sum(1)
        lacks = np.maximum(prior.hinge_low + BENT - bend, 0)
        rotations[prior.hinge_bone] += lacks[:, None] * prior.hinge_axis
        return out

    def error_m(self, x: np.ndarray) -> float:
        """Median distance in metres between where points of the skin are seen and where they are."""
        return float(np.median(self._away(x))) / np.exp(x[0])

    def cost(self, x: np.ndarray) -> float:
        """Robust cost of a solution, to tell better from worse."""
        away = self._away(x) / np.exp(x[0]) / 0.06
        tie, self.tie = self.tie, None
        rest = self._residuals(x, False)[0][2 * len(away) :]
        self.tie = tie
        return float((away**2 / (1 + away**2)).sum() * (0.06 / NEAR_M) ** 2 * EVIDENCE / len(away) + rest @ rest)

    def descend(self, x: np.ndarray, stages: tuple[tuple[float, int, str], ...]) -> np.ndarray:
        """Improve x in stages of (metres from which on a point is doubted, steps, what moves)."""
        for reach, steps, moves in stages:
            free = np.ones(len(x), bool)
            free[3 : self.first] = moves == "build"
            if moves == "root":
                free[self.first + 3 :] = False
            for _ in range(0, steps, 4):
                self.trust = 1 / (1 + (self._away(x) / np.exp(x[0]) / reach) ** 2) ** 2
                x = levenberg_marquardt(self._residuals, x, min(4, steps), free, stop=1e-3)
        return x

    def _away(self, x):
        return np.linalg.norm(self._pixels(x, False)[0] - self.seen.pixels, axis=1)

    def _pixels(self, x, derive):
        shape, rotations = self.unpack(x)
        self._state = state = articulate(self.figure, shape, rotations, self.yaw)
        if self.known:
            self._state = state = replace(state, move_shape=np.zeros((0, self.bones, 3)))
        points = self.points if self.known else self.points + np.tensordot(shape, self.by_shape, 1)
        places, derivatives = skinned_points(state, points, self.by_shape, self.weights, self.above, derive)
        return project_points(x, places, derivatives)

    def _residuals(self, x, derive):
        seen, prior, size, first = self.seen, self.prior, len(x), self.first
        _, rotations = self.unpack(x)
        pixels, by_pixel = self._pixels(x, derive)
        near = NEAR_M * self.scale * np.sqrt(len(pixels) / EVIDENCE)
        root = np.sqrt(self.trust)
        rows, columns = [((pixels - seen.pixels) / near * root[:, None]).ravel()], []
        if derive:
            columns.append((by_pixel / near * root[:, None, None]).reshape(-1, size))

        def add(value, derivative):
            rows.append(value.ravel())
            if derive:
                columns.append(derivative().reshape(-1, size))

        # skin that is seen looks at the camera, which looks along +y
        bone = seen.skin.bone
        out = np.einsum("nij,nj->ni", self._state.turn[bone], seen.skin.normal)
        root = root / np.sqrt(len(out) / EVIDENCE)
        turned = np.maximum(out[:, 1], 0) / FACING * root

        def by_turning():
            spin = self._state.spin
            swing = np.einsum("bk,n->nbk", spin[:, 2], out[:, 0]) - np.einsum("bk,n->nbk", spin[:, 0], out[:, 2])
            swing *= self.above[:, bone].T[:, :, None] * ((turned > 0) * root / FACING)[:, None, None]
            return np.concatenate([np.zeros((len(bone), first)), swing.reshape(len(bone), -1)], 1)

        add(turned, by_turning)

        def by_usual():
            usual = np.zeros((self.bones, 3, size))
            for b in range(self.bones):
                usual[b, :, first + 3 * b : first + 3 * b + 3] = self.whiten[b] * PRIOR
            return usual

        add(np.einsum("bij,bj->bi", self.whiten, rotations - prior.mean) * PRIOR, by_usual)
        bend = (rotations[prior.hinge_bone] * prior.hinge_axis).sum(1)
        past = np.minimum(bend - prior.hinge_low, 0) + np.maximum(bend - prior.hinge_high, 0)

        def by_bend():
            out = np.zeros((len(bend), size))
            for k, b in enumerate(prior.hinge_bone):
                out[k, first + 3 * b : first + 3 * b + 3] = prior.hinge_axis[k] * (past[k] != 0) / 0.05
            return out

        add(past / 0.05, by_bend)
        if not self.known:
            stiff = BUILD_PRIOR / self.figure.mode_sigma
            add(x[3:first] * stiff, lambda: np.concatenate(
                [np.zeros((self.modes, 3)), np.diag(stiff), np.zeros((self.modes, size - first))], 1))
        if self.tie is not None:
            kept = np.concatenate([[0], np.arange(first, size)])
            stiff = np.concatenate([[1 / SCALE_STEP], np.full(3 * self.bones, 1 / self.turn)])
            add((x - self.tie)[kept] * stiff, lambda: np.eye(size)[kept] * stiff[:, None])
        return np.concatenate(rows), np.concatenate(columns) if derive else None


def _as_fitted(problem: ChartProblem, x: np.ndarray, iuv: np.ndarray) -> FittedBody:
    height, width = iuv.shape[:2]
    shape, rotations = problem.unpack(x)
    camera = Camera(float(np.exp(x[0])), float(x[1]), float(x[2]), width, height)
    pose = Pose(rotations.copy(), problem.yaw, np.zeros(3))
    error = problem.error_m(x) * camera.scale
    return FittedBody(shape.copy(), pose, camera, chart_overlap(iuv, shape, pose, camera), error)


def chart_overlap(iuv: np.ndarray, shape: np.ndarray, pose: Pose, camera: Camera) -> float:
    """Intersection over union of charts and drawn body; parts that the charts do not show at all do not count."""
    factor = min(1.0, DRAWN / camera.height)
    drawn = draw_iuv(load_figure(), shape, pose, camera.scaled(factor))[..., 0]
    person = cv2.resize(iuv[..., 0], drawn.shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    shown = np.bincount(person.ravel(), minlength=256) > HIDDEN * np.count_nonzero(person)
    shown[0] = False
    drawn, person = shown[drawn], person > 0
    return float((drawn & person).sum() / max((drawn | person).sum(), 1))
