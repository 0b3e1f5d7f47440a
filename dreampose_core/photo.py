"""Opening a picture that a stranger handed over: RGB pixels, or one plain sentence why not.

What a file claims is checked before anything is decoded: its size, its first bytes (a name or an ending
counts for nothing), and the pixels its header announces, so that a small file cannot unpack into a huge
picture.
"""

from __future__ import annotations

import io
import struct
import warnings
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from pose_tools.errors import BadInput

try:
    import pillow_heif

    pillow_heif.register_heif_opener()
    HEIC = True
except ImportError:  # an extra: photos of phones in HEIC are then refused with a sentence
    HEIC = False

MAX_BYTES = 30 * 10**6
MAX_PIXELS = 50 * 10**6
MIN_SIDE = 64  # pixels; with less there is no person to be seen
MAX_RATIO = 8  # longer side to shorter side
BRIGHT = 98  # of a photo's pixels out of 100 are darker than what should be white
LIGHT = 170  # levels above which the brightest parts are bright enough
TINT = 0.6  # of the strongest channel, which every channel should reach there
WHITE = 230.0
HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error, IndexError, KeyError, TypeError)


def open_photo(source: Path | str | bytes) -> np.ndarray:
    """The picture as it is meant to be seen, uint8 (H, W, 3) RGB.

    source: a file or its bytes: JPEG, PNG, WebP, BMP, TIFF, or HEIC where pillow-heif is installed. The
    camera's rotation (EXIF) is applied, alpha is laid onto white, CMYK, palettes and 16 bits become 8-bit
    RGB, and of an animation the first frame is taken. Raises BadInput for everything else.
    """
    data = source if isinstance(source, bytes) else _read(Path(source))
    kind = _kind(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd metadata and of sizes that are checked here
        try:
            picture = Image.open(io.BytesIO(data), formats=[kind])
            width, height = picture.size
        except Image.DecompressionBombError as error:
            raise BadInput(_too_many_pixels()) from error
        except (UnidentifiedImageError, *_BROKEN) as error:
            raise BadInput("The picture file is damaged; please save it anew or take another.") from error
        _check_size(width, height)
        try:
            picture.seek(0)
            picture.load()
            picture = ImageOps.exif_transpose(picture)
            return np.ascontiguousarray(_rgb(picture))
        except _BROKEN as error:
            raise BadInput("The picture file is damaged or cut off; please save it anew.") from error


def evened(photo: np.ndarray) -> np.ndarray:
    """A copy of a dark or strongly tinted photo uint8 (H, W, 3) in which its brightest parts are white, to look for
    people in; their colours are to be taken from the photo itself. A photo of usual light comes back as it is."""
    top = np.percentile(photo.reshape(-1, 3), BRIGHT, axis=0).clip(8)
    if top.max() > LIGHT and top.min() > TINT * top.max():
        return photo
    return np.clip(photo * (WHITE / top), 0, 255).astype(np.uint8)


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise BadInput(f"There is no picture file named {path.name}.")
    if path.stat().st_size > MAX_BYTES:
        raise BadInput(_too_many_bytes())
    return path.read_bytes()


def _kind(data: bytes) -> str:
    """Pillow's name of the format that the first bytes belong to. BadInput for any other."""
    if not data:
        raise BadInput("The picture file is empty.")
    if len(data) > MAX_BYTES:
        raise BadInput(_too_many_bytes())
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith((b"II*\0", b"MM\0*")):
        return "TIFF"
    if data[4:8] == b"ftyp" and data[8:12] in HEIC_BRANDS:
        if HEIC:
            return "HEIF"
        raise BadInput("HEIC pictures cannot be read here; please save the photo as JPEG or PNG.")
    if data.startswith(b"BM") and data[6:10] == b"\0\0\0\0":
        return "BMP"
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith(b"<"):
        what = "an SVG drawing" if b"<svg" in head else "a web page or other text"
        raise BadInput(f"This file is {what} and not a photo; please take a JPEG or PNG.")
    raise BadInput("This file is not a picture that can be read; please take a JPEG, PNG, WebP, BMP or TIFF.")


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise BadInput(_too_many_pixels())
    if min(width, height) < MIN_SIDE:
        raise BadInput(
            f"The picture is too small ({width}x{height} pixels); both sides need {MIN_SIDE} or more."
        )
    if max(width, height) > MAX_RATIO * min(width, height):
        raise BadInput("The picture is too long and narrow.")


def _rgb(picture: Image.Image) -> np.ndarray:
    """Any mode to uint8 (H, W, 3)."""
    if picture.mode.startswith("I") or picture.mode == "F":
        values = np.asarray(picture, dtype=np.float64)
        deep = (
            picture.mode.startswith("I;16") or values.max() > 255
        )  # other modes say their depth by values only
        top = 65535.0 if deep else 255.0
        grey = np.clip(values / top * 255.0, 0, 255).round().astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if picture.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
    return np.asarray(picture.convert("RGB"))


def _too_many_bytes() -> str:
    return f"The picture file is too large; up to {MAX_BYTES // 10**6} MB can be read."


def _too_many_pixels() -> str:
    return f"The picture has too many pixels; up to {MAX_PIXELS // 10**6} megapixels can be read."


def resized(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """A picture (H, W[, C]) at height x width: means where it shrinks, linear between pixels where it grows."""
    if picture.shape[:2] == (height, width):
        return picture
    shrinks = picture.shape[0] > height
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
