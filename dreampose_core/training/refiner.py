"""The refiner: decoded and carried pictures of rendered people against what can be known of the true frames.

True frames are moved onto the carried ones (aligning.py), and where the photo shows nothing of a place, what is wanted
there is the true colours with the carried picture's texture: nobody can know the print on a back, and the safest
answer to what cannot be known is a blur.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dreampose_core.modeling import picture_tensor
from dreampose_core.refiner import Refiner, charts_tensor
from dreampose_core.training import loop
from dreampose_core.training.aligning import background_of, draw_background, exchange_background, move_onto
from dreampose_core.training.autoencoder import gradient_error
from dreampose_core.training.prepared import Prepared
from pose_tools.body.charts import mirror_iuv

CROP = (160, 128)
PERSON_WEIGHT = 3.0
TEXTURE_WEIGHT = 2.0
OTHER_BACKGROUND = 0.6  # share of the crops that get one
SEEN = (0.2, 0.6)  # visibility from which, and in full, a place counts as seen
COLOURS = 17  # pixels, the width of the means that tell a place's colours from its texture
UNLIKE = 0.3  # of -1…1: where the carried colours are so far from the true ones, 1/e of the carried texture is wanted


@dataclass(frozen=True, eq=False)
class Examples:
    """What the refiner learns from, M frames `rows` of the data.

    decoded (M, H, W, 3): what the diffusion model made of them; true (M, H, W, 3) and mask (M, H, W): the true frames
    and people, moved onto the carried ones; all uint8. carried_wall, true_wall: a subject's background in its carried
    and in its true frames, float32 (H, W, 3), by the row of its photo.
    """

    data: Prepared
    rows: np.ndarray
    decoded: np.ndarray
    true: np.ndarray
    mask: np.ndarray
    carried_wall: dict[int, np.ndarray]
    true_wall: dict[int, np.ndarray]


def make_examples(data: Prepared, decoded: np.ndarray, rows: np.ndarray) -> Examples:
    """See Examples; takes about 20 ms a row."""
    moved = [move_onto(data.carried[i], data.alpha[i], data.frames[i], data.mask[i]) for i in rows]
    true, mask = (np.stack(part) for part in zip(*moved, strict=True))
    walls: tuple[dict, dict] = {}, {}
    for photo in np.unique(data.photo[rows]):
        own = data.photo == photo
        walls[0][int(photo)] = background_of(data.carried[own], data.alpha[own])
        walls[1][int(photo)] = background_of(data.frames[own], data.mask[own])
    return Examples(data, rows, decoded, true, mask, *walls)


def train_refiner(
    examples: Examples,
    folder: Path,
    schedule,
    batch: int = 4,
    start: Refiner | None = None,
) -> None:
    """Writes folder/refiner. start: a refiner to go on with, None for a new one."""
    torch.manual_seed(0)
    model = (start or Refiner()).float().train().requires_grad_(True).to(memory_format=torch.channels_last)

    def loss_of_step(step: int) -> tuple[Tensor, dict[str, float]]:
        rng = np.random.default_rng(step)
        pick = rng.integers(0, len(examples.rows), batch)
        inputs, true, person = refiner_batch(examples, pick, rng)
        made = model(*inputs)
        error = (made - true).abs()
        weight = 1 + PERSON_WEIGHT * person
        loss = (error * weight).mean() + 0.25 * gradient_error(made * weight, true * weight)
        loss = loss + TEXTURE_WEIGHT * texture_error(made * weight, true * weight)
        return loss, {"l1": float(error.detach().mean()) / 2}

    loop.run("refiner", {"refiner": model}, loss_of_step, schedule, folder)
    model.save_pretrained(folder / "refiner")


def knowable(true: Tensor, person: Tensor, carried: Tensor, visibility: Tensor, coverage: Tensor) -> Tensor:
    """What can be asked for, (B, 3, H, W) in -1…1: the true picture, with the carried one's texture where the photo
    did not see.

    true, carried (B, 3, H, W) in -1…1; person, visibility, coverage (B, 1, H, W) in 0…1. Where the carried colours are
    other than the true ones, something else lies there, whose texture is not wanted.
    """
    both = person * coverage
    true_colours, carried_colours = _colours_around(true, both), _colours_around(carried, both)
    apart = (true_colours - carried_colours).abs().amax(1, keepdim=True)
    low, high = SEEN
    unseen = both * (1 - ((visibility - low) / (high - low)).clamp(0, 1)) * torch.exp(-((apart / UNLIKE) ** 2))
    return true + unseen * (true_colours + carried - carried_colours - true)


def _colours_around(picture: Tensor, where: Tensor) -> Tensor:
    """Means of a picture (B, 3, H, W) around each pixel, among what has weight in `where` (B, 1, H, W)."""
    total, weight = picture * where, where
    for _ in range(2):
        total, weight = (F.avg_pool2d(plane, COLOURS, 1, COLOURS // 2) for plane in (total, weight))
    return total / weight.clamp_min(1e-4)


def texture_error(made: Tensor, true: Tensor) -> Tensor:
    """Mean absolute difference of how much detail there is around each pixel, wherever exactly it lies.

    Carried patterns are a few pixels off the true ones. Compared pixel by pixel the safest answer is to blur them;
    compared by the mean size of differences between neighbours over 8x8 pixels, it is to keep them.
    """
    return sum(
        F.l1_loss(F.avg_pool2d(made.diff(dim=axis).abs(), 8, 4), F.avg_pool2d(true.diff(dim=axis).abs(), 8, 4))
        for axis in (-2, -1)
    )


def refiner_batch(
    examples: Examples, pick: np.ndarray, rng: np.random.Generator
) -> tuple[tuple[Tensor, ...], Tensor, Tensor]:
    """Random crops of the examples `pick` (B,), some before other backgrounds: the refiner's five inputs, the pictures
    that are wanted (B, 3, h, w) in -1…1 and the person masks (B, 1, h, w)."""
    crops = [_crop(examples, int(which), rng) for which in pick]
    mix = torch.stack([_colours(rng) for _ in pick])

    def pictures(name: str) -> Tensor:
        return torch.einsum("boc,bchw->bohw", mix, picture_tensor(np.stack([crop[name] for crop in crops])))

    def shares(name: str) -> Tensor:
        return torch.from_numpy(np.stack([crop[name] for crop in crops])).float()[:, None] / 255

    charts = charts_tensor(np.stack([crop["charts"] for crop in crops]))
    inputs = (pictures("decoded"), pictures("carried"), shares("visibility"), shares("alpha"), charts)
    person = shares("mask")
    return inputs, knowable(pictures("true"), person, *inputs[1:4]), person


def _crop(examples: Examples, which: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """One example's planes, cut, perhaps before another background, perhaps mirrored; all uint8."""
    data, row = examples.data, examples.rows[which]
    height, width = data.alpha.shape[1:]
    y = 8 * int(rng.integers(0, (height - CROP[0]) // 8 + 1))
    x = 8 * int(rng.integers(0, (width - CROP[1]) // 8 + 1))
    cut = slice(y, y + CROP[0]), slice(x, x + CROP[1])
    crop = {name: getattr(data, name)[row][cut] for name in ("carried", "visibility", "alpha", "charts")}
    crop |= {name: getattr(examples, name)[which][cut] for name in ("decoded", "true", "mask")}
    if rng.random() < OTHER_BACKGROUND:
        new = draw_background(rng, height, width)[cut]
        carried_wall, true_wall = (
            walls[int(data.photo[row])][cut] for walls in (examples.carried_wall, examples.true_wall)
        )
        for name in ("carried", "decoded"):
            crop[name] = exchange_background(crop[name], crop["alpha"], carried_wall, new)
        crop["true"] = exchange_background(crop["true"], crop["mask"], true_wall, new)
    if rng.random() < 0.5:
        crop = {name: mirror_iuv(plane) if name == "charts" else np.fliplr(plane) for name, plane in crop.items()}
    return crop


def _colours(rng: np.random.Generator) -> Tensor:
    """A random mixing of the channels, the same for what goes in and what should come out."""
    if rng.random() < 0.4:
        return torch.eye(3)
    order = rng.permutation(3) if rng.random() < 0.5 else np.arange(3)
    mixed = np.eye(3)[order] * rng.uniform(0.6, 1.05) + rng.normal(0, 0.06, (3, 3))
    return torch.from_numpy(mixed.astype(np.float32))
