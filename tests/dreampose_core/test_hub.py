"""Downloads from a server that answers as the Hub does: progress, going on, damage, and no network at all."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub
import pytest
from safetensors.torch import load_file

from dreampose_core.__main__ import main
from dreampose_core.profiles import PROFILES, SD1, find_profile
from dreampose_core.weights import hub
from tests.dreampose_core.tiny_base import save_authors, save_base, small_profile


class Hub(ThreadingHTTPServer):
    """Gives out the files of two folders under the addresses of the Hub's pinned revisions.

    cut: path's ending -> after how many bytes the line is cut, once; asked: (path, first byte) of every GET.
    """

    daemon_threads = True

    def __init__(self, diffusion: Path, vision: Path):
        super().__init__(("127.0.0.1", 0), Answer)
        self.roots = {
            f"/{repository.name}/resolve/{repository.revision}/": folder
            for repository, folder in ((hub.DIFFUSION, diffusion), (hub.VISION, vision))
        }
        self.cut: dict[str, int] = {}
        self.damaged = ""
        self.asked: list[tuple[str, int]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        root, name = next(((r, self.path[len(r) :]) for r in self.server.roots if self.path.startswith(r)), ("", ""))
        file = self.server.roots.get(root, Path("/nowhere")) / name
        if not file.is_file():
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        data, revision = file.read_bytes(), root.split("/")[4]
        first = int((self.headers.get("Range") or "bytes=0-").split("=")[1].split("-")[0])
        self.send_response(206 if first else 200)
        self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", revision)
        self.send_header("Content-Length", str(len(data) - first))
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        if not body:
            return
        self.server.asked.append((name, first))
        if name == self.server.damaged:
            data = bytes(len(data))
        sent = self.server.cut.pop(name, None)
        self.wfile.write(data[first:sent])
        if sent is not None:
            self.wfile.flush()
            self.connection.close()
            self.close_connection = True

    def log_message(self, *_) -> None:
        pass


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return save_base(tmp_path_factory.mktemp("base"))


@pytest.fixture
def server(folders):
    served = Hub(*folders)
    threading.Thread(target=served.serve_forever, args=(0.05,), daemon=True).start()
    yield served
    served.shutdown()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty cache, and the profile at a tiny size."""
    monkeypatch.setenv("DREAMPOSE_CACHE", str(tmp_path))
    monkeypatch.setenv("TQDM_POSITION", "-1")  # bars as on a terminal
    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda *_, **__: None)
    monkeypatch.setitem(PROFILES, SD1, small_profile(tmp_path / SD1))
    return tmp_path


def ask(address: str, monkeypatch) -> None:
    """Let the downloads go to an address."""
    monkeypatch.setattr(hub, "hf_hub_url", lambda name, file, revision: f"{address}/{name}/resolve/{revision}/{file}")


def test_a_download_that_was_cut_off_goes_on_and_makes_the_model(server, folders, home, monkeypatch, capfd):
    ask(server.address, monkeypatch)
    weights = folders[0] / hub.UNET
    half = weights.stat().st_size // 2
    kept = home / "downloads" / hub.DIFFUSION.name.replace("/", "--") / hub.DIFFUSION.revision / hub.UNET
    kept.parent.mkdir(parents=True)
    kept.with_name(kept.name + hub.PART).write_bytes(weights.read_bytes()[:half])  # as a killed process left it
    server.cut[hub.VAE] = 1000
    assert main(["download"]) == 0
    said = capfd.readouterr().err
    assert f"Downloading {hub.UNET} of CompVis/stable-diffusion-v1-4: 0 MB, 0 of them are here" in said
    assert f"{hub.UNET}: 100%" in said and str(home / SD1) in said
    asked = [place for place in server.asked if place[0] in (hub.UNET, hub.VAE)]
    assert [name for name, _ in asked] == [hub.VAE, hub.VAE, hub.UNET] and asked[-1] == (hub.UNET, half)
    made = load_file(home / SD1 / "unet" / "diffusion_pytorch_model.safetensors")["conv_in.weight"]
    assert (made[:, :4] == load_file(weights)["conv_in.weight"]).all() and (made[:, 4:] == 0).all()
    assert not (home / "downloads").exists()
    count = len(server.asked)
    assert main(["download", "--profile", SD1]) == 0
    assert "are here" in capfd.readouterr().err and len(server.asked) == count


def test_import_asks_the_hub_only_for_what_the_files_lack(server, home, monkeypatch, tmp_path_factory):
    ask(server.address, monkeypatch)
    authors = tmp_path_factory.mktemp("authors")
    save_authors(authors)
    files = {"unet": "unet_epoch_1.pth", "adapter": "adapter_1.pth", "vae": "vae_1.pth"}
    assert main(["import", *(word for name, file in files.items() for word in (f"--{name}", str(authors / file)))]) == 0
    assert find_profile(SD1).here
    assert {name for name, _ in server.asked} == {*hub.CONFIGS, *hub.CLIP}


def fetched(address: str, home: Path, monkeypatch) -> Path:
    """`fetch` of the vision model."""
    ask(address, monkeypatch)
    return hub.fetch(hub.VISION, hub.CLIP, home, print)


def test_a_damaged_file_is_not_kept(server, folders, home, monkeypatch):
    server.damaged = "model.safetensors"
    with pytest.raises(hub.BadInput, match="model.safetensors of openai/clip-vit-base-patch32 arrived damaged"):
        fetched(server.address, home, monkeypatch)
    assert [file.name for file in home.rglob("*") if file.is_file()] == ["config.json"]
    server.damaged = ""
    folder = fetched(server.address, home, monkeypatch)
    assert (folder / "model.safetensors").read_bytes() == (folders[1] / "model.safetensors").read_bytes()


def test_a_file_that_the_hub_does_not_have(server, home, monkeypatch):
    server.roots = {root: folder / "nowhere" for root, folder in server.roots.items()}
    with pytest.raises(hub.BadInput, match="has no file config.json in openai/clip-vit-base-patch32 any more"):
        fetched(server.address, home, monkeypatch)


@pytest.mark.parametrize("offline", [False, True])
def test_without_a_network_the_choices_are_said(server, home, monkeypatch, offline):
    """Nobody answers, or the person forbade the Hub's client to ask."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", offline)
    with pytest.raises(hub.BadInput) as told:
        fetched(server.address if offline else "http://127.0.0.1:9", home, monkeypatch)
    for word in ("cannot be reached", "--base", "--clip", "mini"):
        assert word in str(told.value)
    assert "\n" not in str(told.value) and not server.asked


def test_a_full_disk_is_said_before_the_download(server, home, monkeypatch):
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(hub.shutil, "disk_usage", lambda _: usage(10**9, 10**9, 0))
    with pytest.raises(hub.BadInput, match="set DREAMPOSE_CACHE to a folder on another disk"):
        fetched(server.address, home, monkeypatch)
    assert not server.asked


def test_what_the_hubs_own_cache_holds_is_taken_from_there(folders, tmp_path, monkeypatch):
    snapshot = tmp_path / f"models--{hub.VISION.name.replace('/', '--')}" / "snapshots" / hub.VISION.revision
    snapshot.parent.mkdir(parents=True)
    snapshot.symlink_to(folders[1])
    monkeypatch.setattr(hub, "get_hf_file_metadata", None)  # nobody is asked

    def here(name: str, file: str, revision: str):
        from huggingface_hub import try_to_load_from_cache

        return try_to_load_from_cache(name, file, cache_dir=tmp_path, revision=revision)

    monkeypatch.setattr(hub, "try_to_load_from_cache", here)
    assert hub.fetch(hub.VISION, hub.CLIP, tmp_path / "downloads", print) == snapshot
