"""Another background behind the person of a finished frame: a plain colour or a picture, and a shadow at the feet.

A film shows the photo's completed background where nobody is. So the person is what differs from it, near the place
where the carried photo says that somebody is: each frame gets a matte of its own, since what the model draws (hair,
hems) is not what was carried. Radii in pixels are meant for a picture of 320 rows and grow with its height.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from dreampose_core.carry.backdrop import contact_shadow
from dreampose_core.carry.fill import bleed, grow, shrink, signed_distance, smooth_fill
from dreampose_core.photo import open_photo, resized
from pose_tools.errors import BadInput
from pose_tools.landmarks import find_landmarks

KEEP, PLAIN, PICTURE = "keep", "plain", "picture"
BACKGROUNDS = (KEEP, PLAIN, PICTURE)
COLOUR = "#f2f2f2"  # of a plain background that nobody chose a colour for
DESIGN_ROWS = 320
REACH = 4.0  # pixels by which the film's outline may lie beyond the carried one
DEPTH = 3.0  # pixels by which it may lie within
TELLING = 40.0  # levels between person and background from which on the colours tell the two apart
STRAY = 30.0  # levels off the line between the two colours at which a pixel is no mixture of them
HALO = 0.12  # coverage below which a pixel is taken for bare: models draw a faint dark rim around a person
SOLID = 0.88  # coverage above which it is taken for full


@dataclass(frozen=True, eq=False)
class Matte:
    """alpha (H,W) f32 0..1: how much of each pixel is the person; colours (H,W,3) f32 0..255: the person's own,
    without what shone through, continued beyond the outline."""

    alpha: np.ndarray
    colours: np.ndarray


def parse_colour(text: str) -> np.ndarray:
    """#rgb, #rrggbb, or rgb(r, g, b) as browsers write it, as uint8 (3,) RGB. Raises BadInput for anything else."""
    text = text.strip() if isinstance(text, str) else ""
    level = r" *(\d+(?:\.\d+)?) *"
    if levels := re.fullmatch(rf"rgba?\({level},{level},{level}(?:,{level})?\)", text):
        return np.array([round(min(float(one), 255)) for one in levels.groups()[:3]], np.uint8)
    digits = re.fullmatch(r"#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})", text)
    if digits is None:
        raise BadInput("The background's colour must be written like #f2f2f2.")
    value = digits[1] if len(digits[1]) == 6 else "".join(2 * digit for digit in digits[1])
    return np.frombuffer(bytes.fromhex(value), np.uint8)


def plain(colour: str, width: int, height: int) -> np.ndarray:
    """uint8 (height, width, 3) of one colour. Raises BadInput where it is none."""
    return np.broadcast_to(parse_colour(colour), (height, width, 3)).copy()


def choose(kind: str, colour: str, file: Path | None, width: int, height: int) -> np.ndarray | None:
    """The new background at width x height, uint8 (height, width, 3), None where the old one is kept.

    kind: one of BACKGROUNDS; colour: of a plain one; file: of a picture. Raises BadInput where there is none or where
    it cannot be read.
    """
    if kind == KEEP:
        return None
    if kind == PLAIN:
        return plain(colour, width, height)
    if file is None:
        raise BadInput("Please choose a picture for the background.")
    return cover(open_photo(file), width, height)


def cover(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """A picture uint8 (H, W, 3) made to fill width x height pixels, cut equally at both ends of the longer side."""
    high, wide = picture.shape[:2]
    scale = max(width / wide, height / high)
    w, h = min(wide, width / scale), min(high, height / scale)
    x, y = round((wide - w) / 2), round((high - h) / 2)
    part = np.ascontiguousarray(picture[y : y + max(1, round(h)), x : x + max(1, round(w))])
    return cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)


def replace_background(frame: np.ndarray, alpha: np.ndarray, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """The frame's person before another background, with a soft shadow where the feet touch the ground.

    frame: uint8 (H, W, 3); alpha: f32 (h, w), the carried person's coverage 0..1; old: uint8 (h, w, 3), what the frame
    shows where nobody is; new: uint8 of any size. Those of another size are brought to the frame's.
    """
    return before(matte(frame, alpha, old), new)


def before(person: Matte, new: np.ndarray) -> np.ndarray:
    """The person of a matte before another background, uint8 (H, W, 3), with a soft shadow where the feet touch the
    ground. new: uint8 of any size."""
    height, width = person.alpha.shape
    ground = cover(new, width, height).astype(np.float32) * contact_shadow(person.alpha)[..., None]
    share = person.alpha[..., None]
    return np.clip(share * person.colours + (1 - share) * ground + 0.5, 0, 255).astype(np.uint8)


def standing(frame: np.ndarray, charts: np.ndarray) -> np.ndarray:
    """Coverage (H,W) f32 of the person in a frame uint8 (H, W, 3) to which nothing was carried: the mask of who is
    found there, or else the charts uint8 (H, W, 3) of the pose, a little grown."""
    found = find_landmarks(frame)
    if found is not None:
        return found.mask
    return cv2.GaussianBlur(grow(charts[..., 0] > 0, len(frame) / DESIGN_ROWS).astype(np.float32), (0, 0), 1)


def matte(frame: np.ndarray, alpha: np.ndarray, background: np.ndarray) -> Matte:
    """The person of a frame uint8 (H, W, 3); alpha, background: as replace_background takes them.

    In a band about the carried outline, coverage is the pixel's place on the line from the background's colour to the
    person's (I = aF + (1-a)B); where the two are alike the carried coverage stands.
    """
    height, width = frame.shape[:2]
    unit = height / DESIGN_ROWS
    image = frame.astype(np.float32)
    guess = np.clip(resized(alpha, width, height), 0, 1)
    outline = signed_distance(guess > 0.5)  # negative inside
    back = _as_filmed(image, resized(background, width, height).astype(np.float32), outline > (REACH + 2) * unit)

    core = outline < -1.5 * unit
    front = cv2.GaussianBlur(bleed(image, core), (0, 0), unit)
    line = front - back
    length = (line**2).sum(-1)
    place = ((image - back) * line).sum(-1) / (length + 1e-3)
    off = ((image - back - place[..., None] * line) ** 2).sum(-1)
    # a colour that is neither may still be the person's: hair before a dress, a shoe beside a leg
    other = np.sqrt(((image - back) ** 2).sum(-1)) / TELLING - 0.5
    place = np.maximum(np.clip(place, 0, 1), np.clip(other, 0, 1) * (off > STRAY**2))
    trust = length / (length + TELLING**2)
    found = trust * place + (1 - trust) * guess
    deep = np.clip((-outline / unit - (DEPTH - 1.5)) / 1.5, 0, 1)
    coverage = np.maximum(np.minimum(found, np.clip(1 - (outline / unit - (REACH - 2)) / 2, 0, 1)), deep)
    coverage = np.clip((coverage - HALO) / (SOLID - HALO), 0, 1)
    pure = np.maximum(found, np.clip(deep * 2 - 1, 0, 1))
    return Matte(coverage, _own_colours(image, coverage, pure, back))


def _as_filmed(image: np.ndarray, background: np.ndarray, bare: np.ndarray) -> np.ndarray:
    """The background as this frame shows it: a model's tones drift a little. bare: (H,W) bool, surely nobody."""
    if not bare.any():
        return background
    return background + smooth_fill(cv2.blur(image - background, (5, 5)), bare, 12)


def _own_colours(image: np.ndarray, alpha: np.ndarray, pure: np.ndarray, back: np.ndarray) -> np.ndarray:
    """The person's colours: what remains of a mixed pixel without the background, the less of its own the more of the
    background it had. pure: (H,W) f32, the person's share of each pixel's colour as it was seen."""
    share = pure[..., None]
    full = shrink(pure > 0.95, 1) & (alpha > 0.5)
    full = full if full.any() else alpha > 0.5
    near = cv2.GaussianBlur(bleed(image, full), (0, 0), 0.8)
    unmixed = np.clip((image - (1 - share) * back) / np.maximum(share, 0.1), 0, 255)
    return np.where(share > 0.99, image, near + share**2 * (unmixed - near))
