"""A driving video for tests: a photo's person carried to and fro, with a tone."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np
from PIL import Image

from pose_tools.video import write_video

HEIGHT = 480


def write_moving(photo: Path, out: Path, frames: int, fps: float) -> Path:
    picture = Image.open(photo).convert("RGB")
    picture = np.asarray(picture.resize((2 * round(picture.width * HEIGHT / picture.height / 2), HEIGHT)))

    def moved() -> Iterator[np.ndarray]:
        for i in range(frames):
            shift = np.float32([[1, 0, 20 * np.sin(2 * np.pi * i / frames)], [0, 1, 0]])
            yield cv2.warpAffine(picture, shift, picture.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)

    tone, seconds = out.with_suffix(".m4a"), frames / fps
    sine = ["-f", "lavfi", "-i", f"sine=frequency=440:duration={seconds}", "-c:a", "aac"]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-v", "error", *sine, str(tone)], check=True)
    return write_video(moved(), out, fps, audio=tone)
