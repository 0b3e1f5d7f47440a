"""A driving video for tests: a photo's person carried to and fro, with a tone."""

import wave
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from pose_tools.video import write_video

HEIGHT = 480
RATE = 8000  # of the tone, samples a second


def write_moving(photo: Path, out: Path, frames: int, fps: float) -> Path:
    picture = Image.open(photo).convert("RGB")
    picture = np.asarray(picture.resize((2 * round(picture.width * HEIGHT / picture.height / 2), HEIGHT)))

    def moved() -> Iterator[np.ndarray]:
        for i in range(frames):
            shift = np.float32([[1, 0, 20 * np.sin(2 * np.pi * i / frames)], [0, 1, 0]])
            yield cv2.warpAffine(picture, shift, picture.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)

    tone = 8000 * np.sin(np.arange(round(RATE * frames / fps)) / RATE * 2 * np.pi * 440)
    with wave.open(str(out.with_suffix(".wav")), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(tone.astype("<i2").tobytes())
    return write_video(moved(), out, fps, audio=out.with_suffix(".wav"))
