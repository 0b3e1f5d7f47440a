"""The recipes that the quality bench compares: what makes the clip, and which of its costs count.

Three groups: pictures without a network; the paper's recipe (arXiv:2304.06025: the photo by tokens alone, frame by
frame, the subject's finetune), which needs a model that `train-mini --paper` trained; and the profile's own model.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from benchmarks.carrying import along_charts, beyond_outline
from benchmarks.scenes import Scene
from dreampose_core.carry import Carried
from dreampose_core.film.detail import lay_detail
from dreampose_core.finetune.finetune import FinetuneSettings, finetune_subject
from dreampose_core.modeling import tensor_picture
from dreampose_core.pipeline import DreamPosePipeline
from dreampose_core.profiles import Profile

# The paper's model in small: more sampling steps, guidance, or a longer finetune made no better pictures of it.
PAPER_STEPS = 10
PAPER_FINETUNE = FinetuneSettings(steps=300, decoder_steps=100, crops=24, patience=6)


class Maker:
    """One scene and the models that its recipes share.

    profile: whose weights (base) and settings are used; paper: the paper's model of the same size, or None.
    """

    def __init__(self, scene: Scene, profile: Profile, base: DreamPosePipeline, paper: DreamPosePipeline | None = None):
        self.scene, self.profile, self.base, self.paper = scene, profile, base, paper
        self.seconds = {"own": 0.0, "paper": 0.0}  # of the finetunes

    @cached_property
    def tuned(self) -> DreamPosePipeline:
        """The profile's model after the subject's finetune."""
        settings = FinetuneSettings(steps=self.profile.finetune_steps, decoder_steps=self.profile.decoder_steps)
        return self._tune("own", self.base, settings)

    @cached_property
    def paper_tuned(self) -> DreamPosePipeline:
        """The paper's model after the subject's finetune."""
        return self._tune("paper", self.paper, PAPER_FINETUNE)

    def render(self, model: DreamPosePipeline, **options) -> np.ndarray:
        """The scene's clip by the profile's settings, uint8 (T, H, W, 3)."""
        settings = {"num_inference_steps": self.profile.steps, "s1": self.profile.s1, "s2": self.profile.s2}
        return self._run(model, settings | options)

    def detailed(self, clip: np.ndarray) -> np.ndarray:
        """The clip with the photo's own detail, at the truth's size."""
        if self.scene.drawn is self.scene.carried:
            return clip
        return np.stack([lay_detail(*pair) for pair in zip(clip, self.scene.drawn, strict=True)])

    def render_paper(self, model: DreamPosePipeline, **options) -> np.ndarray:
        """The scene's clip frame by frame, as the paper makes it."""
        return self._run(model, {"num_inference_steps": PAPER_STEPS, "batch_size": 1} | options)

    def refine_carried(self) -> np.ndarray:
        """The refiner on the carried picture that went through the autoencoder, without the UNet."""
        out = []
        for one in self.scene.carried:
            latents = self.base.encode_pictures(one.picture[None])
            out.append(tensor_picture(self.base.refine(self.base.decode(latents), [one])))
        return np.concatenate(out)

    def carried_by(self, way: Callable[..., Carried]) -> np.ndarray:
        """The pictures of another way of carrying."""
        background = self.scene.sheet.background
        return pictures([way(self.scene.subject, background, one.iuv) for one in self.scene.carried])

    def _run(self, model: DreamPosePipeline, options: dict) -> np.ndarray:
        return model(self.scene.subject.photo, self.scene.poses, self.scene.carried, **options)

    def _tune(self, name: str, model: DreamPosePipeline, settings: FinetuneSettings) -> DreamPosePipeline:
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            made = finetune_subject(model, self.scene.subject, self.scene.sheet, settings, Path(folder) / "tuned")
        self.seconds[name] = time.monotonic() - started
        return made


def pictures(carried: Sequence[Carried]) -> np.ndarray:
    """(T, H, W, 3) uint8."""
    return np.stack([one.picture for one in carried])


@dataclass(frozen=True)
class Recipe:
    """make: the clip; carries: whether the sheet's pictures are used, for the seconds; tuned: the model whose finetune
    it needs, "own" or "paper"; paper: whether it needs the paper's model; traced: whether it needs the true places."""

    make: Callable[[Maker], np.ndarray]
    carries: bool = True
    tuned: str | None = None
    paper: bool = False
    traced: bool = False

    def warm_up(self, maker: Maker) -> float:
        """Do what is done once a subject, and give the seconds of its finetune."""
        if self.tuned is None:
            return 0.0
        maker.tuned if self.tuned == "own" else maker.paper_tuned  # noqa: B018  made once, and kept
        return maker.seconds[self.tuned]


PAPER = "paper's recipe"
OURS = "ours"
BOUND = "bound: pixels of the photo where they truly go"
RECIPES: dict[str, Recipe] = {
    BOUND: Recipe(lambda m: m.scene.truth.moved, carries=False, traced=True),
    "photo standing still": Recipe(lambda m: np.repeat(m.scene.subject.photo[None], len(m.scene.carried), 0), False),
    "carried along the charts": Recipe(lambda m: m.carried_by(along_charts), False),
    "carried, flow beyond the outline": Recipe(lambda m: m.carried_by(beyond_outline), False),
    "carried picture": Recipe(lambda m: pictures(m.scene.carried)),
    "carried picture, fine": Recipe(lambda m: pictures(m.scene.drawn)),
    "the same, cloth hanging still": Recipe(lambda m: m.scene.still, carries=False),
    "paper's before the finetune": Recipe(lambda m: m.render_paper(m.paper), False, paper=True),
    PAPER: Recipe(lambda m: m.render_paper(m.paper_tuned), False, "paper", True),
    "paper's, from and towards the carried": Recipe(
        lambda m: m.render_paper(m.paper, start="carried", strength=0.4, pull=1.0), paper=True
    ),
    "refiner without UNet": Recipe(lambda m: m.refine_carried()),
    "without refiner": Recipe(lambda m: m.detailed(m.render(m.base.with_parts(refiner=None)))),
    "without detail": Recipe(lambda m: m.render(m.tuned), tuned="own"),
    "without finetune": Recipe(lambda m: m.detailed(m.render(m.base))),
    OURS: Recipe(lambda m: m.detailed(m.render(m.tuned)), tuned="own"),
}
