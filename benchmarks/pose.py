"""How near the embedded estimator comes to official DensePose on a real video, and to the truth on rendered people.

    python -m pose_tools.people --out PEOPLE --subjects 8 --frames 41 --seed 910000 --sequence 20
    python -m benchmarks.pose --dance VIDEO --official SIDE_BY_SIDE_VIDEO [--people PEOPLE] [--fps 12]

The side-by-side video shows the parts that DensePose R_50_FPN_s1x found, drawn in OpenCV's parula colours, with a
watermark over the feet that is left out.  IoU: intersection over union of a group of parts, mean over the frames in
which either has it.  U and V: mean distance in 0..1 where the part is right.
"""

import argparse
import time
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks import record
from pose_tools.body.figure import rotation_matrices, yaw_matrix
from pose_tools.body.kinematics import heading
from pose_tools.body.track import Track, track_person
from pose_tools.estimators.densepose.config import CONFIGS
from pose_tools.estimators.densepose.estimator import people_found
from pose_tools.estimators.densepose.model import DensePoseRCNN, bgr_input, input_size
from pose_tools.video import probe, read_frames

GROUPS = {
    "torso": (1, 2), "arms": (3, 4, *range(15, 23)), "legs": (5, 6, *range(7, 15)), "head": (23, 24),
    "body": tuple(range(1, 25)),
}
SIDE = 640                         # pixels of the longer side of the frames
PANEL = (774, 0, 1179, 720)        # of the 1280x720 side-by-side video: where the parts are drawn, x0 y0 x1 y1
WATERMARK = (145, 630, 405, 706)   # of that panel
SPECK = 0.01                       # of the panel's person: smaller pieces are false finds of the official program
FEW = 30                           # pixels of a part that are compared


def official_parts(path: Path, fps: float):
    """Parts uint8 (720, 405) of each frame of the side-by-side video."""
    colours = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_PARULA)[:, 0, ::-1].astype(int)
    colours = np.concatenate([[[0, 0, 0]], colours[[int(part * 255 / 24) for part in range(1, 25)]]])
    x0, y0, x1, y1 = PANEL
    for frame in read_frames(path, fps):
        panel = frame[y0:y1, x0:x1].astype(np.int32)
        away = ((panel[:, :, None] - colours) ** 2).sum(-1)
        parts = away.argmin(-1).astype(np.uint8)
        parts[panel.max(-1) < 40] = 0
        count, pieces, facts, _ = cv2.connectedComponentsWithStats((parts > 0).astype(np.uint8))
        small = facts[:, cv2.CC_STAT_AREA] < SPECK * max((parts > 0).sum(), 1)
        yield np.where(small[pieces], 0, parts).astype(np.uint8) if count > 1 else parts


def group_overlaps(parts: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """IoU of each group of parts that either map (H, W) has."""
    out = {}
    for name, group in GROUPS.items():
        mine, theirs = np.isin(parts, group), np.isin(truth, group)
        if (mine | theirs).sum() >= FEW:
            out[name] = float((mine & theirs).sum() / (mine | theirs).sum())
    return out


def mean_by_name(rows: list[dict[str, float]]) -> dict[str, float]:
    """Means of what each name has in the rows."""
    return {name: round(float(np.mean([row[name] for row in rows if name in row])), 4) for name in rows[0]}


def follow(frames, fps: float) -> tuple[Track, float]:
    """The track, and frames a second of processor time: reading of the video included, one core."""
    start = time.process_time()
    track = track_person(frames, fps)
    return track, len(track) / (time.process_time() - start)


def against_official(dance: Path, official: Path, fps: float) -> tuple[dict, Track]:
    """IoU of groups on a real video, as the mean over frames and as the share of frames above a half."""
    info = probe(dance)
    factor = SIDE / max(info.width, info.height)
    size = round(info.width * factor), round(info.height * factor)
    track, rate = follow(read_frames(dance, fps, size), fps)
    x0, y0, x1, y1 = WATERMARK
    rows = []
    for k, parts in enumerate(official_parts(official, fps)):
        if k == len(track):
            break
        mine = cv2.resize(track.charts(k)[..., 0], parts.shape[::-1], interpolation=cv2.INTER_NEAREST)
        mine[y0:y1, x0:x1] = parts[y0:y1, x0:x1] = 0
        rows.append(group_overlaps(mine, parts))
    worst = sorted(range(len(rows)), key=lambda k: rows[k]["body"])[:5]
    good = {name: round(float(np.mean([row.get(name, 1) > 0.5 for row in rows])), 4) for name in GROUPS}
    return {
        "frames": len(rows), "fps": fps, "seen": round(float(track.seen.mean()), 4), "iou": mean_by_name(rows),
        "share_of_frames_above_half": good, "worst_frames": worst, "frames_a_second": round(rate, 2),
    }, track


def against_truth(people: Path, fps: float, length: int) -> dict:
    """IoU, U and V, and facing on rendered people: each clip of `length` frames after the photo is tracked."""
    rows, rates, clips = [], [], 0
    for path in sorted(people.glob("subject_*.npz")):
        with np.load(path) as data:
            one = {name: data[name] for name in ("frames", "iuv", "rotations", "yaw")}
        for first in range(1, len(one["frames"]) - length + 1, length):
            span = range(first, first + length)
            track, rate = follow((one["frames"][k] for k in span), fps)
            rates.append(rate)
            clips += 1
            for k, at in enumerate(span):
                rows.append(_compare(track, k, one["iuv"][at], one["rotations"][at][0], float(one["yaw"][at])))
    return {"clips": clips, "frames": len(rows), "fps": fps, "frames_a_second": round(float(np.mean(rates)), 2),
            **mean_by_name(rows)}


def _compare(track: Track, k: int, truth: np.ndarray, root: np.ndarray, yaw: float) -> dict[str, float]:
    mine = track.charts(k)
    row = group_overlaps(mine[..., 0], truth[..., 0])
    each = []
    for part in range(1, 25):
        a, b = mine[..., 0] == part, truth[..., 0] == part
        if b.sum() >= FEW:
            each.append((a & b).sum() / (a | b).sum())
    row["parts"] = float(np.mean(each))
    both = (mine[..., 0] > 0) & (truth[..., 0] > 0)
    same = both & (mine[..., 0] == truth[..., 0])
    row["right_part_where_both"] = float(same.sum() / max(both.sum(), 1))
    away = np.abs(mine[..., 1:].astype(float) - truth[..., 1:]) / 255
    row["u_error"], row["v_error"] = (float(away[..., c][same].mean()) for c in range(2))
    turns = heading(np.stack([yaw_matrix(track.poses[k].yaw) @ rotation_matrices(track.poses[k].rotations[0]),
                              yaw_matrix(yaw) @ rotation_matrices(root)]))
    off = abs((turns[0] - turns[1] + np.pi) % (2 * np.pi) - np.pi)
    row["facing_error_degrees"], row["faces_the_other_way"] = float(np.degrees(off)), float(off > np.pi / 2)
    return row


def speed_of_network(video: Path, fps: float, frames: int = 6) -> dict[str, float]:
    """Frames a second of the official network in plain PyTorch, on one thread of this device.

    Its weights are random: the work before the people's boxes is that of real ones, and one box of charts is added
    for each frame, whatever was found.
    """
    torch.set_num_threads(1)
    torch.manual_seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = DensePoseRCNN(CONFIGS["R_50_FPN_s1x"]).eval().to(device)
    spent = 0.0
    for number, frame in enumerate(islice(read_frames(video, fps), frames + 1)):
        begun = time.perf_counter()
        with torch.inference_mode():
            size = input_size(model.config, *frame.shape[:2])
            levels = model.backbone(model.batch([bgr_input(frame, size).to(device)]))
            model.people(levels, size)
            box = torch.tensor([[size[1] * 0.2, size[0] * 0.1, size[1] * 0.8, size[0] * 0.95]], device=device)
            charts = model.roi_heads.charts(model.roi_heads.decoder(levels), box)
            people_found(box, torch.ones(1), charts, size, frame.shape[:2])
        spent += (time.perf_counter() - begun) * (number > 0)  # the first one warms up
    return {"frames": frames, "frames_a_second": round(frames / spent, 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dance", type=Path)
    parser.add_argument("--official", type=Path)
    parser.add_argument("--people", type=Path)
    parser.add_argument("--length", type=int, default=20, help="of the rendered motions (--sequence)")
    parser.add_argument("--fps", type=float, default=12)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    figures = {}
    if options.dance and options.official:
        figures["real_video"], _ = against_official(options.dance, options.official, options.fps)
        print(figures["real_video"])
    if options.people:
        figures["rendered_people"] = against_truth(options.people, options.fps, options.length)
        print(figures["rendered_people"])
    if options.dance:
        figures["densepose_network"] = speed_of_network(options.dance, options.fps)
        print(figures["densepose_network"])
    if figures:
        print(record.write("pose", figures))


if __name__ == "__main__":
    main()
