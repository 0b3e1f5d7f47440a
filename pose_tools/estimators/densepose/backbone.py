"""ResNet with a feature pyramid: the picture's features at strides 4 to 64.

Residual networks (arXiv 1512.03385) in the form of the first Detectron: the stride sits in the 1x1 convolution,
and batch norm is frozen. Pyramid: arXiv 1612.03144. Modules are named as in the official checkpoints.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPSILON = 1e-5  # of batch norm
CHANNELS = 256  # of every level of the pyramid


class FrozenNorm(nn.Module):
    """The statistics and the affine map of a batch norm that is not trained; see NormedConv."""

    def __init__(self, channels: int):
        super().__init__()
        for name in ("weight", "running_var"):
            self.register_buffer(name, torch.ones(channels))
        for name in ("bias", "running_mean"):
            self.register_buffer(name, torch.zeros(channels))


class NormedConv(nn.Conv2d):
    """A convolution and a frozen batch norm, which together are one convolution with other weights."""

    def __init__(self, ins: int, outs: int, kernel: int, stride: int = 1):
        super().__init__(ins, outs, kernel, stride, padding=kernel // 2, bias=False)
        self.norm = FrozenNorm(outs)

    def forward(self, x: Tensor) -> Tensor:
        norm = self.norm
        scale = norm.weight * (norm.running_var + EPSILON).rsqrt()
        return F.conv2d(
            x,
            self.weight * scale[:, None, None, None],
            norm.bias - norm.running_mean * scale,
            self.stride,
            self.padding,
        )


class Stem(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = NormedConv(3, 64, 7, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(self.conv1(x).relu_(), kernel_size=3, stride=2, padding=1)


class Bottleneck(nn.Module):
    def __init__(self, ins: int, middle: int, outs: int, stride: int):
        super().__init__()
        self.shortcut = NormedConv(ins, outs, 1, stride) if ins != outs else None
        self.conv1 = NormedConv(ins, middle, 1, stride)
        self.conv2 = NormedConv(middle, middle, 3)
        self.conv3 = NormedConv(middle, outs, 1)

    def forward(self, x: Tensor) -> Tensor:
        made = self.conv3(self.conv2(self.conv1(x).relu_()).relu_())
        return made.add_(x if self.shortcut is None else self.shortcut(x)).relu_()


class ResNet(nn.Module):
    """Pictures (N, 3, H, W) -> features at strides 4, 8, 16, 32 with 256, 512, 1024, 2048 channels."""

    def __init__(self, blocks: tuple[int, ...]):
        super().__init__()
        self.stem = Stem()
        ins = 64
        for level, count in enumerate(blocks):
            outs = 256 << level
            stage = [
                Bottleneck(ins if i == 0 else outs, outs // 4, outs, stride=2 if i == 0 and level else 1)
                for i in range(count)
            ]
            self.add_module(f"res{level + 2}", nn.Sequential(*stage))
            ins = outs

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.stem(x)
        features = []
        for stage in (self.res2, self.res3, self.res4, self.res5):
            x = stage(x)
            features.append(x)
        return features


class Pyramid(nn.Module):
    """Pictures (N, 3, H, W), sides multiples of 32 -> five levels (N, 256, h, w) at strides 4, 8, 16, 32, 64."""

    def __init__(self, blocks: tuple[int, ...]):
        super().__init__()
        for level in range(2, 6):
            self.add_module(f"fpn_lateral{level}", nn.Conv2d(64 << level, CHANNELS, 1))
            self.add_module(f"fpn_output{level}", nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1))
        self.bottom_up = ResNet(blocks)

    def forward(self, x: Tensor) -> list[Tensor]:
        levels: list[Tensor] = []
        above = None
        for level, feature in reversed(list(enumerate(self.bottom_up(x), start=2))):
            made = getattr(self, f"fpn_lateral{level}")(feature)
            if above is not None:
                made += F.interpolate(above, scale_factor=2.0, mode="nearest")
            above = made
            levels.insert(0, getattr(self, f"fpn_output{level}")(made))
        levels.append(levels[-1][:, :, ::2, ::2])
        return levels
