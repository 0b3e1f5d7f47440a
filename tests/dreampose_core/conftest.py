"""What the tests of the command line and of the studio begin with."""

import pytest
from PIL import Image

from tests.dreampose_core.person import draw_person
from tests.dreampose_core.tiny_profile import add_tiny_profile, save_tiny_model, save_wave


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """A folder with a photo, a motion and the tiny model."""
    folder = tmp_path_factory.mktemp("given")
    Image.fromarray(draw_person()).save(folder / "photo.jpg", quality=95)
    save_wave(folder)
    save_tiny_model(folder / "model")
    add_tiny_profile(folder / "model")
    return folder
