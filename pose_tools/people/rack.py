"""Where a person's surfaces and textures are collected while they are dressed."""

from dataclasses import dataclass, replace

import numpy as np

from .anatomy import Anatomy
from .cloth import Surface
from .patterns import Texture


@dataclass
class Rack:
    """Collects surfaces and textures while a person is dressed. ``hidden`` (V,): body goes where this is above 0."""

    anatomy: Anatomy
    rest: np.ndarray
    normals: np.ndarray
    heads: np.ndarray
    rng: np.random.Generator
    surfaces: list
    textures: list
    hidden: np.ndarray
    notes: dict

    def texture(self, texture: Texture, kind: str = "cloth") -> int:
        """The number of a new texture. kind: of kinds.KINDS."""
        self.textures.append(texture)
        self.notes.setdefault("textures", []).append(kind)
        return len(self.textures) - 1

    def hide_body(self, cover: np.ndarray, margin: float = 0.010) -> None:
        self.hidden = np.maximum(self.hidden, cover - margin)

    def tuck(self, cover: np.ndarray, margin: float) -> None:
        """Takes away what earlier garments have deeper than ``margin`` metres inside ``cover`` (V,)."""
        for i, surface in enumerate(self.surfaces):
            if surface.source is not None:
                keep = np.minimum(surface.keep, margin - cover[surface.source])
                self.surfaces[i] = replace(surface, keep=keep.astype(np.float32))

    def add_shell(self, surface: Surface, pieces: dict[int, int]) -> None:
        self.surfaces.append(replace(surface, texture=np.vectorize(pieces.get)(surface.texture)))
