"""The refiner: decoded and carried pictures of rendered people against the true frames."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dreampose_core.modeling import picture_tensor
from dreampose_core.refiner import Refiner, charts_tensor
from dreampose_core.training import loop
from dreampose_core.training.autoencoder import gradient_error
from dreampose_core.training.prepared import Prepared
from pose_tools.body.charts import mirror_iuv

CROP = (160, 128)
PERSON_WEIGHT = 3.0
TEXTURE_WEIGHT = 2.0


def train_refiner(
    data: Prepared,
    decoded: np.ndarray,
    rows: np.ndarray,
    folder: Path,
    schedule,
    batch: int = 4,
    start: Refiner | None = None,
) -> None:
    """Writes folder/refiner.

    decoded: uint8 (M, H, W, 3), what the diffusion model made of the frames `rows` (M,) of the data; start: a
    refiner to go on with, None for a new one.
    """
    torch.manual_seed(0)
    model = (start or Refiner()).float().train().requires_grad_(True).to(memory_format=torch.channels_last)

    def loss_of_step(step: int) -> tuple[Tensor, dict[str, float]]:
        rng = np.random.default_rng(step)
        pick = rng.integers(0, len(rows), batch)
        inputs, true, person = refiner_batch(data, decoded, rows, pick, rng)
        made = model(*inputs)
        error = (made - true).abs()
        weight = 1 + PERSON_WEIGHT * person
        loss = (error * weight).mean() + 0.25 * gradient_error(made * weight, true * weight)
        loss = loss + TEXTURE_WEIGHT * texture_error(made * weight, true * weight)
        return loss, {"l1": float(error.detach().mean()) / 2}

    loop.run("refiner", {"refiner": model}, loss_of_step, schedule, folder)
    model.save_pretrained(folder / "refiner")


def texture_error(made: Tensor, true: Tensor) -> Tensor:
    """Mean absolute difference of how much detail there is around each pixel, wherever exactly it lies.

    Carried patterns are a few pixels off the true ones. Compared pixel by pixel the safest answer is to blur them;
    compared by the mean size of differences between neighbours over 8x8 pixels, it is to keep them.
    """
    return sum(
        F.l1_loss(F.avg_pool2d(made.diff(dim=axis).abs(), 8, 4), F.avg_pool2d(true.diff(dim=axis).abs(), 8, 4))
        for axis in (-2, -1)
    )


def refiner_batch(data: Prepared, decoded: np.ndarray, rows: np.ndarray, pick: np.ndarray, rng: np.random.Generator):
    """Random crops: the refiner's five inputs, the true pictures and the person masks (B, 1, h, w)."""
    cuts = []
    height, width = decoded.shape[1:3]
    for _ in pick:
        y = 8 * int(rng.integers(0, (height - CROP[0]) // 8 + 1))
        x = 8 * int(rng.integers(0, (width - CROP[1]) // 8 + 1))
        cuts.append((slice(y, y + CROP[0]), slice(x, x + CROP[1])))
    flips = rng.random(len(pick)) < 0.5
    mix = [_colours(rng) for _ in pick]

    def planes(source: np.ndarray, index: np.ndarray, mirror=np.fliplr) -> np.ndarray:
        parts = [source[i][cut] for i, cut in zip(index, cuts, strict=True)]
        return np.stack([mirror(part) if flip else part for part, flip in zip(parts, flips, strict=True)])

    def coloured(source: np.ndarray, index: np.ndarray) -> Tensor:
        tensor = picture_tensor(planes(source, index))
        return torch.stack([torch.einsum("oc,chw->ohw", m, t) for m, t in zip(mix, tensor, strict=True)])

    def share(source: np.ndarray) -> Tensor:
        return torch.from_numpy(planes(source, rows[pick])).float()[:, None] / 255

    inputs = (
        coloured(decoded, pick),
        coloured(data.carried, rows[pick]),
        share(data.visibility),
        share(data.alpha),
        charts_tensor(planes(data.charts, rows[pick], mirror_iuv)),
    )
    return inputs, coloured(data.frames, rows[pick]), share(data.mask)


def _colours(rng: np.random.Generator) -> Tensor:
    """A random mixing of the channels, the same for what goes in and what should come out."""
    if rng.random() < 0.4:
        return torch.eye(3)
    order = rng.permutation(3) if rng.random() < 0.5 else np.arange(3)
    mixed = np.eye(3)[order] * rng.uniform(0.6, 1.05) + rng.normal(0, 0.06, (3, 3))
    return torch.from_numpy(mixed.astype(np.float32))
