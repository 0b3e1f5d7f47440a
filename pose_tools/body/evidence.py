"""What a picture says about the body, as residuals and their derivatives.

The terms: landmarks in the picture, landmarks' depth, usual joint turns, hinge stops, usual builds, body points
that stick out of the person mask, and mask outline points that no body point is near. Landmarks outside the mask
count less (turned people's legs are often put there), and so do those a first fit could not reach.
"""
from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy.spatial import cKDTree

from pose_tools.body.camera import Camera
from pose_tools.body.derivatives import ancestors, articulate, rigid_points, skinned_points
from pose_tools.body.figure import Figure, Pose, load_figure, pose_vertices
from pose_tools.body.marks import depth_errors, depth_steps, mark_shifts
from pose_tools.body.prior import joint_prior
from pose_tools.body.raster import raster
from pose_tools.body.solve import levenberg_marquardt, project_points
from pose_tools.landmarks import Landmarks

WORK_SCALE = 146.0   # px a metre in the working frame; all pixel tolerances below are meant there
LANDMARK_PX = 2.5
SOFT_PX = 8.0        # beyond it a point outside the mask counts by the root of its distance
FAR_PX = 30.0        # the distance to the mask is not told apart beyond this
# shares of an ordinary landmark's weight: fingers and feet are less sure, the face is found within 0.6 cm, LANDMARK_PX
# being 1.7; with less weight, heads nod as the chest leans
TRUST = {17: 0.4, 18: 0.4, 19: 0.4, 20: 0.4, 29: 0.5, 30: 0.5, 31: 0.6, 32: 0.6, 0: 6, 2: 6, 5: 6, 7: 6, 8: 6}
LENGTHS = ((11, 13), (12, 14), (13, 15), (14, 16), (23, 25), (24, 26), (25, 27), (26, 28), (11, 23), (12, 24))
OUTLINE_PX = 4.0
HAIR_PX = 30.0
# arms before the trunk: how far a seen hand or forearm keeps from the trunk's axis toward the camera, and where
# the trunk is, as shares of the way from the hips to the shoulders and of half its width
CHEST_M = 0.15
BEFORE_M = 0.03
TRUNK_RISE, TRUNK_SIDE = (-0.1, 1.0), 0.85
FRONTAL = np.deg2rad(65)
ARM_POINTS = {"L": (13, 15, 17, 19), "R": (14, 16, 18, 20)}
OUTLINE_VERTICES = 700
OUTLINE_PULL = 0.75  # of an outline point, in landmarks


@dataclass(frozen=True)
class Evidence:
    """A picture's landmarks and mask in the working frame. L anchors of the figure, h x w working pixels."""

    factor: float         # working pixels a picture pixel
    points: np.ndarray    # (L, 2) px
    trust: np.ndarray     # (L,) 0..1, of the face to 6
    depth: np.ndarray     # (L,) metres from the hips, positive away
    lengths: float        # sum of limb lengths in mediapipe's metres
    yaw: float
    inside: np.ndarray    # (h, w) bool
    outside: np.ndarray   # (h, w) f32 distance to the mask, px
    slope: np.ndarray     # (h, w, 2) f32 derivative of `outside` along x, y
    outline: np.ndarray   # (K, 2) px, points of the mask's edge within the picture

    @classmethod
    def of(cls, landmarks: Landmarks, yaw: float | None = None, factor: float | None = None) -> Evidence:
        """From landmarks found in a picture; `yaw`, `factor` where they are known better than by the landmarks."""
        index = load_figure().anchor_index
        height, width = landmarks.mask.shape
        world = landmarks.world - landmarks.world[23:25].mean(0)
        factor = factor or working_factor(landmarks)
        size = (max(2, round(width * factor)), max(2, round(height * factor)))
        shrink = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
        inside = cv2.resize(landmarks.mask, size, interpolation=shrink) > 0.5
        outside = np.minimum(cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, 5), FAR_PX)
        slope = np.stack(np.gradient(outside)[::-1], -1).astype(np.float32)
        points = landmarks.points * factor
        in_view = ((points > -2) & (points < np.array(size) + 2)).all(1)
        trust = np.clip(landmarks.visibility * in_view, 0.03, 1)
        trust *= np.exp(-np.maximum(_sample(outside, points) - 1, 0) / 2)
        for i, share in TRUST.items():
            trust[i] *= share
        yaw = landmarks_yaw(world) if yaw is None else yaw
        lengths = sum(np.linalg.norm(world[a] - world[b]) for a, b in LENGTHS)
        return cls(factor, points[index], trust[index], world[index, 2], float(lengths), yaw, inside, outside, slope,
                   _outline(inside))


    def with_legs_swapped(self) -> Evidence:
        """The same with left and right knees, ankles, heels and toes exchanged."""
        order = swapped_legs()
        return replace(self, points=self.points[order], trust=self.trust[order], depth=self.depth[order])


def working_factor(landmarks: Landmarks) -> float:
    """Working pixels a picture pixel, from the size that the person has by the landmarks."""
    seen = landmarks.visibility > 0.3
    seen = seen if seen.sum() > 6 else np.ones(33, bool)
    flat, metric = (a - a[seen].mean(0) for a in (landmarks.points, landmarks.world[:, :2]))
    spread = np.sqrt((flat[seen] ** 2).sum() / (metric[seen] ** 2).sum())
    return float(np.clip(WORK_SCALE / spread, 0.02, 4.0))


def landmarks_yaw(world: np.ndarray) -> float:
    """Where shoulders and hips of world landmarks (33, 3) face, in radians."""
    across = (world[11] - world[12]) + (world[23] - world[24])
    return float(np.arctan2(across[2], across[0]))


def swapped_legs() -> np.ndarray:
    """Order of the figure's anchors in which left and right legs below the hips change places."""
    index = list(load_figure().anchor_index)
    return np.array([index.index(i + (1 if i % 2 else -1)) if i >= 25 else k for k, i in enumerate(index)])


def _outline(inside):
    found, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not found:
        return np.zeros((0, 2))
    edge = max(found, key=cv2.contourArea)[:, 0].astype(float) + 0.5
    height, width = inside.shape
    return edge[((edge > 3) & (edge < [width - 3, height - 3])).all(1)][::4]


def _sample(field, points):
    """Bilinear values of field (h, w[, C]) at pixel places (N, 2), the edge repeated outward."""
    x, y = (points[:, k].astype(np.float32)[:, None] - 0.5 for k in (0, 1))
    return cv2.remap(field, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[:, 0].astype(float)


@dataclass(frozen=True)
class Tie:
    """Draws the unknowns toward x (D,) with stiff (D,), one over the usual distance of each."""

    x: np.ndarray
    stiff: np.ndarray


class BodyProblem:
    """Residuals of the unknowns x (see solve.py) for one picture's evidence."""

    def __init__(self, evidence: Evidence, near=None, tie: Tie | None = None, figure: Figure | None = None,
                 samples: int = OUTLINE_VERTICES, pull: float = OUTLINE_PULL):
        """near: a known body (FittedBody) whose build is all but kept and whose pose draws the unknowns; or a tie
        that says for each unknown where it is drawn and how strongly. figure: another one than load_figure(), such
        as one with a fixed build; samples: points of the body that are kept in the mask; pull: how strongly outline
        points draw the body."""
        self.evidence = evidence
        self.figure = figure = figure or load_figure()
        self.prior = joint_prior()
        self.above = ancestors(figure.parents)
        self.modes, self.bones = figure.modes.shape[0], len(figure.bone_names)
        self.trust = evidence.trust
        index = list(figure.anchor_index)
        self.hips = [index.index(23), index.index(24)]
        self.shoulders = [index.index(11), index.index(12)]
        self.before = self._find_arms_before(index)
        scale = self._lengths_of_rest(index) / evidence.lengths
        self.shifts = mark_shifts(figure.anchor_index)
        self.depth = scale * evidence.depth - depth_errors(figure.anchor_index, evidence.yaw)
        self.steps = depth_steps(figure.anchor_index)
        self.shins = sum(figure.weights[:, figure.bone(f"{b}.{s}")] for b in ("lowerleg01", "foot") for s in "LR")
        self.sample = np.random.default_rng(0).choice(len(figure.template), samples, replace=False)
        self.tie, self.pull = tie, pull
        if near is not None:
            stiff = np.concatenate([np.zeros(3), 10 / figure.mode_sigma, np.full(3 * self.bones, 1 / 0.35)])
            self.tie = Tie(self.guess_from(near), stiff)

    def _lengths_of_rest(self, index):
        at = self.figure.anchors
        return sum(np.linalg.norm(at[index.index(a)] - at[index.index(b)]) for a, b in LENGTHS)

    def unpack(self, x):
        """Shape (S,) and rotations (B, 3) of the unknowns."""
        return x[3:3 + self.modes], x[3 + self.modes:].reshape(self.bones, 3)

    def first_guess(self):
        """Mean build and usual pose, placed on the landmarks."""
        x = np.zeros(3 + self.modes + 3 * self.bones)
        x[3 + self.modes:] = self.prior.mean.ravel()
        x[0] = np.log(WORK_SCALE)
        return self.placed(x)

    def placed(self, x):
        """The unknowns with the body moved across the picture onto the landmarks."""
        pixels, _ = project_points(x, self._anchors(x)[0], None)
        trust = self.trust[:, None]
        x = x.copy()
        x[1:3] += (trust * (self.evidence.points - pixels)).sum(0) / trust.sum()
        return x

    def guess_from(self, start):
        """The unknowns of a known body (FittedBody)."""
        factor = self.evidence.factor
        centre = start.camera.project(np.asarray(start.pose.shift)) * factor
        return np.concatenate([[np.log(start.camera.scale * factor)], centre, start.shape,
                               np.ravel(start.pose.rotations)])

    def _anchors(self, x):
        shape, rotations = self.unpack(x)
        state = articulate(self.figure, shape, rotations, self.evidence.yaw)
        figure = self.figure
        points = figure.anchors + np.tensordot(shape, figure.anchor_modes, 1) + self.shifts
        places, derivatives = rigid_points(state, points, figure.anchor_modes, figure.anchor_bone, self.above)
        self._state = state
        return places, derivatives

    def error(self, x):
        """Mean pixel distance of seen landmarks."""
        pixels, _ = project_points(x, self._anchors(x)[0], None)
        seen = self.evidence.trust > 0.25
        seen = seen if seen.any() else np.ones(len(seen), bool)
        return np.linalg.norm(pixels - self.evidence.points, axis=1)[seen].mean()

    def overlap(self, x):
        """Intersection over union of the drawn body and the mask."""
        shape, rotations = self.unpack(x)
        rows, columns = self.evidence.inside.shape
        camera = Camera(float(np.exp(x[0])), float(x[1]), float(x[2]), columns, rows)
        points = camera.with_depth(pose_vertices(self.figure, shape, Pose(rotations, self.evidence.yaw, np.zeros(3))))
        drawn = np.zeros(rows * columns, bool)
        drawn[raster(points, self.figure.faces, columns, rows).pixel] = True
        mask = self.evidence.inside.ravel()
        return float((drawn & mask).sum() / max((drawn | mask).sum(), 1))

    def with_doubt(self, x):
        """The same problem with landmarks trusted less the farther x leaves them (Geman-McClure weights)."""
        other = BodyProblem(self.evidence, tie=self.tie, figure=self.figure, samples=len(self.sample),
                            pull=self.pull)
        pixels, _ = project_points(x, self._anchors(x)[0], None)
        away = np.linalg.norm(pixels - self.evidence.points, axis=1)
        other.trust = self.evidence.trust / (1 + (away / 5) ** 2)
        return other

    def solve(self, x, steps, reach=None, build=True):
        """Improve x. With `reach` the mask takes part (see _pair_outline); without `build` the shape stays."""
        free = np.ones(len(x), bool)
        free[3:3 + self.modes] = build
        if reach is None:
            return levenberg_marquardt(lambda y, d: self._residuals(y, d, None), x, steps, free)
        for _ in range(0, steps, 4):
            pairs = self._pair_outline(x, reach)
            x = levenberg_marquardt(lambda y, d, pairs=pairs: self._residuals(y, d, pairs), x, 4, free, stop=1e-3)
        return x

    def normal(self, x, reach):
        """Normal matrix (D, D) and gradient (D,) of the squared residuals at x, the mask taking part."""
        residual, by = self._residuals(x, True, self._pair_outline(x, reach))
        return by.T @ by, by.T @ residual

    def _pixels_of(self, x, vertices, derive):
        """Pixels of gathered vertices, and their derivatives; _anchors(x) must have been called."""
        shape, _ = self.unpack(x)
        points, modes, weights = vertices
        places, derivatives = skinned_points(self._state, points + np.tensordot(shape, modes, 1), modes, weights,
                                             self.above, derive)
        return project_points(x, places, derivatives)

    def _pair_outline(self, x, reach):
        """For each outline point the nearest vertex of the body, and how far to believe they belong together.

        Around the head the outline is hair and says nothing; elsewhere it is believed within some OUTLINE_PX
        pixels, but at shins and feet, which cloth rarely widens, within `reach`. Gives the vertices of the sample
        followed by those nearest, and the beliefs (K,).
        """
        shape, rotations = self.unpack(x)
        places = pose_vertices(self.figure, shape, Pose(rotations, self.evidence.yaw, np.zeros(3)))
        pixels, _ = project_points(x, places, None)
        outline = self.evidence.outline
        away, nearest = cKDTree(pixels).query(outline)
        reaches = np.where(self.shins[nearest] > 0.5, reach, OUTLINE_PX)
        belief = 1 / (1 + (away / reaches) ** 2)
        head = np.average(pixels, axis=0, weights=self.figure.weights[:, self.figure.bone("head")])
        belief[np.linalg.norm(outline - head, axis=1) < HAIR_PX] = 0
        rows = np.concatenate([self.sample, nearest])
        figure = self.figure
        vertices = (figure.template[rows].astype(float), figure.modes[:, rows].astype(float),
                    figure.weights[rows].astype(float))
        return vertices, belief

    def _residuals(self, x, derive, pairs):
        e, prior, size = self.evidence, self.prior, len(x)
        shape, rotations = self.unpack(x)
        places, derivatives = self._anchors(x)
        pixels, by_pixel = project_points(x, places, derivatives)
        root = np.sqrt(self.trust)
        rows, columns = [], []

        def add(value, derivative):
            rows.append(value.ravel())
            columns.append(derivative.reshape(-1, size))

        add((pixels - e.points) / LANDMARK_PX * root[:, None], by_pixel / LANDMARK_PX * root[:, None, None])
        behind = places[:, 1] - places[self.hips, 1].mean()
        by_depth = np.zeros((len(places), size))
        by_depth[:, 3:] = derivatives[:, 1] - derivatives[self.hips, 1].mean(0)
        seen = np.where(self.steps != 0, root, 1).min(1, keepdims=True)  # as surely as the least sure of them
        steps = self.steps * seen
        add(steps @ (behind - self.depth), steps @ by_depth)
        first = 3 + self.modes
        usual = np.zeros((self.bones, 3, size))
        for b in range(self.bones):
            usual[b, :, first + 3 * b:first + 3 * b + 3] = prior.whiten[b] * 0.6
        add(np.einsum("bij,bj->bi", prior.whiten, rotations - prior.mean) * 0.6, usual)
        bend = (rotations[prior.hinge_bone] * prior.hinge_axis).sum(1)
        past = np.minimum(bend - prior.hinge_low, 0) + np.maximum(bend - prior.hinge_high, 0)
        by_bend = np.zeros((len(bend), size))
        for k, b in enumerate(prior.hinge_bone):
            by_bend[k, first + 3 * b:first + 3 * b + 3] = prior.hinge_axis[k] * (past[k] != 0)
        add(past / 0.05, by_bend / 0.05)
        build = np.zeros((self.modes, size))
        build[:, 3:first] = np.diag(0.6 / self.figure.mode_sigma)
        add(shape * 0.6 / self.figure.mode_sigma, build)
        if self.tie is not None:
            add((x - self.tie.x) * self.tie.stiff, np.diag(self.tie.stiff))
        for depth, by_arm in self._arms_before(places, derivatives, size):
            add(depth / BEFORE_M, by_arm / BEFORE_M)
        if pairs is not None:
            self._add_outline(x, derive, pairs, rows, columns)
        return np.concatenate(rows), np.concatenate(columns) if derive else None

    def _find_arms_before(self, index):
        """Pairs of anchors (rows, shares) of arms that are seen before the trunk of a person who faces the camera."""
        e, at = self.evidence, {landmark: row for row, landmark in enumerate(index)}
        if abs((e.yaw + np.pi) % (2 * np.pi) - np.pi) > FRONTAL:
            return []
        shoulders, hips = (e.points[[at[a], at[b]]].mean(0) for a, b in ((11, 12), (23, 24)))
        half = max(np.linalg.norm(e.points[at[11]] - e.points[at[12]]) / 2, 1.0)
        rise = shoulders - hips
        found = []
        for elbow, wrist, little, fore in ARM_POINTS.values():
            for a, b in ((elbow, wrist), (wrist, wrist), (little, fore)):
                if e.trust[[at[a], at[b]]].min() < 0.15:
                    continue
                away = (e.points[at[a]] + e.points[at[b]]) / 2 - hips
                up = away @ rise / (rise @ rise)
                aside = np.linalg.norm(away - up * rise) / half
                if TRUNK_RISE[0] < up < TRUNK_RISE[1] and aside < TRUNK_SIDE:
                    found.append((at[a], at[b], up))
        return found

    def _arms_before(self, places, derivatives, size):
        """How deep each of those arm points lies behind the front of the chest, with derivatives; none if not."""
        for a, b, up in self.before:
            rows = [a, b, *self.hips, *self.shoulders]
            shares = np.array([0.5, 0.5, *2 * [-(1 - up) / 2], *2 * [-up / 2]])
            behind = shares @ places[rows, 1] + CHEST_M
            if behind > 0:
                by = np.zeros((1, size))
                by[0, 3:] = np.tensordot(shares, derivatives[rows, 1], 1)
                yield np.array([behind]), by

    def _add_outline(self, x, derive, pairs, rows, columns):
        e = self.evidence
        vertices, belief = pairs
        both, by_both = self._pixels_of(x, vertices, derive)
        pixels, gap = both[:len(self.sample)], both[len(self.sample):] - e.outline
        away = _sample(e.outside, pixels)
        root = np.sqrt(1 + (away / SOFT_PX) ** 2)
        beyond = SOFT_PX * np.sqrt(2 * (root - 1) + 1e-9)
        weight = 0.8 / LANDMARK_PX * np.sqrt(OUTLINE_VERTICES / len(self.sample))
        length = np.sqrt((gap ** 2).sum(1) + 1e-6)
        pull = self.pull / LANDMARK_PX * belief
        rows += [beyond * weight, length * pull]
        if derive:
            by_away = np.einsum("nk,nkd->nd", _sample(e.slope, pixels), by_both[:len(pixels)])
            by_length = np.einsum("nk,nkd->nd", gap / length[:, None], by_both[len(pixels):])
            columns += [by_away * (weight * away / (beyond * root + 1e-9))[:, None], by_length * pull[:, None]]
