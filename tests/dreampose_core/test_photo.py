"""Every kind of picture that strangers hand over, good and bad."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from dreampose_core import photo
from dreampose_core.photo import evened, open_photo
from pose_tools.errors import BadInput

RED, BLUE = (200, 30, 40), (20, 40, 210)


def picture(width: int = 120, height: int = 160) -> Image.Image:
    """Red above, blue below."""
    made = Image.new("RGB", (width, height), BLUE)
    made.paste(RED, (0, 0, width, height // 2))
    return made


def encoded(made: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    made.save(buffer, kind, **options)
    return buffer.getvalue()


def assert_red_above_blue(opened: np.ndarray, tolerance: int = 12) -> None:
    assert opened.dtype == np.uint8
    assert opened.shape == (160, 120, 3)
    assert np.abs(opened[20, 60].astype(int) - RED).max() <= tolerance
    assert np.abs(opened[140, 60].astype(int) - BLUE).max() <= tolerance


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
def test_formats(kind):
    assert_red_above_blue(open_photo(encoded(picture(), kind)))


def test_a_name_counts_for_nothing(tmp_path):
    (tmp_path / "photo.txt").write_bytes(encoded(picture(), "PNG"))
    assert_red_above_blue(open_photo(tmp_path / "photo.txt"))
    with pytest.raises(BadInput, match="no picture file named gone.jpg"):
        open_photo(tmp_path / "gone.jpg")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is empty"),
        (b"just some words", "not a picture that can be read"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"\n <svg/>", "SVG"),
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b"%PDF-1.7", "not a picture that can be read"),
        (b"GIF89a" + bytes(100), "not a picture that can be read"),
        (b"\xff\xd8\xff\xe0 and nothing more", "damaged"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
        (b"II*\0" + bytes(4), "damaged"),
        (b"RIFF\0\0\0\0WEBP", "damaged"),
    ],
)
def test_what_is_no_picture(data, sentence):
    with pytest.raises(BadInput, match=sentence) as caught:
        open_photo(data)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_cut_off(kind):
    rng = np.random.default_rng(0)
    data = encoded(Image.fromarray(rng.integers(0, 255, (160, 120, 3), np.uint8)), kind)
    for part in (0.1, 0.5, 0.95):
        with pytest.raises(BadInput, match="damaged|not a picture"):
            open_photo(data[: int(len(data) * part)])


def test_random_damage_is_bad_input_or_a_picture():
    rng = np.random.default_rng(1)
    for kind in ("JPEG", "PNG", "WEBP", "TIFF", "BMP"):
        whole = np.frombuffer(encoded(picture(), kind), np.uint8)
        for _ in range(40):
            data = whole.copy()
            data[rng.integers(0, len(data), 12)] = rng.integers(0, 256, 12)
            try:
                assert open_photo(data.tobytes()).dtype == np.uint8
            except BadInput:
                pass


def test_tiny_and_narrow():
    with pytest.raises(BadInput, match=r"too small \(1x1 pixels\)"):
        open_photo(encoded(Image.new("RGB", (1, 1)), "PNG"))
    with pytest.raises(BadInput, match="long and narrow"):
        open_photo(encoded(Image.new("RGB", (4000, 80)), "PNG"))


def test_a_bomb_is_refused_before_it_is_decoded():
    """A PNG header that announces 200 megapixels, and 60,000 by 60,000, with next to no data."""
    for width, height in ((20000, 10000), (60000, 60000)):
        header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        body = zlib.compress(bytes(1000))
        data = b"\x89PNG\r\n\x1a\n"
        for name, part in ((b"IHDR", header), (b"IDAT", body), (b"IEND", b"")):
            data += struct.pack(">I", len(part)) + name + part + struct.pack(">I", zlib.crc32(name + part))
        with pytest.raises(BadInput, match="too many pixels; up to 50 megapixels"):
            open_photo(data)


def test_too_many_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(photo, "MAX_BYTES", 1000)
    data = encoded(picture(), "BMP")
    (tmp_path / "large.bmp").write_bytes(data)
    for source in (data, tmp_path / "large.bmp"):
        with pytest.raises(BadInput, match="too large"):
            open_photo(source)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation(orientation):
    upright = picture()
    inverse = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = upright if orientation == 1 else upright.transpose(Image.Transpose(inverse[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert_red_above_blue(open_photo(encoded(stored, "JPEG", exif=exif, quality=95)))


def test_alpha_lies_on_white():
    made = picture().convert("RGBA")
    made.paste((0, 0, 0, 0), (0, 0, 120, 80))
    for kind in ("PNG", "WEBP"):
        opened = open_photo(encoded(made, kind))
        assert opened[20, 60].min() >= 253
        assert np.abs(opened[140, 60].astype(int) - BLUE).max() <= 12
    grey = Image.new("LA", (100, 100), (0, 128))
    assert open_photo(encoded(grey, "PNG"))[50, 50].tolist() == pytest.approx([127] * 3, abs=2)


def test_palette_with_transparency():
    made = picture().convert("P", palette=Image.Palette.ADAPTIVE)
    clear = made.getpixel((5, 5))
    opened = open_photo(encoded(made, "PNG", transparency=clear))
    assert opened[20, 60].min() == 255
    assert np.abs(opened[140, 60].astype(int) - BLUE).max() <= 12


def test_cmyk_and_grey():
    assert_red_above_blue(open_photo(encoded(picture().convert("CMYK"), "JPEG", quality=95)), tolerance=40)
    opened = open_photo(encoded(picture().convert("L"), "JPEG"))
    assert opened.shape == (160, 120, 3)
    assert (opened[..., 0] == opened[..., 2]).all()


def test_sixteen_bits():
    ramp = np.linspace(0, 65535, 100).astype(np.uint16)
    data = encoded(Image.fromarray(np.tile(ramp, (80, 1))), "PNG")
    opened = open_photo(data)
    assert opened[0, 0, 0] == 0
    assert opened[0, 99].tolist() == [255, 255, 255]
    assert opened[0, 50, 0] == pytest.approx(ramp[50] / 257, abs=1)
    dim = encoded(Image.fromarray(np.full((80, 80), 200, np.uint16)), "PNG")
    assert open_photo(dim).max() <= 1


def test_sixteen_bit_colours():
    """RGB with 16 bits a channel, which Pillow cannot write."""
    colour = struct.pack(">HHH", *(c * 257 for c in RED))
    rows = b"".join(b"\0" + colour * 100 for _ in range(80))
    data = b"\x89PNG\r\n\x1a\n"
    header = struct.pack(">IIBBBBB", 100, 80, 16, 2, 0, 0, 0)
    for name, part in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        data += struct.pack(">I", len(part)) + name + part + struct.pack(">I", zlib.crc32(name + part))
    assert open_photo(data)[40, 50].tolist() == list(RED)


def test_of_an_animation_the_first_frame_counts():
    second = Image.new("RGB", (120, 160), (0, 255, 0))
    for kind in ("WEBP", "PNG", "TIFF"):
        data = encoded(picture(), kind, save_all=True, append_images=[second])
        assert_red_above_blue(open_photo(data))


@pytest.mark.skipif(not photo.HEIC, reason="pillow-heif is not installed")
def test_heic():
    assert_red_above_blue(open_photo(encoded(picture(), "HEIF", quality=95)), tolerance=16)


def test_heic_without_its_library(monkeypatch):
    monkeypatch.setattr(photo, "HEIC", False)
    with pytest.raises(BadInput, match="HEIC pictures cannot be read here"):
        open_photo(b"\0\0\0\x18ftypheic" + bytes(40))


def test_dark_and_tinted_photos_are_evened_to_look_for_people_in():
    fair = np.random.default_rng(0).integers(0, 250, (64, 64, 3), np.uint8)
    assert evened(fair) is fair
    for light in ((0.25, 0.25, 0.25), (0.45, 0.7, 1.0), (1.0, 0.8, 0.4)):
        odd = (fair * light).astype(np.uint8)
        kept = odd.copy()
        seen = evened(odd)
        assert np.percentile(seen.reshape(-1, 3), 98, axis=0) == pytest.approx([230] * 3, abs=3)
        assert np.array_equal(odd, kept), "the photo itself stays as it is"
