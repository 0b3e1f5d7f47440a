"""The texture of the unrolled head: what the photo shows of it, and what a stranger would expect of the rest.

Where the photo does not see, hair goes on to the hairline as pieces of the hair that is seen, and skin goes on
smoothly, shaded as the figure's head is.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from dreampose_core.carry.fill import bleed, distance, grow, local_mean, shrink, smooth_fill
from dreampose_core.carry.head.around import EDGE, Around, Skull
from dreampose_core.carry.quilt import largest_piece, quilt
from pose_tools.body.raster import raster

# A hairline of hair that is short or tied: degrees from the middle of the face, height from chin (0) to crown (1).
_LINE = (
    *((66, 0.62), (78, 0.50), (84, 0.40), (87, 0.42), (90, 0.53), (102, 0.53)),
    *((106, 0.40), (111, 0.22), (120, 0.08), (140, 0.04), (180, 0.04)),
)
_STANDS_OUT = 0.03  # metres out of the skull from which on there is hair
_NECK = 0.88  # of the brightness of the face: the sides of a neck are no darker
_SEEN = 0.42  # photo pixels for one of the texture from which on it shows what the photo does
_LIKE = 0.5  # correlation of a face's two halves from which on they are taken to be alike
_ASIDE = 0.035  # of the way around: so far from the fitted middle a face's own is looked for
_CURLS = 17  # pixels: hair of which pieces so large are seen goes on as such pieces, other hair as strands


def paint_around(
    map_: Around,
    skull: Skull,
    points: np.ndarray,
    back: np.ndarray,
    faces: np.ndarray,
    place: np.ndarray,
    colours: np.ndarray,
    alpha: np.ndarray,
    hair: np.ndarray,
    skin: np.ndarray,
    camera: float,
    ragged: float,
) -> np.ndarray:
    """The texture (h,w,5) uint8 of a head: colours, how far the photo can be trusted there when it is turned, and by
    how many sixteenths of a pixel its outline is withdrawn there.

    points and back (N,3): at rest, of the surface that the photo shows and of the one behind; faces (F,3) among them;
    place (N,2): where they lie in the photo with colours (H,W,3) uint8, alpha (H,W) f32 0..1, and the masks (H,W) bool
    of hair and of skin. camera: radians from the middle of the face to where it is; ragged: photo pixels by which the
    outline of the hair varies.
    """
    at = map_.place(points) - (EDGE, 0)
    size = int(max(at[np.unique(faces), 1].max(), map_.row(skull.chin, 0.1)) + 4), map_.width
    shown, clear, known, labels = _unroll(map_, points, faces, place, at, size, colours, alpha, (hair, skin))
    zone = np.zeros(size, bool)
    if (known & labels[0]).sum() > 0.02 * known.sum() and shrink(hair, 1).sum() > 40:
        zone = _zone(map_, skull, known, labels[0], _hairline(map_, skull, known, labels[0]))
        # what stands far out of the skull is hair
        both = np.concatenate([faces, faces + len(points)])
        out_of = _distance(map_, np.concatenate([points, back]), both, size)
        zone |= ~known & (out_of > _distance(map_, skull.points, skull.faces, size) + _STANDS_OUT)
    sure = cv2.GaussianBlur(shrink(known, 2).astype(np.float32), (0, 0), 1.2)[..., None]
    bare = known & labels[1] & ~zone
    plain = _skin(map_, skull, shown, bare, known)
    # a face seen half from the side has on its far side what is seen on its near one
    turned = np.clip((np.abs(np.rad2deg(camera)) - 12) / 10, 0, 1)
    out = plain
    if turned:
        middle = _middle(map_, skull, shown, labels[1] & ~zone)
        detail = np.concatenate([shown - plain, (sure[..., 0] * grow(bare, 2))[..., None]], -1)
        other = _mirrored(detail, middle)
        # the shadow below a jaw is no feature
        above = np.clip((_jaw(map_, skull) - np.arange(size[0])[:, None]) / 6, 0, 1)[..., None]
        far = turned * above * _far(map_, camera, middle[0])[:, None]
        out = plain + other[..., :3] * other[..., 3:] * far
        sure = sure * (1 - far * grow(bare, 2)[..., None])
    if zone.any():
        own = known & labels[0]
        sources = shrink(own, 2)
        sources = sources if sources.any() else own
        guide = _closed(smooth_fill, cv2.GaussianBlur(shown, (0, 0), 2.0).astype(np.float32), sources)
        strands = shrink(hair & (alpha > 0.97), 0.01 * map_.density)
        strands = strands if strands.sum() > 200 else hair
        if largest_piece(strands) >= _CURLS:
            wanted = grow(zone, 3) & ~own
            laid = _closed(lambda *planes: quilt(*planes[:3], colours, strands, planes[3]), shown, own, wanted, guide)
        else:
            guide = 0.2 * guide + 0.8 * np.quantile(colours[hair], 0.4, axis=0)
            laid = _combed(map_, guide, colours, strands)
        soft = cv2.GaussianBlur(zone.astype(np.float32), (0, 0), 1.0)[..., None]
        out = out * (1 - soft) + laid * soft
    # curls at the outline are mixed farther in than a cheek is
    clear = clear & (labels[1] | zone & (distance(~clear) > 1.5 * ragged))
    clear = np.maximum(sure[..., 0], cv2.GaussianBlur(clear.astype(np.float32), (0, 0), 1.0))
    edge = _closed(lambda hair: _ragged(hair, ragged), zone)
    out = np.concatenate([out * (1 - sure) + shown * sure, 255 * clear[..., None], 16 * edge[..., None]], -1)
    return np.pad(np.clip(out + 0.5, 0, 255).astype(np.uint8), ((0, 0), (EDGE, EDGE), (0, 0)), mode="wrap")


def _jaw(map_: Around, skull: Skull) -> np.ndarray:
    """(w,) rows of the jaw's lower edge."""
    return map_.row(skull.height(np.interp(np.abs(map_.degrees()), (0, 40, 95, 180), (0, 0.03, 0.22, 0.25))), 0.08)


def _far(map_: Around, camera: float, middle: float) -> np.ndarray:
    """(w,) f32 0..1: columns of the half of the face that is turned away from a camera so many radians from the map's
    middle; the face's own is so many columns from that."""
    away = -np.sign(camera) * (map_.degrees() - middle / map_.width * 360)
    return (np.clip(away / 5, 0, 1) * np.clip((100 - away) / 15, 0, 1)).astype(np.float32)


def _mirrored(plane: np.ndarray, middle: tuple[float, float]) -> np.ndarray:
    """plane (h,w,C) f32 mirrored about a column so far right of its middle, and moved so many rows down."""
    shift = np.float32([[1, 0, 2 * middle[0]], [0, 1, middle[1]]])
    return cv2.warpAffine(
        np.ascontiguousarray(plane[:, ::-1], np.float32), shift, plane.shape[1::-1], flags=cv2.INTER_LINEAR
    )


def _middle(map_: Around, skull: Skull, shown: np.ndarray, skin: np.ndarray) -> tuple[float, float]:
    """Where the photo's face (h,w,3) uint8, on its skin (h,w) bool, is likest to its mirrored self: columns from the
    map's middle, and rows by which a side lies lower; (0, 0) where it is nowhere. A body that is fitted to a turned
    head has its eyes and mouth some pixels beside the photo's."""
    rows = np.arange(len(shown))[:, None]
    high, low = map_.row(skull.height(np.array((0.8, 0.02))), 0.08)
    inner = shrink(skin, 1) & (rows > high) & (rows < low) & (np.abs(map_.degrees()) < 70)
    grey = cv2.cvtColor(shown, cv2.COLOR_RGB2GRAY).astype(np.float32)
    fine = cv2.GaussianBlur(grey, (0, 0), 0.006 * map_.width)
    fine -= local_mean(fine[..., None], inner, 0.04 * map_.width)[..., 0]
    planes = np.stack([fine * inner, inner], -1).astype(np.float32)
    best, found = _LIKE, (0.0, 0.0)
    most = round(_ASIDE * map_.width)
    for across in range(-most, most + 1):
        for down in range(-3, 4):
            other = _mirrored(planes, (across, down))
            both = inner & (other[..., 1] > 0.99)
            if both.sum() < 0.4 * inner.sum():
                continue
            mine, its = fine[both], other[..., 0][both]
            alike = float((mine * its).sum() / np.sqrt((mine**2).sum() * (its**2).sum() + 1e-6))
            if alike > best:
                best, found = alike, (float(across), float(down))
    return found


def _ragged(zone: np.ndarray, most: float) -> np.ndarray:
    """(h,w) f32 pixels, 0 to about twice `most`, in spots as large as that, where there is hair (h,w) bool."""
    noise = np.random.default_rng(zone.size).standard_normal(zone.shape).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), max(0.7 * most, 0.8))
    return (noise / noise.std() + 1).clip(0, 2) * most * zone


def _closed(fill: Callable[..., np.ndarray], *planes: np.ndarray) -> np.ndarray:
    """fill of planes (h,w[,C]) that go on beyond the seam at the back: the face is cut instead, which is known."""
    half = planes[0].shape[1] // 2
    return np.roll(fill(*(np.roll(plane, half, 1) for plane in planes)), -half, 1)


def _combed(map_: Around, guide: np.ndarray, colours: np.ndarray, hair: np.ndarray) -> np.ndarray:
    """(h,w,3) f32: strands about the guide's colours that run from the face back and down, as different from each
    other as those of the hair (H,W) bool in the photo are. Noise is drawn out along their course (Cabral and Leedom,
    Imaging Vector Fields Using Line Integral Convolution, 1993)."""
    apart = (colours - cv2.GaussianBlur(colours, (0, 0), 2.5).astype(np.float32))[hair]
    values, axes = np.linalg.eigh(np.cov(apart.T))
    height, width = guide.shape[:2]
    angle = np.deg2rad(map_.degrees())
    across, down = np.sin(np.abs(angle)) * np.sign(angle), 0.5 + np.abs(angle) / np.pi
    length = np.hypot(across, down)
    across, down = (np.broadcast_to((d / length).astype(np.float32), (height, width)) for d in (across, down))
    draw = np.random.default_rng(height * width)
    strands = np.zeros((height, width), np.float32)
    for fine, weight in ((0.6, 1.0), (2.0, 0.7)):
        noise = cv2.GaussianBlur(draw.standard_normal((height, width)).astype(np.float32), (0, 0), fine)
        total = np.zeros_like(noise)
        for way in (-1, 1):
            y, x = np.mgrid[:height, :width].astype(np.float32)
            for _ in range(12):
                total += cv2.remap(noise, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
                step = [cv2.remap(d, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for d in (across, down)]
                x, y = x + way * step[0], y + way * step[1]
        strands += weight * total / total.std()
    strands /= strands.std()
    return guide + strands[..., None] * (axes[:, -1] * np.sqrt(values[-1]) * np.sign(axes[:, -1].sum()))


def _unroll(
    map_: Around,
    points: np.ndarray,
    faces: np.ndarray,
    place: np.ndarray,
    at: np.ndarray,
    size: tuple[int, int],
    colours: np.ndarray,
    alpha: np.ndarray,
    masks: tuple[np.ndarray, ...],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[np.ndarray]]:
    """What the photo shows: colours (h,w,3) uint8, where it is not mixed with its background (h,w) bool, where it has
    enough pixels for one of the texture besides (h,w) bool, and labels, for each mask (h,w) bool."""
    height, width = size
    corners = at[faces]
    faces = faces[np.ptp(corners[..., 0], axis=1) < map_.width / 4]
    depth = -map_.rho(points)
    hits = raster(np.concatenate([at, depth[:, None]], 1).astype(np.float32), faces, width, height)
    a, b, c = (at[faces[:, i]] for i in range(3))
    drawn = np.abs((b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0]))
    a, b, c = (place[faces[:, i]] for i in range(3))
    there = np.abs((b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0]))
    seen = there / np.maximum(drawn, 1e-3)
    where = np.einsum("kc,kcv->kv", hits.barycentric, place[faces[hits.face]]) - 0.5
    x, y = np.full((2, height, width), -9, np.float32)
    x.ravel()[hits.pixel], y.ravel()[hits.pixel] = where[:, 0], where[:, 1]
    shown = cv2.remap(colours, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    # at the outline the photo's pixels are mixed with what is behind them
    full, fairly = (
        cv2.remap(shrink(alpha > lowest, far * map_.density).astype(np.uint8), x, y, cv2.INTER_NEAREST, borderValue=0)
        for lowest, far in ((0.95, 0.01), (0.75, 0.005))
    )
    ratio = np.zeros(height * width, np.float32)
    ratio[hits.pixel] = seen[hits.face]
    ratio = cv2.GaussianBlur(ratio.reshape(size), (0, 0), 1.5)
    labels = [cv2.remap(mask.astype(np.float32), x, y, cv2.INTER_LINEAR, borderValue=0) > 0.5 for mask in masks]
    count, parts, stats, _ = cv2.connectedComponentsWithStats(full * (ratio > _SEEN).astype(np.uint8))
    known = parts == 1 + stats[1:, cv2.CC_STAT_AREA].argmax() if count > 1 else parts > 0
    return shown, fairly > 0, known, labels


def _hairline(map_: Around, skull: Skull, known: np.ndarray, hair: np.ndarray) -> np.ndarray:
    """(w,) f32 the row in each column of the texture down to which there is hair."""
    degrees = map_.degrees()
    ends = []
    for side in (-1, 1):
        columns = np.flatnonzero((side * degrees > 35) & (side * degrees < 85))
        columns = columns[np.argsort(-side * degrees[columns])]
        rows = []
        for row in range(len(known)):
            there = columns[known[row, columns]][:5]
            rows.append(hair[row, there].mean() if len(there) else np.nan)
        rows = np.array(rows)
        some = np.flatnonzero(~np.isnan(rows))
        rows = np.interp(np.arange(len(rows)), some, rows[some], right=0) if len(some) else np.zeros(len(rows))
        ends.append(max(_end(rows > 0.5, 4), map_.row(skull.height(0.72), 0.08)))
    share, angle = np.array(_LINE)[:, 1], np.array(_LINE)[:, 0]
    rho = 0.33 * (skull.crown - skull.chin)
    usual = map_.row(skull.height(share), rho)
    low = map_.row(skull.height(0.42), rho)
    out = np.zeros(len(degrees))
    turned = np.clip(degrees / 60 + 0.5, 0, 1)  # which side's end holds, at the face
    for i, degree in enumerate(degrees):
        away = abs(degree)
        across = turned[i] if away < 90 else 0.5 + 0.5 * np.sign(degree) * np.clip((180 - away) / 60, 0, 1)
        end = ends[0] * (1 - across) + ends[1] * across
        line = np.interp(away, angle, usual)
        if end >= low:  # hair that hangs past the ear hides it
            line = max(line, end) if away > 100 else end
        elif away < 78:
            line = end + (np.interp(78, angle, usual) - end) * np.clip((away - 60) / 18, 0, 1)
        out[i] = line
    return out


def _end(hairy: np.ndarray, gap: int) -> int:
    """The row down to which hair goes on from the top without a gap of more than so many rows; 0 for none."""
    rows = np.flatnonzero(hairy)
    if not len(rows):
        return 0
    breaks = np.flatnonzero(np.diff(rows) > gap)
    return int(rows[breaks[0] if len(breaks) else -1])


def _zone(map_: Around, skull: Skull, known: np.ndarray, hair: np.ndarray, line: np.ndarray) -> np.ndarray:
    """(h,w) bool: where there is hair: as the photo shows, and above the hairline where it does not see."""
    rows = np.arange(len(known))[:, None]
    degrees = map_.degrees()
    face = (np.abs(degrees) < 62)[None] & (rows > map_.row(skull.height(0.8), 0.08))
    guess = np.where(face, bleed(hair, known) if known.any() else hair, rows < line)
    even = cv2.GaussianBlur(np.where(known, hair, guess).astype(np.float32), (0, 0), 0.015 * map_.width) > 0.5
    return np.where(known, hair, even)


def _skin(map_: Around, skull: Skull, shown: np.ndarray, skin: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(h,w,3) f32 colours of skin everywhere: those seen of cheeks and neck, smoothly, shaded as the figure's head."""
    lab = cv2.cvtColor(shown, cv2.COLOR_RGB2LAB).astype(np.float32)
    if skin.sum() < 30:
        return np.broadcast_to(np.median(shown[known], 0) if known.any() else 128.0, shown.shape).astype(np.float32)
    degrees = map_.degrees()
    rows = np.arange(len(known))[:, None]
    jaw = _jaw(map_, skull)[None]
    beard = map_.row(skull.height(0.33), 0.08)
    away = np.abs(degrees)
    left = np.where(away < 90, degrees / 90, np.sign(degrees) * (180 - away) / 90) / 2 + 0.5
    parts = []
    for part in (rows < jaw - 2, rows > jaw + 2):
        own = skin & part
        if own.sum() < 20:
            parts.append(None)
            continue
        # neither eyes, brows and lips nor a beard or the line of shadow at the jaw; light may differ between the sides
        overall = np.median(shown[own], 0)
        plain, mean = np.zeros_like(own), np.zeros(shown.shape, np.float32)
        for side, share in ((-1, 1 - left), (1, left)):
            half = own & (side * degrees > 25)[None] & ((rows < beard) | (rows > jaw))
            half = half if half.sum() > 20 else own
            typical = np.median(lab[half & (lab[..., 0] >= np.median(lab[half][:, 0]))], 0)
            even = half & (np.abs(lab - typical) < (26, 7, 9)).all(-1)
            plain |= even & (side * degrees > 0)[None]
            lit = 0.5 * np.median(shown[even if even.any() else half], 0) + 0.5 * overall
            mean += share[None, :, None] * lit
        plain = shrink(own, 1) & plain
        plain = plain if plain.sum() > 15 else own
        near = _closed(lambda *planes: smooth_fill(*planes, 60), shown.astype(np.float32), plain)
        trust = cv2.GaussianBlur(plain.astype(np.float32), (0, 0), 0.06 * map_.width)[..., None]
        trust = np.clip(4 * trust, 0, 1)
        parts.append(cv2.GaussianBlur(near * trust + mean * (1 - trust), (0, 0), 2.0))
    upper, lower = (part if part is not None else parts[1 - i] for i, part in enumerate(parts))
    if upper is None:
        return np.broadcast_to(np.median(shown[skin], 0), shown.shape).astype(np.float32)
    # a neck is in the chin's shadow only where the chin is
    lighter = _NECK * np.median(upper, (0, 1)) / np.maximum(np.median(lower, (0, 1)), 1)
    lower = lower * np.maximum(lighter, 1)
    below = np.clip((rows - jaw + 3) / 6, 0, 1)[..., None]
    out = (upper * (1 - below) + lower * below) * _shade(map_, skull, known.shape)[..., None]
    # where the photo's own begins there is no step, and features have no part in that
    apart = cv2.GaussianBlur(shown, (0, 0), 1.5) - out
    even = shrink(skin, 2) & (np.abs(apart).max(-1) < 50)
    if even.any():
        fades = np.exp(-distance(even) / (0.08 * map_.width))[..., None]
        out = out + _closed(smooth_fill, local_mean(apart, even, 2.5), even) * fades
    return out


def _distance(map_: Around, points: np.ndarray, faces: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(h,w) f32 metres from the axis to the surface with these points (N,3) and faces (F,3)."""
    at, rho = map_.place(points) - (EDGE, 0), map_.rho(points)
    faces = faces[np.ptp(at[faces][..., 0], axis=1) < map_.width / 4]
    hits = raster(np.concatenate([at, -rho[:, None]], 1).astype(np.float32), faces, size[1], size[0])
    out, there = np.zeros(size[0] * size[1], np.float32), np.zeros(size[0] * size[1], bool)
    out[hits.pixel], there[hits.pixel] = -hits.depth, True
    return smooth_fill(out.reshape(size), there.reshape(size))


def _shade(map_: Around, skull: Skull, size: tuple[int, int]) -> np.ndarray:
    """(h,w) f32 about 1: darker where the figure's head has hollows or looks down, and lighter where it stands out."""
    out = _distance(map_, skull.points, skull.faces, size)
    wide = 0.012 * map_.density
    relief = (cv2.GaussianBlur(out, (0, 0), 0.7) - cv2.GaussianBlur(out, (0, 0), max(wide, 1))) / 0.006
    down = cv2.Sobel(cv2.GaussianBlur(out, (0, 0), 1.5), cv2.CV_32F, 0, 1, scale=1 / 8) * map_.density
    return 1 + 0.10 * np.clip(relief, -1.5, 1) + 0.12 * np.clip(down, -1, 0.3)
