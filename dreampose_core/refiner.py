"""The refiner: a small network in pixels, after the decoder.

A small autoencoder blurs a face, a weave, a print.  The carried picture still has them, but with faults where
the photo could not see.  The refiner chooses between the two at every pixel, and mends what neither has.  Away from
the person it changes nothing: there the carried picture is the photo's own background.  At the person's outline it
changes much or nothing: a little, along a whole outline of which it is not sure, is a grey rim.
"""

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

# decoded picture (3), carried picture (3), visibility (1), coverage (1), charts (3)
REFINER_CHANNELS = 11
OUTLINE = (0.15, 0.6)  # of -1…1: differences at the outline that are left out, and those that stay whole


class _Block(nn.Module):
    """Two convolutions beside a shortcut; no normalisation, so that a picture's own level survives."""

    def __init__(self, width: int):
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.silu(self.first(F.silu(x))))


class Refiner(ModelMixin, ConfigMixin):
    """decoded and carried picture -> blend weight and residual (a U-Net at half the picture's size).

    Args:
        widths: channels of the levels; the first level has half the picture's height and width.
        reach: pixels beyond the carried person up to which anything is changed.
    """

    @register_to_config
    def __init__(self, widths: tuple[int, ...] = (40, 64, 96), reach: int = 8):
        super().__init__()
        self.head = nn.Conv2d(4 * REFINER_CHANNELS, widths[0], 3, padding=1)
        self.down = nn.ModuleList(_Block(width) for width in widths)
        self.shrink = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in zip(widths, widths[1:], strict=False)
        )
        self.grow = nn.ModuleList(nn.Conv2d(a + b, a, 3, padding=1) for a, b in zip(widths, widths[1:], strict=False))
        self.up = nn.ModuleList(_Block(width) for width in widths[:-1])
        self.tail = nn.Conv2d(widths[0], 16, 3, padding=1)
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)

    def forward(self, decoded: Tensor, carried: Tensor, visibility: Tensor, coverage: Tensor, charts: Tensor) -> Tensor:
        """decoded, carried, charts (B, 3, H, W) in -1…1; visibility, coverage (B, 1, H, W) in 0…1.

        H and W are multiples of 8.  Returns the refined picture (B, 3, H, W), about -1…1, not clamped.
        """
        planes = torch.cat([decoded, carried, visibility * 2 - 1, coverage * 2 - 1, charts], dim=1)
        x = self.head(F.pixel_unshuffle(planes, 2))
        kept = []
        for level, block in enumerate(self.down):
            x = block(x)
            if level < len(self.shrink):
                kept.append(x)
                x = self.shrink[level](x)
        for level in reversed(range(len(self.grow))):
            x = F.interpolate(x, size=kept[level].shape[-2:], mode="nearest")
            x = self.up[level](self.grow[level](torch.cat([kept[level], x], dim=1)))
        out = F.pixel_shuffle(self.tail(F.silu(x)), 2)
        # Without training the blend is an even half; the visibility tells from the start where the carried is true.
        weight = torch.sigmoid(out[:, 3:] + 4 * visibility - 2)
        mended = decoded + (carried - decoded) * weight + out[:, :3]
        change = mended - carried
        # while it learns it must see what it is unsure of, or it learns to be just sure enough
        change = change if self.training else _firm(change, coverage)
        return carried + change * self._near(coverage)

    def _near(self, coverage: Tensor) -> Tensor:
        """coverage (B, 1, H, W) -> 1 on the person and near it, 0 beyond the reach, with a soft edge."""
        reach = self.config.reach
        near = (coverage > 0.02).to(coverage.dtype)
        near = F.max_pool2d(near, (2 * reach + 1, 1), 1, (reach, 0))  # a square's maximum, one side after the other
        near = F.max_pool2d(near, (1, 2 * reach + 1), 1, (0, reach))
        return F.avg_pool2d(near, 5, 1, 2, count_include_pad=False)


def _firm(change: Tensor, coverage: Tensor) -> Tensor:
    """A change (B, 3, H, W) of the carried picture with what is faint left out, outside of coverage (B, 1, H, W) and at
    its rim."""
    faint, clear = OUTLINE
    share = ((change.abs().amax(1, keepdim=True) - faint) / (clear - faint)).clamp(0, 1)
    share = share * share * (3 - 2 * share)
    within = F.avg_pool2d(-F.max_pool2d(-coverage, 3, 1, 1), 3, 1, 1, count_include_pad=False)
    return change * (within + (1 - within) * share)


def charts_tensor(iuv) -> Tensor:
    """uint8 (B, H, W, 3) charts -> float32 (B, 3, H, W) in -1…1 as the refiner reads them."""
    planes = torch.from_numpy(iuv.copy()).movedim(-1, 1).float()
    return planes * torch.tensor([2 / 24, 2 / 255, 2 / 255]).view(1, 3, 1, 1) - 1.0
