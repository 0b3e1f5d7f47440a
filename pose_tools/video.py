"""Video in and out through the ffmpeg that the imageio-ffmpeg package carries.

Frames are uint8 (H, W, 3) RGB and pass one by one, so memory does not grow with the length of a clip. Files
are written under a temporary name and renamed when ffmpeg has ended well.
"""

from __future__ import annotations

import itertools
import logging
import math
import subprocess
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import imageio_ffmpeg
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pose_tools.errors import BadInput
from pose_tools.files import replacing

logging.getLogger("imageio_ffmpeg").setLevel(logging.ERROR)  # it warns whenever frames are asked for in another size

# Playlists and other files that name further files or addresses are not opened: an upload may be anyone's.
CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,mpeg,mpegts,flv,asf,ogg,h264,hevc,mxf,dv"
INPUT = ["-protocol_whitelist", "file", "-format_whitelist", CONTAINERS]
# How the names of videos end that are looked for in folders; a file that is named by a person may be called anything.
VIDEOS = {".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".gif", ".mpg", ".mpeg", ".wmv", ".flv", ".ts", ".3gp"}
# Untagged yuv is read as bt601 by one player and bt709 by another; say which it is.
COLOUR = "scale=out_color_matrix=bt709:out_range=tv"
TAGS = ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"]
FASTSTART = ["-movflags", "+faststart"]
SQUARE = "scale=trunc(iw*sar/2)*2:ih,setsar=1"  # pixels that are shown wider than they are stored
GAP = 8
MOST_WIDTH = 1800  # pixels of the panels of a composed film, which telephones still play
CAPTIONS = ("Photo", "Pose", "Result")
PAPER, INK = (250, 250, 249), (70, 70, 76)


@dataclass(frozen=True)
class VideoInfo:
    """What a video says of itself. frames is an estimate (seconds times fps); width and height as shown."""

    width: int
    height: int
    fps: float
    seconds: float
    frames: int
    codec: str
    audio: bool


def probe(path: str | Path) -> VideoInfo:
    """Size after rotation, frame rate and length of a video; BadInput where it is no video."""
    with closing(_open(path, ["-vf", SQUARE])) as reader:
        info = _info(next(reader))
    if info.seconds:
        return info
    seconds = _counted_seconds(path, info.fps)  # a recording that was never closed names no length
    return replace(info, seconds=seconds, frames=max(1, round(seconds * info.fps)))


def read_frames(
    path: str | Path,
    fps: float | None = None,
    size: tuple[int, int] | None = None,
    start: float = 0.0,
    seconds: float | None = None,
) -> Iterator[np.ndarray]:
    """The frames of a video one by one, at its own or another frame rate and (width, height).

    start, seconds: the part of it that is read, None to the end. Rotation is applied; with a variable frame rate
    and no fps the video's nominal rate is kept. BadInput where the file is no video or breaks off before its
    first frame.
    """
    filters = [f"fps={Fraction(fps or probe(path).fps).limit_denominator(1001)}"]
    filters.append(f"scale={size[0]}:{size[1]}:flags=area,setsar=1" if size else SQUARE)
    with closing(_open(path, ["-vf", ",".join(filters)], _part(start, seconds))) as reader:
        width, height = next(reader)["size"]
        count = 0
        for data in reader:
            count += 1
            yield np.frombuffer(data, np.uint8).reshape(height, width, 3)
    if not count:
        raise BadInput(f"{Path(path).name} has no frame that can be read.")


def cut_sound(path: str | Path, out: str | Path, start: float = 0.0, seconds: float | None = None) -> Path | None:
    """Write the first sound track of a part of a video as .m4a; None where it has none that can be read."""
    if not probe(path).audio:
        return None
    inputs = [*_part(start, seconds), *INPUT, "-i", f"file:{Path(path).resolve()}"]
    try:
        with replacing(out) as temporary, tempfile.TemporaryFile() as log:
            command = _command(inputs, ["-map", "0:a:0", "-vn", "-c:a", "aac"], temporary)
            status = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log).returncode
            _check(status, log, out)
    except OSError:
        return None  # a film without sound is better than none
    return Path(out)


def _counted_seconds(path: str | Path, fps: float) -> float:
    """The length of a video that does not say it, from its packets' times and their number."""
    inputs = ["-progress", "pipe:1", *INPUT, "-i", f"file:{Path(path).resolve()}"]
    output = ["-map", "0:v:0", "-c", "copy", "-f", "null", "-"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *inputs, *output]
    told = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout
    last = dict(line.split("=", 1) for line in told.splitlines() if "=" in line)
    time, frames = (last.get(name, "").strip() for name in ("out_time_us", "frame"))
    return max(int(time) / 1e6 if time.isdigit() else 0.0, int(frames) / fps if frames.isdigit() else 0.0)


def _part(start: float, seconds: float | None) -> list[str]:
    """ffmpeg's input options for a part of a file."""
    part = ["-ss", f"{start:.3f}"] if start > 0 else []
    return part + (["-t", f"{seconds:.3f}"] if seconds is not None else [])


def _open(path: str | Path, output: list[str], part: Sequence[str] = ()) -> Iterator:
    """imageio-ffmpeg's reader with plain errors: yields its facts, then the bytes of each frame."""
    path = Path(path)
    if not path.is_file():
        raise BadInput(f"There is no video named {path.name}.")
    options = {"input_params": [*part, *INPUT], "output_params": output}
    reader = imageio_ffmpeg.read_frames(f"file:{path.resolve()}", **options)
    try:
        yield from reader
    except (OSError, RuntimeError, IndexError, AttributeError) as error:
        # the last two are how imageio-ffmpeg's header parser fails on a file without a picture stream
        raise BadInput(f"{path.name} is not a video that can be read.") from error
    finally:
        reader.close()


def _info(meta: dict) -> VideoInfo:
    width, height = meta["size"]
    fps = float(meta["fps"]) or 25.0  # ffmpeg names no rate for some streams
    seconds = float(meta["duration"])
    frames = max(1, round(seconds * fps))
    return VideoInfo(width, height, fps, seconds, frames, meta["codec"], "audio_codec" in meta)


def write_video(
    frames: Iterable[np.ndarray], path: str | Path, fps: float, audio: str | Path | None = None
) -> Path:
    """Write h264, yuv420p, +faststart (what browsers play); odd sizes get one more row or column.

    audio: a file whose first sound track is laid under the frames, cut or filled with silence to their
    length; one without sound is taken as silence. OSError where ffmpeg fails, a full disk included.
    """
    output = ["-vf", COLOUR, "-c:v", "libx264", "-preset", "medium", "-crf", "17"]
    output += ["-pix_fmt", "yuv420p", *TAGS]
    even = (_even(frame) for frame in frames)
    if audio is None:
        return _encode(even, path, fps, [*output, *FASTSTART])
    with tempfile.TemporaryDirectory() as folder:
        silent = _encode(even, Path(folder) / "silent.mp4", fps, output)
        # a second pass, because only now the length is known to which the sound is cut or filled
        inputs = ["-i", f"file:{silent}", *INPUT, "-i", f"file:{Path(audio).resolve()}"]
        sound = ["-map", "0:v:0", "-map", "1:a:0?", "-c:v", "copy", "-c:a", "aac", "-af", "apad"]
        with replacing(path) as temporary, tempfile.TemporaryFile() as log:
            command = _command(inputs, [*sound, "-t", f"{probe(silent).seconds}", *FASTSTART], temporary)
            status = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log).returncode
            _check(status, log, path)
    return Path(path)


def write_gif(frames: Iterable[np.ndarray], path: str | Path, fps: float) -> Path:
    """Write an endless GIF with one palette for the whole clip."""
    palette = "split[a][b];[a]palettegen=stats_mode=full[p];[b][p]paletteuse=dither=bayer:bayer_scale=4"
    return _encode(frames, path, fps, ["-filter_complex", palette, "-loop", "0"])


def write_frames_zip(files: Iterable[str | Path], path: str | Path) -> Path:
    """Write PNG files as frame_0001.png and so on into a zip, as they are."""
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for number, file in enumerate(files, 1):
            archive.write(file, f"frame_{number:04d}.png")
    return Path(path)


def _even(frame: np.ndarray) -> np.ndarray:
    """h264 with 4:2:0 colour wants even sizes: the last row and column are repeated where needed."""
    height, width = frame.shape[:2]
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), "edge")


def _encode(frames: Iterable[np.ndarray], path: str | Path, fps: float, output: list[str]) -> Path:
    """Feed frames of one size to ffmpeg; the file appears whole or not at all."""
    if not (math.isfinite(fps) and fps > 0):
        raise ValueError(f"a frame rate of {fps}")
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise ValueError("a video needs at least one frame")
    height, width = first.shape[:2]
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}"]
    raw += ["-r", str(Fraction(fps).limit_denominator(1001)), "-i", "pipe:0"]
    with replacing(path) as temporary, tempfile.TemporaryFile() as log:
        command = _command(raw, output, temporary)
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log) as ffmpeg:
            try:
                for frame in itertools.chain([first], frames):
                    if frame.shape != first.shape or frame.dtype != np.uint8:
                        raise ValueError(f"a frame of {frame.dtype} {frame.shape} after one of {first.shape}")
                    ffmpeg.stdin.write(np.ascontiguousarray(frame).data)
                ffmpeg.stdin.close()
            except BrokenPipeError:
                pass  # ffmpeg ended early: its exit status and log say why
            except BaseException:
                ffmpeg.kill()
                raise
            status = ffmpeg.wait()
        _check(status, log, path)
    return Path(path)


def _command(inputs: list[str], output: list[str], target: Path) -> list[str]:
    target = f"file:{target.resolve()}"
    return [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-v", "error", *inputs, *output, target]


def _check(status: int, log: BinaryIO, path: str | Path) -> None:
    """OSError with the last line of ffmpeg's log where it did not end well."""
    if status:
        log.seek(0)
        said = log.read().decode(errors="replace").strip().splitlines()
        raise OSError(f"ffmpeg could not write {Path(path).name}: {said[-1] if said else status}")


def side_by_side(
    photo: np.ndarray, pose_frames: Iterable[np.ndarray], result_frames: Iterable[np.ndarray]
) -> Iterator[np.ndarray]:
    """Compose photo | pose | result at the result's height, or less where they get too wide, with thin gaps and small
    captions above.

    photo (h, w, 3) of any size; pose and result frames uint8, as many of one as of the other (ValueError
    otherwise). Yields uint8 (H', W', 3) with even sides.
    """
    photo = Image.fromarray(photo)
    paper = None
    for pose, result in zip(pose_frames, result_frames, strict=True):
        three = [photo, Image.fromarray(pose), Image.fromarray(result)]
        shapes = sum(panel.width / panel.height for panel in three)
        height = min(result.shape[0], int(MOST_WIDTH / shapes))
        panels = [_at_height(panel, height) for panel in three]
        if paper is None:
            paper, places = _paper([panel.width for panel in panels], height)
        picture = paper.copy()
        for panel, place in zip(panels, places, strict=True):
            picture.paste(panel, place)
        yield np.asarray(picture)


def _at_height(picture: Image.Image, height: int) -> Image.Image:
    width = max(1, round(picture.width * height / picture.height))
    if picture.size == (width, height):
        return picture
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def _paper(widths: list[int], height: int) -> tuple[Image.Image, list[tuple[int, int]]]:
    """The empty page with its captions, and where each panel goes."""
    text = max(11, height // 26)
    top = GAP + round(text * 1.7)
    width = sum(widths) + GAP * (len(widths) + 1)
    paper = Image.new("RGB", (width + width % 2, top + height + GAP + (top + height + GAP) % 2), PAPER)
    draw, font = ImageDraw.Draw(paper), ImageFont.load_default(text)
    places, x = [], GAP
    for caption, panel in zip(CAPTIONS, widths, strict=True):
        draw.text((x + panel / 2, (top + 2) / 2), caption, INK, font, anchor="mm")
        places.append((x, top))
        x += panel + GAP
    return paper, places
