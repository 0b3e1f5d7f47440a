"""What is shown of a motion."""

from pathlib import Path

from dreampose_core.library.entries import MotionEntry
from dreampose_core.page.views import motion_view


def test_the_estimator_is_explained_only_where_there_is_another_to_take():
    entry = MotionEntry("one", Path(), "One", 0.0, 2.0, 12.0, True, "Because.", ("A gap was filled.",))
    assert motion_view(entry, has_gpu=True)["why"] == "Because."
    seen = motion_view(entry, has_gpu=False)
    assert seen["why"] == "" and seen["notes"] == ("A gap was filled.",)
