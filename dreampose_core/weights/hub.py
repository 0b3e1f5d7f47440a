"""What the paper's model starts from, from the Hugging Face Hub: pinned revisions, safetensors only.

What the Hub's own cache holds is taken from there. Anything else is downloaded beside the profiles' weights, with
a progress bar; a download that was cut off or killed goes on from where it was. A file counts only when its size
and, for weights, its hash are the Hub's. Knows nothing of models.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import build_hf_headers, enable_progress_bars

from dreampose_core.weights.checkpoints import plain_disk_errors
from pose_tools.errors import BadInput

NETWORK = (*HfHubHTTPError.__bases__, OSError)  # whatever the Hub's client speaks with: no address, no line, cut off
PART = ".part"
CHOICES = (
    "connect to the internet once and run `python -m dreampose_core download`, name folders that you have by --base "
    "(Stable Diffusion 1.4) and --clip (CLIP ViT-B/32), or use the profile mini, which needs no download"
)


@dataclass(frozen=True)
class Repository:
    """name: owner/name on the Hub; revision: a commit."""

    name: str
    revision: str


DIFFUSION = Repository("CompVis/stable-diffusion-v1-4", "133a221b8aa7292a167afc5127cb63fb5005638b")
# the branch `main` has a pickle only; this commit, the Hub's own conversion, has the same weights as safetensors
VISION = Repository("openai/clip-vit-base-patch32", "c237dc49a33fc61debc9276459120b7eac67e7ef")
CONFIGS = ("scheduler/scheduler_config.json", "unet/config.json", "vae/config.json")
UNET, VAE = "unet/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors"
CLIP = ("config.json", "model.safetensors")


Say = Callable[[str], None]


def fetch(repository: Repository, files: tuple[str, ...], downloads: Path, say: Say) -> Path:
    """A folder with these files of a repository: the Hub's cache if it has all of them, or else in `downloads`.

    say: takes a line for each file that is downloaded; on a terminal the Hub's client draws a bar besides.
    BadInput with the choices where the Hub cannot be reached, and where the disk is full.
    """
    cached = [try_to_load_from_cache(repository.name, file, revision=repository.revision) for file in files]
    if all(isinstance(path, str) for path in cached):
        return Path(cached[0]).parents[len(Path(files[0]).parts) - 1]
    folder = downloads / repository.name.replace("/", "--") / repository.revision
    for file in files:
        if not (folder / file).is_file():
            _download(repository, file, folder / file, say)
    return folder


def forget(downloads: Path) -> None:
    """Remove downloads that a model was made of."""
    shutil.rmtree(downloads, ignore_errors=True)


def _download(repository: Repository, file: str, target: Path, say: Say) -> None:
    url = hf_hub_url(repository.name, file, revision=repository.revision)
    part = target.with_name(target.name + PART)
    try:
        with plain_disk_errors():
            headers = build_hf_headers()
            about = get_hf_file_metadata(url, headers=headers)
            target.parent.mkdir(parents=True, exist_ok=True)
            has = part.stat().st_size if part.exists() else 0
            if about.size is not None and has > about.size:
                part.unlink()
                has = 0
            _check_room(file, (about.size or 0) - has, target.parent)
            rest = f", {has / 1e6:.0f} of them are here" if has else ""
            say(f"Downloading {file} of {repository.name}: {(about.size or 0) / 1e6:.0f} MB{rest}")
            enable_progress_bars()  # whoever loaded a model before has switched the Hub's off as well
            with part.open("ab") as stream:
                http_get(
                    url,
                    stream,
                    resume_size=has,
                    headers=headers,
                    expected_size=about.size,
                    displayed_filename=file,
                )
            if not _is_whole(part, about.size, about.etag):
                part.unlink()
                raise BadInput(f"{file} of {repository.name} arrived damaged; please run the same command again.")
            os.replace(part, target)
    except BadInput:
        raise
    except EntryNotFoundError as error:
        raise BadInput(f"The Hub has no file {file} in {repository.name} any more: {CHOICES}.") from error
    except HfHubHTTPError as error:
        raise BadInput(f"The Hub does not give out {file} of {repository.name}: {CHOICES}.") from error
    except NETWORK as error:
        begun = "; what has arrived is kept" if part.exists() and part.stat().st_size else ""
        raise BadInput(f"The Hub cannot be reached for {repository.name}{begun}: {CHOICES}.") from error


def _check_room(file: str, needed: int, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise BadInput(
            f"The download of {file} takes {needed / 1e9:.1f} GB, and the disk of {folder} has {free / 1e9:.1f} GB "
            "left; make room, or set DREAMPOSE_CACHE to a folder on another disk."
        )


def _is_whole(path: Path, size: int | None, etag: str | None) -> bool:
    """Of the size the Hub told and, for large files, of the SHA-256 that is their etag."""
    if size is not None and path.stat().st_size != size:
        return False
    if etag is None or len(etag) != 64:
        return True
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(2**20):
            digest.update(block)
    return digest.hexdigest() == etag
