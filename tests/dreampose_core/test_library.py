"""The library on disk: nothing half-made, nobody else's, and no path from outside."""

import os
import threading

import numpy as np
import pytest
from PIL import Image

from dreampose_core.library import library as module
from dreampose_core.library.files import read_json, write_json, write_picture
from dreampose_core.library.library import (
    LOCAL,
    Library,
    clear_leftovers,
    delete_visitor,
    expired_visitors,
    new_id,
    new_visitor,
    shared_clip,
)
from pose_tools.errors import BadInput

PICTURE = np.full((400, 300, 3), 90, np.uint8)
BAD_IDS = ["", ".", "..", "../local", "a/b", "a\\b", "a\0b", "x" * 65, "é", ".hidden", "a b", None, 7]


@pytest.fixture
def library(tmp_path):
    return Library(tmp_path)


def add_subject(library: Library, title: str = "One") -> str:
    subject = new_id()
    library.subject_folder(subject).mkdir(parents=True)
    library.add_subject(subject, title, PICTURE)
    return subject


def add_clip(library: Library, subject: str = "s") -> str:
    clip, made = new_id(), library.job_folder("job") / "made"
    made.mkdir(parents=True)
    (made / "video.mp4").write_bytes(b"video")
    library.add_clip(clip, made, subject, "One", {"motion": "wave"})
    return clip


def test_subjects_come_and_go(library):
    assert library.subjects() == []
    first, second = add_subject(library, "One"), add_subject(library, "Two")
    entry = library.subject(second)
    assert (entry.title, entry.tuned) == ("Two", ())
    assert Image.open(entry.thumbnail).size == (240, 320)
    assert [e.id for e in library.subjects()] == [second, first]
    (entry.folder / "tuned" / "mini").mkdir(parents=True)
    assert library.subject(second).tuned == ()
    (entry.folder / "tuned" / "mini" / "finished.json").write_text("{}")
    assert library.subject(second).tuned == ("mini",)
    library.delete_subject(second)
    assert [e.id for e in library.subjects()] == [first]
    assert not entry.folder.exists()
    with pytest.raises(BadInput, match="no such subject"):
        library.delete_subject(second)


def test_clips_come_and_go(library):
    one, two = add_clip(library, "a"), add_clip(library, "b")
    assert library.clip(one).video.read_bytes() == b"video"
    assert library.clip(one).settings == {"motion": "wave"}
    assert [e.id for e in library.clips()] == [two, one]
    assert [e.id for e in library.clips("a")] == [one]
    library.delete_clip(one)
    assert [e.id for e in library.clips()] == [two]
    assert not library.clip_folder(one).exists()


def test_unfinished_folders_are_not_in_the_library(library):
    (library.subject_folder("half")).mkdir(parents=True)
    (library.clip_folder("half")).mkdir(parents=True)
    assert library.subjects() == library.clips() == []
    for call in (library.subject, library.clip):
        with pytest.raises(BadInput):
            call("half")


@pytest.mark.parametrize("bad", BAD_IDS)
def test_an_id_from_outside_never_becomes_a_path(library, tmp_path, bad):
    add_subject(library)
    for call in (
        library.subject,
        library.clip,
        library.delete_subject,
        library.delete_clip,
        library.share,
        library.unshare,
        library.job_folder,
        library.delete_job_folder,
        lambda value: shared_clip(tmp_path, value),
        lambda value: Library(tmp_path, value),
        lambda value: delete_visitor(tmp_path, value),
    ):
        with pytest.raises(BadInput, match="no such"):
            call(bad)
    assert len(library.subjects()) == 1


def test_visitors_do_not_see_each_other(tmp_path):
    one, other = Library(tmp_path, new_visitor()), Library(tmp_path, new_visitor())
    subject, clip = add_subject(one), add_clip(one)
    assert other.subjects() == other.clips() == []
    for call in (other.subject, other.delete_subject):
        with pytest.raises(BadInput):
            call(subject)
    for call in (other.clip, other.delete_clip, other.share):
        with pytest.raises(BadInput):
            call(clip)
    assert one.subject(subject) and one.clip(clip)


def test_a_link_opens_one_clip_until_it_is_taken_back(tmp_path):
    library = Library(tmp_path, new_visitor())
    clip, hidden = add_clip(library), add_clip(library)
    assert library.clip(clip).share is None
    token = library.share(clip)
    assert len(token) >= 32
    assert library.share(clip) == token == library.clip(clip).share
    assert shared_clip(tmp_path, token).id == clip
    for wrong in (clip, hidden, library.visitor, token[:-1]):
        with pytest.raises(BadInput, match="no such link"):
            shared_clip(tmp_path, wrong)
    library.unshare(clip)
    with pytest.raises(BadInput):
        shared_clip(tmp_path, token)
    again = library.share(clip)
    assert again != token
    library.delete_clip(clip)
    with pytest.raises(BadInput):
        shared_clip(tmp_path, again)


def test_who_was_away_too_long_is_deleted_with_links(tmp_path):
    old, new, local = Library(tmp_path, "old"), Library(tmp_path, "new"), Library(tmp_path, LOCAL)
    for library in (old, new, local):
        add_clip(library)
        os.utime(library.folder, (1000, 1000))
    token = old.share(old.clips()[0].id)
    assert expired_visitors(tmp_path, 100, now=1050) == []
    new.touch()
    assert expired_visitors(tmp_path, 100) == ["old"]
    assert expired_visitors(tmp_path, 100, keep={"old"}) == []
    delete_visitor(tmp_path, "old")
    assert old.clips() == []
    assert not old.folder.exists()
    with pytest.raises(BadInput):
        shared_clip(tmp_path, token)
    assert len(new.clips()) == len(local.clips()) == 1
    assert expired_visitors(tmp_path / "nothing", 1) == []


def test_a_reader_never_sees_half_a_file(tmp_path):
    path, wrong, stop = tmp_path / "values.json", [], threading.Event()
    write_json(path, {"n": 0, "pad": ["x"] * 2000})

    def read():
        while not stop.is_set():
            values = read_json(path)
            if len(values["pad"]) != 2000:
                wrong.append(values)

    thread = threading.Thread(target=read)
    thread.start()
    for n in range(200):
        write_json(path, {"n": n, "pad": ["x"] * 2000})
    stop.set()
    thread.join()
    assert not wrong
    assert os.listdir(tmp_path) == ["values.json"]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "picture.png"
    write_picture(path, PICTURE)
    before = path.read_bytes()
    with pytest.raises(TypeError):
        write_picture(path, PICTURE.astype(complex))
    assert path.read_bytes() == before
    with pytest.raises(TypeError):
        write_json(tmp_path / "picture.json", {"no": {1, 2}})
    assert os.listdir(tmp_path) == ["picture.png"]


def test_leftovers_of_killed_processes_are_cleared(library):
    subject = add_subject(library)
    half = library.subject_folder(subject).with_name(".half")
    half.mkdir()
    (half / "photo.png").touch()
    clear_leftovers(library.root)
    assert half.exists(), "somebody may still be writing"
    os.utime(half, (1, 1))
    clear_leftovers(library.root)
    assert not half.exists()
    assert library.subject(subject)


def test_ids_cannot_be_guessed():
    assert len({new_id() for _ in range(100)}) == 100
    for made in (new_id(), new_visitor()):
        assert len(made) >= 24
        assert module.check_id(made, "thing") == made
