"""The KL autoencoder: photographs and rendered people, reconstruction with a gradient term and a light KL term."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import Tensor

from dreampose_core.encoding import fast_math
from dreampose_core.modeling import LATENT_CHANNELS, build_autoencoder, picture_tensor
from dreampose_core.training import loop, pictures

WIDTHS = (32, 48, 96, 128)
CROP = 96
WHOLE = (320, 256)  # every fourth step sees a whole picture: normalisation behaves otherwise on much background
COLOUR_WEIGHT = 1.0
ANCHOR_WEIGHT = 1.0
KL_WEIGHT = 2e-3  # of the divergence a pixel and channel


def gradient_error(made: Tensor, true: Tensor) -> Tensor:
    """Mean absolute difference of neighbouring pixels' differences: what keeps edges and weave sharp."""
    across = (made.diff(dim=-1) - true.diff(dim=-1)).abs().mean()
    return across + (made.diff(dim=-2) - true.diff(dim=-2)).abs().mean()


def cell_colours(pictures: Tensor) -> Tensor:
    """Pictures (B, 3, H, W) in -1…1 -> (B, 3, H/8, W/8): brightness, red against green, blue against yellow.

    Each is stretched so that natural pictures spread about alike in all three.
    """
    red, green, blue = F.avg_pool2d(pictures, 8).unbind(1)
    return torch.stack([2 * (red + green + blue) / 3, 4 * (red - green), 3 * (blue - (red + green) / 2)], dim=1)


def colour_error(made: Tensor, true: Tensor) -> Tensor:
    """Mean squared difference of the cells' colours.

    Absolute differences alone let a young decoder rest at grey, the median of all colours; squared ones do not.
    """
    return F.mse_loss(cell_colours(made), cell_colours(true))


def anchor_error(latents: Tensor, true: Tensor) -> Tensor:
    """How far the first three latent channels are from the cells' colours.

    Without it all four channels of a young encoder settle on brightness; with it the rest of training starts from
    colours, and a small UNet meets latents that carry over from one picture to another.
    """
    return F.mse_loss(latents[:, :3], cell_colours(true))


def train_autoencoder(
    photographs: Path, people: Path | None, folder: Path, schedule: loop.Schedule, batch: int = 8
) -> None:
    """Writes folder/vae (diffusers).  `people` may fill while the run goes on: it is read anew now and then."""
    torch.manual_seed(0)
    model = build_autoencoder(WIDTHS).to(memory_format=torch.channels_last)
    photos = pictures.load_photographs(photographs)
    rendered: list[np.ndarray] = []

    def draw(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
        person = bool(rendered) and rng.random() < 0.6
        source = rendered if person else photos
        zoom = (0.8, 1.3) if person else (0.7, 4.0)
        cut = pictures.crop(source[rng.integers(len(source))], size, rng, zoom)
        return pictures.colour_jitter(cut, rng) if rng.random() < 0.5 else cut

    def loss_of_step(step: int) -> tuple[Tensor, dict[str, float]]:
        if people and step % 500 == 0 or (people and not rendered):
            rendered[:] = pictures.load_rendered(people)
        rng = np.random.default_rng(step)
        torch.manual_seed(step)
        size, count = (WHOLE, 1) if step % 4 == 3 else ((CROP, CROP), batch)
        true = picture_tensor(np.stack([draw(rng, size) for _ in range(count)])).to(memory_format=torch.channels_last)
        with fast_math(true.device):
            posterior = model.encode(true).latent_dist
            anchor = anchor_error(posterior.mean.float(), true)
            made = model.decode(posterior.sample()).sample.float()
        error = (made - true).abs().mean()
        kl = posterior.kl().float().sum() / true.numel()
        mse = ((made.detach() - true) ** 2).mean((1, 2, 3)).clamp_min(1e-8) / 4
        loss = error + 0.5 * gradient_error(made, true) + COLOUR_WEIGHT * colour_error(made, true)
        loss = loss + ANCHOR_WEIGHT * anchor + KL_WEIGHT * kl
        return loss, {
            "l1": float(error.detach()) / 2,
            "psnr": float(-10 * mse.log10().mean()),
            "colour": float(colour_error(made.detach(), true)),
            "anchor": float(anchor.detach()),
            "kl": float(kl.detach()),
        }

    loop.run("autoencoder", {"vae": model}, loss_of_step, schedule, folder)
    finish_autoencoder(model, photos + rendered, folder)


def finish_autoencoder(model: AutoencoderKL, sources: list[np.ndarray], folder: Path) -> None:
    """Measure the latents on whole pictures, even them out, and save."""
    rng = np.random.default_rng(0)
    wholes = np.stack([pictures.crop(sources[rng.integers(len(sources))], WHOLE, rng, (1.0, 1.0)) for _ in range(64)])
    with torch.no_grad():
        latents = torch.cat([model.encode(picture_tensor(part)).latent_dist.mode() for part in np.split(wholes, 16)])
    even_out(model, latents.mean((0, 2, 3)), latents.std((0, 2, 3)))
    model.register_to_config(scaling_factor=1.0)
    model.save_pretrained(folder / "vae")


@torch.no_grad()
def even_out(model: AutoencoderKL, mean: Tensor, spread: Tensor) -> None:
    """Shift and scale every latent channel to mean 0 and standard deviation 1, in the weights themselves.

    mean, spread (4,): of the latents as they are. What the model reconstructs stays the same: the 1x1 convolution
    before the latents takes the change, the one after them takes it back. Noise then means the same to all channels.
    """
    before, after = model.quant_conv, model.post_quant_conv
    before.weight[:LATENT_CHANNELS] /= spread.view(-1, 1, 1, 1)
    before.bias[:LATENT_CHANNELS] = (before.bias[:LATENT_CHANNELS] - mean) / spread
    before.bias[LATENT_CHANNELS:] -= 2 * spread.log()
    after.bias += torch.einsum("oi,i->o", after.weight[:, :, 0, 0], mean)
    after.weight *= spread.view(1, -1, 1, 1)
