"""The estimates of memory against what is alive in the paper's networks, and what is said where it is too little."""

import subprocess
import sys

import pytest
import torch

from dreampose_core import limits, memory
from dreampose_core.memory import (
    APART,
    MOST,
    SPARE,
    Need,
    check_room,
    frames_at_once,
    need,
    pictures_at_once,
)
from pose_tools.errors import BadInput
from tests.dreampose_core.live import Live
from tests.dreampose_core.tiny import tiny_pipeline
from tests.dreampose_core.whole_size import HEIGHT, WIDTH, whole_unet, whole_vae

CARD = torch.device("cuda")


@pytest.fixture(scope="module")
def networks():
    """The whole size, in half precision, without a byte of weights."""
    with torch.device("meta"):
        return whole_unet().to(torch.bfloat16), whole_vae().to(torch.bfloat16)


@torch.no_grad()
def test_the_estimates_hold_for_the_whole_size(networks):
    unet, vae = networks
    estimate = need(unet, vae, HEIGHT, WIDTH, 3)
    assert estimate.weights == pytest.approx(1.89e9, rel=0.01)

    def meta(*shape: int) -> torch.Tensor:
        return torch.zeros(shape, device="meta", dtype=torch.bfloat16)

    with Live(unet) as one:
        unet(meta(3, 14, 80, 64), torch.tensor(5, device="meta"), meta(3, 50, 768))
    assert one.peak <= estimate.frame / SPARE < 1.6 * one.peak
    with Live(vae) as one:
        vae.decode(meta(1, 4, 80, 64))
    assert one.peak <= 1.01 * estimate.picture / SPARE < 1.6 * one.peak


def test_frames_at_once_by_the_room_there_is(monkeypatch):
    needed = Need(weights=2 * 10**9, frame=4 * 10**8, picture=8 * 10**8)
    for free, frames, offloaded in ((3 * 10**9, 7, 2), (4 * 10**9, 10, 5), (80 * 10**9, MOST, MOST)):
        monkeypatch.setattr(memory, "free_on", lambda _, free=free: free + APART)
        assert frames_at_once(needed, CARD) == frames
        assert frames_at_once(needed, CARD, offloaded=True) == offloaded
    monkeypatch.setattr(memory, "free_on", lambda _: 3 * 10**8 + APART)
    with pytest.raises(BadInput, match="A frame takes 1.2 GB .* 0.7 GB are free; .* --offload, .* mini"):
        frames_at_once(needed, CARD)
    assert pictures_at_once(needed, CARD) == 1
    assert frames_at_once(needed, torch.device("cpu")) == memory.CPU_BATCH


def test_a_model_that_does_not_fit_is_said_before_it_is_loaded(tmp_path, monkeypatch):
    tiny_pipeline().save_pretrained(tmp_path)
    sizes = {
        name: sum(p.numel() for p in getattr(tiny_pipeline(), name).parameters())
        for name in ("vae", "unet", "image_encoder", "adapter", "refiner")
    }
    whole, largest = 4 * sum(sizes.values()), 4 * max(sizes.values())

    def say(free: int, device: torch.device, precision=torch.float32, offload: bool = False) -> str | None:
        monkeypatch.setattr(memory, "free_on", lambda _: free)
        try:
            check_room(tmp_path, precision, device, offload)
        except BadInput as error:
            return str(error)
        return None

    cpu = torch.device("cpu")
    assert say(2 * whole, cpu) is None and say(int(0.6 * whole), cpu, torch.bfloat16) is None
    assert say(whole // 2, cpu).endswith("close other programs, or use the profile mini.")
    assert "this machine has 0.0 GB free" in say(whole // 2, cpu)
    assert say(int(0.9 * whole), CARD).endswith("use half precision or --offload or the profile mini.")
    assert say(2 * largest, CARD, offload=True) is None


def test_offload_needs_room_for_the_largest_part_and_its_work(tmp_path, monkeypatch):
    """Of the headers and configurations of files alone; and all parts must fit the machine's own memory."""
    pipeline = tiny_pipeline()
    pipeline.save_pretrained(tmp_path)
    weights = {
        name: 4 * sum(p.numel() for p in getattr(pipeline, name).parameters())
        for name in ("vae", "unet", "image_encoder", "adapter", "refiner")
    }
    size = (4 * HEIGHT, 4 * WIDTH)
    work = need(pipeline.unet, pipeline.vae, *size, 2)
    least = APART + max(weights["unet"] + work.frame, weights["vae"] + work.picture, *weights.values())
    free = {"cuda": 0, "cpu": 2 * sum(weights.values())}
    monkeypatch.setattr(memory, "free_on", lambda device: free[device.type])

    def check(offload: bool) -> None:
        check_room(tmp_path, torch.float32, CARD, offload, size, 2)

    free["cuda"] = least + 1
    check(True)
    with pytest.raises(BadInput, match="half precision or --offload or the profile mini"):
        check(False)
    free["cuda"] = least
    with pytest.raises(BadInput, match="the card has"):
        check(True)
    free["cuda"] = APART + sum(weights.values()) + max(work.frame, work.picture) + 1
    check(False)
    free["cpu"] = sum(weights.values()) // 2
    with pytest.raises(BadInput, match="this machine has 0.0 GB free"):
        check(True)


@pytest.mark.parametrize(
    ("line", "folder", "names"),
    [
        ("0::/app/page", "app/page", ("memory.max", "memory.current", "")),
        ("0::/", "", ("memory.max", "memory.current", "")),
        ("4:memory:/app", "memory/app", ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_")),
    ],
)
def test_a_container_s_limit_counts_and_files_in_memory_do_not(tmp_path, monkeypatch, line, folder, names):
    limit, used, total = names
    group = tmp_path / folder
    group.mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(limits, "CGROUPS", tmp_path)
    monkeypatch.setattr(limits, "PROCESS", tmp_path / "cgroup")
    (tmp_path / "cgroup").write_text(f"3:cpuset:/\n{line}\n")
    for name, value in ((limit, "5000000"), (used, "4000000"), ("memory.stat", f"cache 9\n{total}inactive_file 70")):
        (group / name).write_text(value + "\n")
    assert limits.free_memory() == 1_000_070
    (group / limit).write_text("max\n")
    assert limits.free_memory() > 10**7


def test_a_process_s_own_limit_counts():
    ask = "from dreampose_core.limits import free_memory; print(free_memory())"
    limit = f"ulimit -v 2000000; exec {sys.executable} -c '{ask}'"
    told = int(subprocess.run(["bash", "-c", limit], capture_output=True, text=True, check=True).stdout)
    assert 10**6 < told < 2000000 * 1024


def test_what_is_free_is_known(monkeypatch):
    assert 10**6 < memory.free_on(torch.device("cpu")) < 10**14
    card = {"mem_get_info": (50, 80), "memory_reserved": 20, "memory_allocated": 12}
    for fraction, free in ((1.0, 58), (0.5, 28)):
        card["get_per_process_memory_fraction"] = fraction
        for name, value in card.items():
            monkeypatch.setattr(torch.cuda, name, lambda _, value=value: value)
        assert memory.free_on(CARD) == free
