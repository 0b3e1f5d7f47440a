"""The recipe of the embedded model: every stage in order, each of which goes on where it was interrupted.

python -m dreampose_core train-mini --people DIR --photographs DIR --out DIR [--until STAGE]
python -m dreampose_core train-mini --people DIR --begin-with MODEL --out DIR     # trains only its refiner further

With --paper the model is the paper's: the photo comes in by its tokens alone, nothing is carried, and there is no
refiner. Begun with a finished model it takes its networks over, and trains the rest of them at the final size.
"""

import argparse
import json
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

from dreampose_core.modeling import ImageAdapter, unet_channels
from dreampose_core.pipeline import DreamPosePipeline
from dreampose_core.refiner import Refiner
from dreampose_core.training import autoencoder, diffusion, loop, refiner
from dreampose_core.training.prepare import prepare
from dreampose_core.training.prepared import load_prepared

SHARD = "9MB"  # Hugging Face Spaces refuse files over 10 MB outside of LFS


@dataclass(frozen=True)
class Recipe:
    """Steps of the stages. The model card of the shipped weights tells where they were made otherwise."""

    autoencoder: int = 4000
    small: int = 550
    full: int = 1600
    refiner: int = 2300
    refiner_rows: int = 700
    sample_steps: int = 4
    paper: bool = False


STAGES = ("autoencoder", "prepare", "small", "full", "refiner", "assemble")
BEYOND_PAPER = ("refiner",)


def train_mini(photographs: Path, people: Path, folder: Path, recipe: Recipe, until: str = STAGES[-1]) -> None:
    """Run the stages up to `until`; a finished stage is not run again."""
    runs = {
        "autoencoder": lambda: autoencoder.train_autoencoder(
            photographs,
            people,
            folder / "autoencoder",
            loop.Schedule(recipe.autoencoder, rate=1e-3, decay=0.35, save_every=200),
            batch=6,
        ),
        "prepare": lambda: prepare(people, folder / "prepared"),
        "small": lambda: _train_diffusion(folder, recipe, "small", None, recipe.small, rate=6e-4, batch=16, shrink=2),
        "full": lambda: _train_diffusion(folder, recipe, "full", "small", recipe.full, rate=4e-4, batch=8, shrink=1),
        "refiner": lambda: _train_refiner(folder, recipe),
        "assemble": lambda: assemble(folder, with_refiner=not recipe.paper),
    }
    for stage in STAGES[: STAGES.index(until) + 1]:
        done = folder / f"{stage}.done"
        if not done.exists() and not (recipe.paper and stage in BEYOND_PAPER):
            print(f"{stage} …", file=sys.stderr, flush=True)
            runs[stage]()
            done.touch()


def begin_with(model: Path, folder: Path, paper: bool = False) -> None:
    """Lay the networks of a finished model out as a run whose refiner is still to be trained, from its weights on.

    paper: as a run whose diffusion model is still to be trained at the final size, without carried pictures.
    """
    if (folder / "small.done").exists():
        return
    stage = "small" if paper else "full"
    places = {"vae": "autoencoder/vae"} | ({} if paper else {"refiner": "before/refiner"})
    parts = ("adapter", "image_encoder") if paper else ("unet", "adapter", "image_encoder")
    places |= {part: f"{stage}/model/{part}" for part in parts}
    for part, place in places.items():
        shutil.copytree(model / part, folder / place, dirs_exist_ok=True)
    if paper:
        unet = UNet2DConditionModel.from_pretrained(model / "unet")
        without_carried(unet).save_pretrained(folder / stage / "model" / "unet")
    for done in STAGES[: STAGES.index(stage) + 1]:
        if done != "prepare":
            (folder / f"{done}.done").touch()


def without_carried(unet: UNet2DConditionModel) -> UNet2DConditionModel:
    """A copy that does not read the carried channels, which are the last of its first convolution."""
    plain = UNet2DConditionModel.from_config(unet.config, in_channels=unet_channels(carried=False))
    weights = unet.state_dict()
    weights["conv_in.weight"] = weights["conv_in.weight"][:, : plain.config.in_channels]
    plain.load_state_dict(weights)
    return plain


def _load(folder: Path, diffusion_stage: str | None, paper: bool = False) -> DreamPosePipeline:
    """The pipeline with what has been trained so far."""
    vae = AutoencoderKL.from_pretrained(folder / "autoencoder" / "vae")
    data = next(iter(sorted((folder / "prepared").glob("*.npz"))))
    with np.load(data) as first:
        height, width = first["frames"].shape[1:3]
    pipeline = diffusion.new_pipeline(vae, height, width, carried=not paper)
    if diffusion_stage is not None:
        saved = folder / diffusion_stage / "model"
        pipeline = pipeline.with_parts(
            unet=type(pipeline.unet).from_pretrained(saved / "unet"),
            adapter=ImageAdapter.from_pretrained(saved / "adapter"),
            image_encoder=type(pipeline.image_encoder).from_pretrained(saved / "image_encoder"),
        )
    for part in (pipeline.vae, pipeline.unet, pipeline.adapter, pipeline.image_encoder):
        part.float()  # a finished model's weights are in half precision
    return pipeline


def _cache(folder: Path, pipeline: DreamPosePipeline, shrink: int) -> diffusion.Cache:
    """The encoded data, made once for all stages that read it."""
    path = folder / f"cache_{shrink}.pt"
    if not path.exists():
        made = diffusion.build_cache(pipeline, load_prepared(folder / "prepared"), shrink)
        torch.save(vars(made), path)
    return diffusion.Cache(**torch.load(path, weights_only=True))


def _train_diffusion(
    folder: Path, recipe: Recipe, stage: str, start: str | None, steps: int, rate: float, batch: int, shrink: int
) -> None:
    pipeline = _load(folder, start, recipe.paper)
    schedule = loop.Schedule(steps, rate, save_every=100)
    diffusion.train_diffusion(pipeline, _cache(folder, pipeline, shrink), folder / stage, schedule, batch)
    pipeline.save_pretrained(folder / stage / "model")


def _train_refiner(folder: Path, recipe: Recipe) -> None:
    data, pipeline = load_prepared(folder / "prepared"), _load(folder, "full")
    path = folder / "decoded.npz"
    if not path.exists():
        every = np.random.default_rng(0).permutation(len(data))[: recipe.refiner_rows]
        cache = _cache(folder, pipeline, shrink=1)
        np.savez(path, rows=every, decoded=diffusion.sample_rows(pipeline, cache, data, every, recipe.sample_steps))
    with np.load(path) as saved:
        schedule = loop.Schedule(recipe.refiner, rate=1e-3, save_every=250)
        before = folder / "before" / "refiner"
        start = Refiner.from_pretrained(before) if before.is_dir() else None
        examples = refiner.make_examples(data, saved["decoded"], saved["rows"])
        refiner.train_refiner(examples, folder / "refiner", schedule, start=start)


def assemble(folder: Path, with_refiner: bool = True) -> None:
    """Write folder/mini, what is shipped: half-precision safetensors in shards under 10 MB."""
    pipeline = _load(folder, "full", paper=not with_refiner)
    if with_refiner:
        pipeline = pipeline.with_parts(refiner=Refiner.from_pretrained(folder / "refiner" / "refiner"))
    shutil.rmtree(folder / "mini", ignore_errors=True)
    pipeline.to(torch.float16).save_pretrained(folder / "mini", max_shard_size=SHARD)
    for path in (folder / "mini").rglob("config.json"):
        config = json.loads(path.read_text())
        config.pop("_name_or_path", None)  # where the part lay while it was trained concerns nobody
        path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--people", type=Path, required=True, help="a data set of `python -m pose_tools.people`")
    begin = parser.add_mutually_exclusive_group(required=True)
    begin.add_argument("--photographs", type=Path, help="a folder with photographs of anything, for the autoencoder")
    begin.add_argument(
        "--begin-with", type=Path, metavar="MODEL", help="a finished model, whose refiner is trained further"
    )
    parser.add_argument("--paper", action="store_true", help="the paper's model: nothing carried, no refiner")
    parser.add_argument("--out", type=Path, required=True, help="the run's folder; an interrupted run goes on there")
    parser.add_argument("--until", choices=STAGES, default=STAGES[-1], help="the last stage to run")
    for name, value in _numbers().items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=value)


def _numbers() -> dict[str, int]:
    return {name: value for name, value in asdict(Recipe()).items() if name != "paper"}


def run(args: argparse.Namespace) -> int:
    recipe = Recipe(**{name: getattr(args, name) for name in asdict(Recipe())})
    if args.begin_with:
        begin_with(args.begin_with, args.out, args.paper)
    train_mini(args.photographs, args.people, args.out, recipe, args.until)
    return 0
