"""Official weights: downloads that break off, pickles that mean harm, and a cache that is verified."""

import hashlib
import io
import os
import pickle
import socket
import struct
import tempfile
import threading
import zlib
from collections import OrderedDict
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pose_tools.errors import BadInput
from pose_tools.estimators.densepose import load_densepose
from pose_tools.estimators.densepose.config import CONFIGS
from pose_tools.estimators.densepose.download import TRIES, Refused, download
from pose_tools.estimators.densepose.model import empty
from pose_tools.estimators.densepose.weights import cache_folder, official_weights, read_weights
from pose_tools.estimators.found import Unavailable
from pose_tools.pickled import PickledArray, read_pickle

R_50 = CONFIGS["R_50_FPN_s1x"]
NOBODY = "http://127.0.0.1:9"  # the port of "discard", which nobody listens on
LIMIT = 1 << 30


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@contextmanager
def server(content: bytes | Path, breaks: tuple[int, ...] = (), ranges: bool = True, length: bool = True, status=200):
    """A web server with one file. breaks: after how many bytes of an answer it hangs up, answer by answer.

    Gives its address and the list of the Range headers it was asked with.
    """
    asked: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            wanted = self.headers.get("Range")
            asked.append(wanted)
            data = content if isinstance(content, bytes) else content.read_bytes()
            start = int(wanted.split("=")[1].rstrip("-")) if wanted and ranges else 0
            if start >= len(data) > 0:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(data)}")
                self.end_headers()
                return
            self.send_response(206 if start and status == 200 else status)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            if length:
                self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            until = start + breaks[len(asked) - 1] if len(asked) <= len(breaks) else len(data)
            try:
                self.wfile.write(data[start:until])
            except OSError:
                pass

        def log_message(self, *_):
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{running.server_port}/{R_50.file}", asked
    finally:
        running.shutdown()
        running.server_close()
        thread.join()


def one_sentence(error) -> bool:
    text = str(error.value)
    return text.endswith(".") and "\n" not in text and ". " not in text


def some_bytes(count: int) -> bytes:
    return np.random.default_rng(count).integers(0, 256, count, dtype=np.uint8).tobytes()


def test_a_download_that_breaks_off_goes_on(tmp_path):
    data, reports = some_bytes(3_000_000), []
    with server(data, breaks=(1_000_000, 0, 700_000)) as (url, asked):
        path = tmp_path / "weights.pkl"
        download(url, path, LIMIT, lambda done, total: reports.append((done, total)), pause=0)
    assert path.read_bytes() == data and [p.name for p in tmp_path.iterdir()] == ["weights.pkl"]
    assert asked == [None, "bytes=1000000-", "bytes=1000000-", "bytes=1700000-"]
    assert reports == sorted(reports) and reports[-1] == (3_000_000, 3_000_000)


def test_a_download_that_was_cancelled_goes_on_later(tmp_path):
    data, path = some_bytes(2_000_000), tmp_path / "weights.pkl"

    def stop(done, total):
        if done > 500_000:
            raise KeyboardInterrupt

    with server(data) as (url, asked):
        with pytest.raises(KeyboardInterrupt):
            download(url, path, LIMIT, stop)
        assert not path.exists() and (part := tmp_path / "weights.pkl.part").stat().st_size < len(data)
        have = part.stat().st_size
        download(url, path, LIMIT)
    assert path.read_bytes() == data and asked == [None, f"bytes={have}-"] and not part.exists()


@pytest.mark.parametrize("had", [b"", b"x" * 1000, b"y" * 400_000])
def test_servers_of_every_kind(tmp_path, had):
    """Without ranges, without a length, or with a part here that is of another file."""
    data = some_bytes(300_000)
    for number, kind in enumerate(({"ranges": False}, {"ranges": False, "length": False}, {})):
        path = tmp_path / f"{number}.pkl"
        path.with_name(f"{number}.pkl.part").write_bytes(data[: len(had)] if len(had) < len(data) else had)
        with server(data, **kind) as (url, _):
            download(url, path, LIMIT, pause=0)
        assert path.read_bytes() == data


def test_a_part_that_is_the_whole_file_is_taken(tmp_path):
    data, path = some_bytes(1000), tmp_path / "weights.pkl"
    (tmp_path / "weights.pkl.part").write_bytes(data)
    with server(data) as (url, asked):
        download(url, path, LIMIT)
    assert path.read_bytes() == data and asked == ["bytes=1000-"]


def test_two_downloads_of_the_same_file_do_not_spoil_it(tmp_path):
    data, path, errors = some_bytes(8_000_000), tmp_path / "weights.pkl", []
    together = threading.Barrier(2)

    def in_step(*_):
        with suppress(threading.BrokenBarrierError):  # by whoever ends first
            together.wait(2)

    def fetch(url):
        try:
            download(url, path, LIMIT, in_step)
        except Exception as error:
            errors.append(error)

    with server(data) as (url, _):
        threads = [threading.Thread(target=fetch, args=(url,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not errors and path.read_bytes() == data


def test_downloads_that_are_refused(tmp_path):
    path = tmp_path / "weights.pkl"
    with server(some_bytes(2000), length=False) as (url, _), pytest.raises(Refused, match="larger than"):
        download(url, path, limit=1500)
    with server(some_bytes(2000)) as (url, _), pytest.raises(Refused, match="larger than"):
        download(url, path, limit=1500)
    with server(b"gone", status=404) as (url, asked), pytest.raises(Refused, match="answered 404"):
        download(url, path, LIMIT)
    assert len(asked) == 1  # which would not help a second time
    with server(b"later", status=503) as (url, asked), pytest.raises(Refused, match="answered 503"):
        download(url, path, LIMIT, pause=0)
    assert len(asked) == TRIES
    with pytest.raises(Refused, match="refused"):
        download(f"{NOBODY}/weights.pkl", path, LIMIT, pause=0)
    assert not path.exists()


def test_a_server_that_falls_silent(tmp_path):
    """It takes the call and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Refused, match="does not answer"):
        download(f"http://127.0.0.1:{silent.getsockname()[1]}/", tmp_path / "w.pkl", LIMIT, timeout=0.1, pause=0)


def test_where_the_cache_lies(monkeypatch):
    monkeypatch.setenv("DREAMPOSE_CACHE", "/somewhere")
    assert cache_folder() == Path("/somewhere")
    monkeypatch.delenv("DREAMPOSE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert cache_folder() == Path("/caches/dreampose-studio")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "dreampose-studio"


def test_no_way_to_the_weights(tmp_path, monkeypatch):
    monkeypatch.setattr("pose_tools.estimators.densepose.download.TRIES", 1)
    with pytest.raises(Unavailable) as error:
        official_weights(replace(R_50, url=f"{NOBODY}/{R_50.file}"), tmp_path)
    assert one_sentence(error) and R_50.file in str(error.value) and str(tmp_path) in str(error.value)
    page = b"<html>Please sign in to this network.</html>"
    with server(page) as (url, _), pytest.raises(Unavailable) as error:
        official_weights(replace(R_50, url=url), tmp_path)
    assert one_sentence(error) and "thrown away" in str(error.value)
    assert not any((tmp_path / "densepose").iterdir())
    (tmp_path / "file").write_text("a file where the folder would be")
    with pytest.raises(Unavailable) as error:
        official_weights(R_50, tmp_path / "file")
    assert one_sentence(error) and "DREAMPOSE_CACHE" in str(error.value)


@pytest.fixture(scope="module")
def arrays():
    """Weights of the official shapes; the values depend on the name."""
    arrays = {}
    for name, tensor in empty(R_50).state_dict().items():
        values = np.arange(tensor.numel(), dtype=np.float32) % 8191 + zlib.crc32(name.encode()) % 8191
        arrays[name] = values.reshape(tuple(tensor.shape))
    return arrays


@pytest.fixture(scope="module")
def folder():
    """A folder that is gone afterwards: the files are large."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture(scope="module")
def checkpoint(arrays, folder):
    """A pickle of the official layout, with what official ones have beside the weights."""
    extras = {"pixel_mean": np.zeros((3, 1, 1), np.float32)}
    extras["proposal_generator.anchor_generator.cell_anchors.0"] = np.zeros((3, 4), np.float32)
    turned = "roi_heads.box_predictor.cls_score.weight"
    extras[turned] = np.asfortranarray(arrays[turned])  # as NumPy keeps an array that was transposed
    path = folder / R_50.file
    with open(path, "wb") as file:
        pickle.dump({"model": arrays | extras, "__author__": "Detectron2 Model Zoo"}, file, protocol=3)
    return path


def equal(tensors, arrays) -> bool:
    return tensors.keys() == arrays.keys() and all(np.array_equal(tensors[name], arrays[name]) for name in arrays)


def test_from_the_server_to_the_cache_and_back(checkpoint, arrays, folder):
    cache, reports = folder / "cache", []
    kept = cache / "densepose" / "R_50_FPN_s1x.safetensors"
    with server(checkpoint, breaks=(100_000_000,)) as (url, asked):
        config = replace(R_50, url=url)
        assert equal(official_weights(config, cache, lambda *report: reports.append(report)), arrays)
        assert asked == [None, "bytes=100000000-"]
        size = checkpoint.stat().st_size
        assert reports == sorted(reports) and reports[-1] == (size, size)
        assert sorted(p.name for p in kept.parent.iterdir()) == [kept.name, f"{kept.name}.sha256"]
        digest, name = kept.with_name(f"{kept.name}.sha256").read_text().split()
        assert digest == hashlib.sha256(kept.read_bytes()).hexdigest() and name == kept.name

        # once more: from the cache, into the network as the estimator loads it
        estimator = load_densepose(cache=cache)
        assert equal(estimator.model.state_dict(), arrays) and len(asked) == 2

        # one bit that fell over is found, and the weights are fetched anew
        with open(kept, "r+b") as file:
            file.seek(123_456_789)
            byte = file.read(1)[0]
            file.seek(123_456_789)
            file.write(bytes([byte ^ 1]))
        assert equal(official_weights(config, cache), arrays) and len(asked) == 3
        assert digest == hashlib.sha256(kept.read_bytes()).hexdigest()


def test_a_damaged_cache_without_a_network(folder, monkeypatch):
    monkeypatch.setattr("pose_tools.estimators.densepose.download.TRIES", 1)
    kept = folder / "damaged" / "densepose" / "R_50_FPN_s1x.safetensors"
    kept.parent.mkdir(parents=True)
    save_file({"a": torch.zeros(2)}, kept)
    with pytest.raises(Unavailable) as error:
        official_weights(replace(R_50, url=f"{NOBODY}/{R_50.file}"), folder / "damaged")
    assert one_sentence(error) and "damaged" in str(error.value) and not kept.exists()


def test_a_pickle_put_into_the_cache_by_hand(checkpoint, arrays, folder):
    place = folder / "by hand" / "densepose"
    place.mkdir(parents=True)
    os.link(checkpoint, place / R_50.file)
    config = replace(R_50, url=f"{NOBODY}/{R_50.file}")
    assert equal(official_weights(config, folder / "by hand"), arrays)
    assert sorted(p.suffix for p in place.iterdir()) == [".safetensors", ".sha256"]


def test_a_file_that_is_named(checkpoint, arrays, folder):
    assert equal(load_densepose(weights=checkpoint).model.state_dict(), arrays)
    with pytest.raises(BadInput, match="does not hold the weights of R_101") as error:
        load_densepose(weights=checkpoint, config="R_101_FPN_s1x")
    assert one_sentence(error)


@pytest.mark.parametrize(
    "content, words",
    [
        ({"model": {"another.weight": np.zeros(3, np.float32)}}, "another network"),
        ({"model": {"backbone.fpn_lateral2.weight": np.zeros(3, np.float32)}}, "another shape"),
        ({"model": {}}, "missing"),
        ({"model": [1, 2]}, "no weights"),
        ([1, 2], "no weights"),
        ({"model": {"x\nx" * 100: 1}}, "another network"),
    ],
)
def test_pickles_of_something_else(tmp_path, content, words):
    path = tmp_path / "other.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(BadInput, match=words) as error:
        read_weights(path, R_50)
    assert one_sentence(error) and len(str(error.value)) < 250


def test_files_that_are_no_weights(tmp_path):
    for name, data in (("a.pkl", b""), ("b.pkl", b"text"), ("c.safetensors", b"text"), ("d.safetensors", b"")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(BadInput, match="not a readable") as error:
            read_weights(tmp_path / name, R_50)
        assert one_sentence(error)
    with pytest.raises(BadInput, match="no file"):
        read_weights(tmp_path / "none.pkl", R_50)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("core", ["numpy._core", "numpy.core"])
def test_arrays_of_every_protocol(tmp_path, protocol, core):
    rng = np.random.default_rng(0)
    arrays = {
        "plain": rng.random((3, 4), np.float32),
        "fortran": np.asfortranarray(rng.random((3, 4))),
        "swapped": rng.random(5).astype(">f8"),
        "half": rng.random((2, 0, 3)).astype(np.float16),
        "whole": np.arange(7),
        "flags": np.array([True, False]),
        "single": np.array(2.5),
    }
    content = {"arrays": OrderedDict(arrays), "number": np.float32(1.5), "list": [1, (2, 3), None, True, "ü", 1 << 80]}
    data = pickle.dumps(content, protocol=protocol)
    if core == "numpy.core" and protocol < 4:  # from protocol 4 on a name's length precedes it
        data = data.replace(b"numpy._core.", b"numpy.core.")
    path = tmp_path / "arrays.pkl"
    path.write_bytes(data)
    read = read_pickle(path, LIMIT)
    assert read["number"] == 1.5 and read["list"] == content["list"] and read["arrays"].keys() == arrays.keys()
    for name, array in arrays.items():
        made = read["arrays"][name]
        assert isinstance(made, PickledArray) and made.array.shape == array.shape
        assert np.array_equal(made.array, array) and made.array.dtype.newbyteorder("=") == array.dtype.newbyteorder("=")


class Calls:
    """Pickles to a call of a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class Own:
    def __init__(self):
        self.own = 1


def text(value: str) -> bytes:
    return pickle.SHORT_BINUNICODE + bytes([len(value)]) + value.encode()


def array_of(shape: bytes, state: bytes) -> bytes:
    """An array as NumPy pickles it, with a shape handed to _reconstruct and a state of one's own."""
    return b"\x80\x03cnumpy._core.multiarray\n_reconstruct\ncnumpy\nndarray\n" + shape + b"C\x01b\x87R" + state + b"b."


HUGE = b"\x8a\x06" + (1 << 40).to_bytes(6, "little")
F4 = b"cnumpy\ndtype\nX\x02\x00\x00\x00f4\x89\x88\x87R(K\x03X\x01\x00\x00\x00<NNNK\x00K\x00K\x00tb"


def nested(depth: int) -> bytes:
    """A tuple of itself twice, so many times, as a key."""
    return b"\x80\x03})" + b"".join(b"q%ch%c\x86" % (i, i) for i in range(depth)) + b"Ns."


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "call",
    [
        lambda mark: (os.system, f"touch {mark}"),
        lambda mark: (eval, f"open({str(mark)!r}, 'w')"),
        lambda mark: (exec, f"open({str(mark)!r}, 'w')"),
        lambda mark: (open, str(mark), "w"),
        lambda mark: (np.save, str(mark), 1),
        lambda mark: (np.zeros, 3),
        lambda mark: (Own,),
    ],
)
def test_a_pickle_that_calls_something_is_not_obeyed(tmp_path, protocol, call):
    mark = tmp_path / "mark"
    path = tmp_path / "evil.pkl"
    path.write_bytes(pickle.dumps({"model": {"weight": Calls(*call(mark))}}, protocol=protocol))
    with pytest.raises(BadInput, match="evil.pkl holds more than arrays") as error:
        read_weights(path, R_50)
    assert one_sentence(error) and os.listdir(tmp_path) == ["evil.pkl"]


HARM = {
    "INST": (b"(S'touch mark'\nios\nsystem\n.", "more than arrays"),
    "OBJ": (b"(cos\nsystem\nS'touch mark'\no.", "more than arrays"),
    "an object of a class": (pickle.dumps(Own(), protocol=2), "more than arrays"),
    "a persistent id": (b"Pmark\n.", "more than arrays"),
    "an extension": (b"\x82\x01.", "more than arrays"),
    "a name with dots": (b"\x80\x04" + text("numpy") + text("dtype.__init__") + b"\x93.", "more than arrays"),
    "a name that is a number": (b"\x80\x04K\x01K\x02\x93.", "more than arrays"),
    "a name on several lines": (b"\x80\x04" + text("a.\nb") + text("c. d") + b"\x93.", "more than arrays"),
    "an array of objects of a class": (pickle.dumps(np.array([Own()], dtype=object)), "more than|not a readable"),
    "an array of objects": (pickle.dumps(np.array([None, 1], dtype=object)), "not a readable"),
    "a structured array": (pickle.dumps(np.zeros(2, [("a", "f4")])), "not a readable"),
    "an array of text": (pickle.dumps(np.array(["a"])), "not a readable"),
    "a shape in _reconstruct": (array_of(HUGE + b"\x85", b"N"), "not a readable"),
    "a shape beyond the bytes": (
        array_of(b"K\x00\x85", b"(K\x01" + HUGE + b"K\x01\x86" + F4 + b"\x89C\x04abcdt"),
        "not a readable",
    ),
    "a shape below zero": (
        array_of(b"K\x00\x85", b"(K\x01J\xff\xff\xff\xffJ\xff\xff\xff\xff\x86" + F4 + b"\x89C\x04abcdt"),
        "not a readable",
    ),
    "a claim of 2^40 bytes": (b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b"abc.", "not a readable"),
    "a claim of 2^40 changeable bytes": (b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b"abc.", "not a readable"),
    "a claim of 2^40 letters": (b"\x80\x04\x8d" + struct.pack("<Q", 1 << 40) + b"abc.", "not a readable"),
    "a frame of 2^40 bytes": (b"\x80\x04\x95" + struct.pack("<Q", 1 << 40) + b"K\x01", "not a readable"),
    "a memo of 2^32 places": (b"\x80\x03Nr\xff\xff\xff\xff0.", "more than arrays"),
    "a key that is a list": (b"\x80\x03}]Ns.", "not a readable"),
    "keys within keys": (nested(60), "not a readable"),
    "two million parts": (b"\x80\x03" + b"]" * 2_000_000 + b".", "far more parts"),
    "tuples two million deep": (b"\x80\x03)" + b"\x85" * 2_000_000 + b".", "far more parts"),
    "a number of a million digits": (b"I" + b"9" * 1_000_000 + b"\n.", "not a readable"),
    "filling what is no array": (b"\x80\x03}}b.", "not a readable"),
    "calling what is no name": (b"\x80\x03])R.", "not a readable"),
    "calling ndarray": (b"cnumpy\nndarray\n)R.", "not a readable"),
    "another coding": (b"c_codecs\nencode\nX\x01\x00\x00\x00aX\x04\x00\x00\x00zlib\x86R.", "not a readable"),
    "a list of pairs to an OrderedDict": (b"ccollections\nOrderedDict\n]\x85R.", "not a readable"),
    "bytes of the same text over and over": (
        b"X\x10'\x00\x00"
        + b"a" * 10_000
        + b"q\x00"
        + b"c_codecs\nencode\nh\x00X\x06\x00\x00\x00latin1\x86R" * 9
        + b".",
        "not a readable",
    ),
    "an empty stack": (b".", "not a readable"),
    "a mark that is not there": (b"\x80\x03t.", "not a readable"),
    "cut off": (pickle.dumps({"model": np.zeros(1000)})[:-500], "not a readable"),
    "a zip archive": (b"PK\x03\x04" + bytes(100), "holds more|not a readable"),
    "text": (b"This is a text, and no pickle.\n", "more than arrays|not a readable"),
}


@pytest.mark.parametrize("kind", HARM)
def test_pickles_that_mean_harm(tmp_path, monkeypatch, kind):
    data, words = HARM[kind]
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "evil.pkl"
    path.write_bytes(data)
    with pytest.raises(BadInput, match=words) as error:
        read_pickle(path, LIMIT)
    assert "\n" not in str(error.value) and str(error.value).endswith(".") and os.listdir() == ["evil.pkl"]


def test_a_pickle_that_is_too_large(tmp_path):
    path = tmp_path / "large.pkl"
    with open(path, "wb") as file:
        file.truncate(2000 << 20)  # a sparse file
    with pytest.raises(BadInput, match="too large: 2000 MB where 512 MB are allowed"):
        read_weights(path, R_50)


def test_what_harm_would_be(tmp_path):
    """The bad pickles above do harm where they are believed: the test would see a file that they make."""
    mark = tmp_path / "mark"
    pickle.load(io.BytesIO(pickle.dumps(Calls(os.system, f"touch {mark}"))))
    assert mark.exists()
