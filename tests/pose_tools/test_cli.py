"""python -m pose_tools as a person calls it: lists, files, progress, and one sentence with status 2."""

import subprocess
import sys

import numpy as np
from PIL import Image

from pose_tools.__main__ import main
from pose_tools.sequence import PoseSequence
from pose_tools.video import probe


def test_the_list_names_every_motion(capsys):
    assert main(["motions"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= 9 and any(line.startswith("catwalk ") for line in lines)


def test_a_motion_becomes_poses_and_poses_become_a_video(tmp_path, capsys):
    poses, video = tmp_path / "poses.npz", tmp_path / "poses.mp4"
    assert main(["motions", "--export", "sway", "--out", str(poses), "--frames", "4", "--height", "160"]) == 0
    sequence = PoseSequence.load(poses)
    assert len(sequence) == 4 and (sequence.width, sequence.height) == (128, 160)
    assert set(np.unique(sequence.iuv[0, ..., 0])) >= {0, 2, 9, 10, 23, 24}
    assert main(["view", str(poses), "--out", str(video)]) == 0
    said = capsys.readouterr()
    assert "frame 4 of 4" in said.err and said.out == ""
    info = probe(video)
    assert (info.width, info.height, info.fps) == (128, 160, 12.0)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["poses.mp4", "poses.npz"]


def test_poses_over_a_picture(tmp_path):
    poses, video, photo = tmp_path / "poses.npz", tmp_path / "over.mp4", tmp_path / "photo.png"
    PoseSequence(np.zeros((3, 160, 128, 3), np.uint8), 12).save(poses)
    Image.new("RGB", (256, 320), (200, 180, 160)).save(photo)
    assert main(["view", str(poses), "--out", str(video), "--photo", str(photo)]) == 0
    assert (probe(video).width, probe(video).height) == (256, 320)


def test_bad_input_is_one_sentence_and_status_2(tmp_path, capsys):
    text = tmp_path / "text.jpg"
    text.write_text("this is no picture")
    blank = tmp_path / "blank.png"
    Image.new("RGB", (64, 80), (240, 240, 240)).save(blank)
    out = str(tmp_path / "out.npz")
    video = str(tmp_path / "out.mp4")
    sequence = tmp_path / "good.npz"
    PoseSequence(np.zeros((2, 8, 8, 3), np.uint8), 12).save(sequence)
    wrong = [
        ["motions", "--export", "moonwalk", "--out", out],
        ["motions", "--export", "sway"],
        ["motions", "--out", out],
        ["motions", "--export", "sway", "--out", str(tmp_path / "out.zip")],
        ["motions", "--export", "sway", "--out", str(tmp_path / "nowhere" / "out.npz")],
        ["motions", "--export", "sway", "--out", out, "--frames", "0"],
        ["motions", "--export", "sway", "--out", out, "--fps", "nan"],
        ["motions", "--export", "sway", "--out", out, "--height", "9000"],
        ["motions", "--export", "sway", "--out", out, "--photo", str(text)],
        ["motions", "--export", "sway", "--out", out, "--photo", str(tmp_path / "none.png")],
        ["view", str(text), "--out", video],
        ["view", str(tmp_path / "none.npz"), "--out", video],
        ["view", str(sequence), "--out", video, "--photo", str(blank)],
        ["view", str(tmp_path), "--out", video],
    ]
    before = sorted(p.name for p in tmp_path.iterdir())
    for arguments in wrong:
        assert main(arguments) == 2, arguments
        said = capsys.readouterr()
        assert said.out == "" and said.err.count("\n") == 1 and said.err.endswith(".\n"), (arguments, said.err)
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_the_exit_status_reaches_the_shell():
    command = [sys.executable, "-m", "pose_tools", "view", "none.npz", "--out", "x.mp4"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr == "There is no pose file named none.npz.\n"


def test_a_photo_without_a_person_is_refused(tmp_path, capsys):
    blank = tmp_path / "blank.png"
    Image.new("RGB", (240, 300), (240, 240, 240)).save(blank)
    arguments = ["motions", "--export", "sway", "--out", str(tmp_path / "out.npz"), "--photo", str(blank)]
    assert main(arguments) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "No person was found in blank.png."
