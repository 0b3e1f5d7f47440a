"""The authors' files become a model of ours, bit by bit, and a base becomes an untrained one."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from dreampose_core.__main__ import main
from dreampose_core.profiles import PROFILES, SD1
from dreampose_core.weights import base as base_module
from dreampose_core.weights.authors import read_checkpoint, todays_name
from dreampose_core.weights.base import Base, from_base
from dreampose_core.weights.checkpoints import load_model
from tests.dreampose_core.tiny import tiny_photo, tiny_poses
from tests.dreampose_core.tiny_base import HEIGHT, WIDTH, save_authors, save_base, small_profile

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """Folders of a base (diffusion, clip) and of the authors' files, and what is in those."""
    folder = tmp_path_factory.mktemp("given")
    diffusion, vision = save_base(folder)
    return folder / "authors", diffusion, vision, save_authors(folder / "authors")


def command(given, out: Path, **files: Path | None) -> list[str]:
    authors, diffusion, vision, _ = given
    named = {
        "unet": authors / "unet_epoch_1.pth",
        "adapter": authors / "adapter_1.pth",
        "vae": authors / "vae_1.pth",
        "base": diffusion,
        "clip": vision,
    } | files
    return ["import", "--out", str(out)] + [
        word for name, path in named.items() if path is not None for word in (f"--{name}", str(path))
    ]


def weights_in(folder: Path) -> dict[str, torch.Tensor]:
    return {name: value for file in folder.glob("*.safetensors") for name, value in load_file(file).items()}


def test_imported_weights_are_the_files_own_bit_by_bit(given, tmp_path, capsys):
    assert main(command(given, tmp_path / "model")) == 0
    assert str(PROFILES[SD1].folder) in capsys.readouterr().err
    for part, file in (("unet", "unet_epoch_1.pth"), ("adapter", "adapter_1.pth"), ("vae", "vae_1.pth")):
        written, authors = weights_in(tmp_path / "model" / part), given[3][file]
        assert written.keys() == authors.keys()
        for name, value in authors.items():
            assert written[name].dtype == value.dtype and torch.equal(written[name], value), name
    vision = weights_in(given[2])
    for name, value in weights_in(tmp_path / "model" / "image_encoder").items():
        assert torch.equal(value, vision.get(name, vision.get(f"vision_model.{name}"))), name
    model = load_model(tmp_path / "model")
    assert model.config.start == "photo" and model.config.raw_photo and model.config.shared_noise
    clip = model(tiny_photo(), tiny_poses(2), num_inference_steps=2, s1=8, s2=3)
    assert clip.shape == (2, HEIGHT, WIDTH, 3) and clip.std() > 0


def test_without_a_vae_it_has_the_bases(given, tmp_path):
    assert main(command(given, tmp_path / "model", vae=None)) == 0
    base = weights_in(given[1] / "vae")
    written = weights_in(tmp_path / "model" / "vae")
    assert written.keys() == {todays_name(name) for name in base}
    assert all(torch.equal(written[todays_name(name)], value) for name, value in base.items())


def test_half_precision_stays_what_it_is(given, tmp_path):
    state = torch.load(given[0] / "unet_epoch_1.pth")
    torch.save({name: value.half() for name, value in state.items()}, tmp_path / "half.pth")
    assert main(command(given, tmp_path / "model", unet=tmp_path / "half.pth")) == 0
    written = weights_in(tmp_path / "model" / "unet")
    assert {value.dtype for value in written.values()} == {torch.float16}
    for name, value in state.items():
        assert torch.equal(written[todays_name(name)].flatten(), value.half().flatten()), name
    assert load_model(tmp_path / "model").unet.dtype == torch.float32


class Code:
    """What a pickle calls when it is opened."""

    def __reduce__(self):
        return os.mkdir, (str(Path(os.environ["OPENED"])),)


ODD_TENSORS = {
    "sparse": lambda: torch.eye(3).to_sparse(),
    "complex": lambda: torch.ones(2, dtype=torch.complex64),
    "of eight bits": lambda: torch.ones(2).to(torch.float8_e4m3fn),
    "without values": lambda: torch.ones(2, device="meta"),
}


def bad_file(kind: str, given, folder: Path) -> Path:
    authors, path = given[0], folder / f"{kind}.pth"
    unet = torch.load(authors / "unet_epoch_1.pth")
    if kind == "code":
        torch.save({"module.conv_in.weight": Code()}, path)
    elif kind == "old code":
        torch.save({"module.conv_in.weight": Code()}, path, _use_new_zipfile_serialization=False)
    elif kind == "bare pickle":
        path.write_bytes(pickle.dumps({"a": Code()}))
    elif kind == "words":
        path.write_text("no weights")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "cut off":
        whole = (authors / "unet_epoch_1.pth").read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "list":
        torch.save([torch.zeros(2)], path)
    elif kind == "missing":
        torch.save({name: unet[name] for name in list(unet)[:-1]}, path)
    elif kind == "too much":
        torch.save(unet | {"module.more.weight": torch.zeros(2)}, path)
    elif kind == "four channels":
        name = "module.conv_in.weight"
        torch.save(unet | {name: unet[name][:, :4].clone()}, path)
    elif kind == "not numbers":
        torch.save(unet | {"module.conv_in.bias": torch.full((8,), torch.nan)}, path)
    elif kind == "numbered":
        torch.save(dict(enumerate(unet.values())), path)
    elif kind in ODD_TENSORS:
        torch.save(unet | {"module.conv_in.bias": ODD_TENSORS[kind]()}, path)
    return path


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("code", "holds program code beside weights"),
        ("old code", "holds program code beside weights"),
        ("bare pickle", "is not a file of PyTorch weights"),
        ("words", "is not a file of PyTorch weights"),
        ("empty", "is not a file of PyTorch weights"),
        ("cut off", "is not a file of PyTorch weights"),
        ("list", "something else than the weights of one network"),
        *((kind, "something else than the weights of one network") for kind in ("numbered", *ODD_TENSORS)),
        ("missing", "1 tensors are missing"),
        ("too much", "1 tensors too many, the first is more.weight"),
        ("four channels", "conv_in.weight is 8x4x3x3 where 8x14x3x3 is needed"),
        ("not numbers", "some of its weights are not numbers (module.conv_in.bias)"),
        ("nowhere", "There is no file of weights named"),
    ],
)
def test_a_wrong_file_is_one_sentence(given, tmp_path, capsys, monkeypatch, kind, sentence):
    monkeypatch.setenv("OPENED", str(tmp_path / "opened"))
    file = bad_file(kind, given, tmp_path)
    assert main(command(given, tmp_path / "model", unet=file)) == 2
    said = capsys.readouterr().err.strip()
    assert sentence in said and len(said.splitlines()) == 1
    assert not (tmp_path / "opened").exists() and not (tmp_path / "model").exists()


def test_files_that_were_mixed_up(given, tmp_path, capsys):
    authors, diffusion, vision, _ = given
    for swapped, sentence in (
        ({"unet": authors / "vae_1.pth"}, "is of another network"),
        ({"adapter": authors / "unet_epoch_1.pth"}, "is of another network"),
        ({"vae": authors / "adapter_1.pth"}, "is of another network"),
        ({"base": vision}, "it has no unet/config.json"),
        ({"clip": diffusion}, "There is no CLIP in the folder"),
        ({"clip": diffusion / "vae"}, "damaged, of another model, or no safetensors"),
        ({"base": tmp_path / "gone"}, "There is no folder"),
    ):
        assert main(command(given, tmp_path / "model", **swapped)) == 2
        assert sentence in capsys.readouterr().err
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    assert main(command(given, tmp_path / "mine")) == 2
    assert "There is something at" in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "letter.txt"]


def test_a_base_starts_as_stable_diffusion_does(given):
    """The pose channels count for nothing, and the adapter lets CLIP's tokens through."""
    model = from_base(Base(given[1], given[2]), HEIGHT, WIDTH)
    first = weights_in(given[1] / "unet")["conv_in.weight"]
    assert torch.equal(model.unet.conv_in.weight[:, :4], first)
    assert (model.unet.conv_in.weight[:, 4:] == 0).all() and model.unet.config.in_channels == 14
    code = model.encode_photo(tiny_photo())
    torch.testing.assert_close(model.context(code), code.clip)
    options = {"num_inference_steps": 2, "seed": 1}
    still = model(tiny_photo(), tiny_poses(2), **options)
    assert np.array_equal(still[0], still[1]) and still.std() > 0


def test_a_base_that_does_not_fit(given, tmp_path, capsys, monkeypatch):
    from diffusers import UNet2DConditionModel

    from tests.dreampose_core.tiny_base import UNET

    monkeypatch.setitem(PROFILES, SD1, small_profile(tmp_path / "made"))
    monkeypatch.setenv("DREAMPOSE_CACHE", str(tmp_path / "cache"))
    for change, sentence in (
        ({"in_channels": 9}, "reads 9 channels"),
        ({"cross_attention_dim": 24}, "reads tokens of width 24 and this CLIP makes 16"),
    ):
        other = tmp_path / "other"
        UNet2DConditionModel(**UNET | change).save_pretrained(other / "unet")
        if not (other / "vae").exists():
            (other / "vae").symlink_to(given[1] / "vae")
        assert main(["download", "--base", str(other), "--clip", str(given[2])]) == 2
        assert sentence in capsys.readouterr().err
    assert not (tmp_path / "made").exists()


def test_a_disk_without_room(given, tmp_path, capsys, monkeypatch):
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    with monkeypatch.context() as patch:
        patch.setattr(base_module.shutil, "disk_usage", lambda _: usage(10**9, 10**9, 1000))
        assert main(command(given, tmp_path / "model")) == 2
    assert "has 0.0 GB left" in capsys.readouterr().err
    script = """
import errno, resource, signal, sys
from dreampose_core.weights import checkpoints
from dreampose_core.__main__ import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
checkpoints.FULL_DISK += (errno.EFBIG,)
sys.exit(main(sys.argv[1:]))
"""
    words = [sys.executable, "-c", script, *command(given, tmp_path / "model")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "The disk is full" in done.stderr, done.stderr[-2000:]
    assert not list(tmp_path.iterdir())


def test_names_of_2023():
    for old, new in (
        ("module.encoder.mid_block.attentions.0.query.weight", "encoder.mid_block.attentions.0.to_q.weight"),
        ("decoder.mid_block.attentions.0.proj_attn.bias", "decoder.mid_block.attentions.0.to_out.0.bias"),
        ("decoder.mid_block.attentions.0.group_norm.bias", "decoder.mid_block.attentions.0.group_norm.bias"),
        ("mid_block.attentions.0.transformer_blocks.0.attn1.to_q.weight",) * 2,
    ):
        assert todays_name(old) == new


def test_reading_does_not_touch_the_file(given):
    file = given[0] / "vae_1.pth"
    before = file.read_bytes()
    state = read_checkpoint(file)
    assert "encoder.mid_block.attentions.0.to_out.0.weight" in state and file.read_bytes() == before
