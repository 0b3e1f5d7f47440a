"""Stances and motions as a few angles, and their turning into the 19 bones' rotations.

A stance is a flat dict of degrees. Arms: ``lift`` away from the body (0 hanging, 90 level), ``swing`` forwards,
``bend`` of the elbow, ``inward``: where the forearm goes when it bends (0 forwards, 90 across the body), ``hand``
bend of the wrist. Legs: ``flex`` forwards, ``out`` sideways, ``knee``, ``turn`` outwards. Smooth motions are
smooth curves of these angles.
"""

import numpy as np
from scipy.spatial.transform import Rotation

from .anatomy import BONE, BONES, PARENTS, unit

SIDES = {"L": 1.0, "R": -1.0}
STILL = dict(yaw=0.0, hip_roll=0.0, hip_turn=0.0, lean=0.0, side=0.0, twist=0.0, nod=0.0, look=0.0, tilt=0.0)
for _s in "LR":
    STILL |= {
        f"lift{_s}": 13.0,
        f"swing{_s}": 2.0,
        f"bend{_s}": 14.0,
        f"inward{_s}": 30.0,
        f"hand{_s}": 0.0,
        f"flex{_s}": 0.0,
        f"out{_s}": -5.0,
        f"knee{_s}": 3.0,
        f"turn{_s}": 4.0,
    }


def _about(axis: str, degrees: float) -> np.ndarray:
    return Rotation.from_euler(axis, degrees, degrees=True).as_matrix()


def _arm(heads: np.ndarray, stance: dict, side: str, lift: float) -> tuple[np.ndarray, np.ndarray]:
    """Rotations of upper and lower arm: the elbow stays a hinge, its plane turns with the upper arm."""
    sign = SIDES[side]
    shoulder, elbow, wrist = (heads[BONE[f"{n}.{side}"]] for n in ("upperarm01", "lowerarm01", "wrist"))
    upper, lower = unit(elbow - shoulder), unit(wrist - elbow)
    hinge = unit(np.cross(upper, lower))
    swing = _about("x", -stance["swing" + side])
    aim = swing @ _about("y", -sign * lift) @ np.array([0, 0, -1.0])
    forward = np.array([0, -1.0, 0]) if abs(aim[1]) < 0.9 else np.array([0, 0, 1.0])
    forward = unit(forward - (forward @ aim) * aim)
    across = unit(np.cross(aim, forward)) * sign
    turn = np.deg2rad(stance["inward" + side])
    sideways = forward * np.cos(turn) + across * np.sin(turn)
    bend = np.deg2rad(max(stance["bend" + side], 4.0))
    target_hinge = unit(np.cross(aim, sideways))
    rest_frame = np.stack([upper, hinge, np.cross(upper, hinge)], 1)
    aim_frame = np.stack([aim, target_hinge, np.cross(aim, target_hinge)], 1)
    rest_bend = np.arccos(np.clip(upper @ lower, -1, 1))
    return aim_frame @ rest_frame.T, Rotation.from_rotvec(hinge * (bend - rest_bend)).as_matrix()


def rotations(stance: dict, heads: np.ndarray, heel_pitch: float = 0.0, clear: float = 0.0) -> np.ndarray:
    """(19,3) axis-angle in the Figure's convention. ``heads`` (19,3) rest joints; ``heel_pitch`` degrees of a
    heeled shoe; ``clear`` degrees by which wide clothes hold hanging arms off."""
    matrix = np.repeat(np.eye(3)[None], len(BONES), 0)

    def put(name, value):
        matrix[BONE[name]] = value

    s = stance
    put("root", _about("y", s["hip_roll"]) @ _about("x", 0.35 * s["lean"]) @ _about("z", s["hip_turn"]))
    for name in ("spine04", "spine02"):
        put(
            name,
            _about("z", 0.5 * (s["twist"] - s["hip_turn"]))
            @ _about("y", 0.5 * (s["side"] - s["hip_roll"]))
            @ _about("x", 0.32 * s["lean"]),
        )
    for name, part in (("neck01", 0.4), ("head", 0.6)):
        put(
            name, _about("z", part * s["look"]) @ _about("x", part * s["nod"]) @ _about("y", part * s["tilt"])
        )
    for side, sign in SIDES.items():
        lift = s["lift" + side]
        lift += clear * np.clip(1 - lift / 70, 0, 1) * np.clip(1.6 - s["bend" + side] / 60, 0, 1)
        # above level the shoulder girdle takes a third of the way
        shrug = max(0.0, lift - 40) * 0.3
        put(f"clavicle.{side}", _about("y", -sign * shrug))
        upper, lower = _arm(heads, s, side, lift - shrug)
        put(f"upperarm01.{side}", upper)
        put(f"lowerarm01.{side}", lower)
        put(f"wrist.{side}", _about("y", sign * s["hand" + side]))
        leg = (
            _about("x", -s["flex" + side])
            @ _about("y", -sign * s["out" + side] - s["hip_roll"])
            @ _about("z", sign * s["turn" + side] - s["hip_turn"])
        )
        put(f"upperleg01.{side}", leg)
        put(f"lowerleg01.{side}", _about("x", s["knee" + side]))
        flat = _about("x", s["flex" + side] - s["knee" + side] - 0.35 * s["lean"] + heel_pitch)
        put(f"foot.{side}", flat)
    return Rotation.from_matrix(matrix).as_rotvec().astype(np.float32)


def bone_transforms(heads: np.ndarray, axis_angle: np.ndarray, yaw: float, shift=(0, 0, 0)) -> np.ndarray:
    """(19,3,4) world transforms: A_i = A_p R_i, T_i = T_p + A_p (h_i - R_i h_i); yaw turns the root first."""
    local = Rotation.from_rotvec(axis_angle).as_matrix()
    local[0] = Rotation.from_rotvec([0, 0, yaw]).as_matrix() @ local[0]
    out = np.zeros((len(BONES), 3, 4))
    for i, parent in enumerate(PARENTS):
        above = np.hstack([np.eye(3), np.asarray(shift, float)[:, None]]) if parent < 0 else out[parent]
        out[i, :, :3] = above[:, :3] @ local[i]
        out[i, :, 3] = above[:, 3] + above[:, :3] @ (heads[i] - local[i] @ heads[i])
    return out


def _hand_on_hip(rng, side: str) -> dict:
    return {
        f"lift{side}": rng.uniform(42, 50),
        f"swing{side}": rng.uniform(-26, -16),
        f"bend{side}": rng.uniform(88, 100),
        f"inward{side}": rng.uniform(58, 70),
        f"hand{side}": 20.0,
    }


def _weight_on(side: str, amount: float) -> dict:
    """Weight on one leg: the hip goes up and out there, the other knee is loose, the shoulders tilt back."""
    sign, other = SIDES[side], "R" if side == "L" else "L"
    return {
        "hip_roll": -sign * 5 * amount,
        "side": sign * 2.5 * amount,
        f"out{side}": -7.0 - 2 * amount,
        f"knee{other}": 3 + 14 * amount,
        f"flex{other}": 2 + 9 * amount,
        f"out{other}": -3 + 4 * amount,
        f"turn{other}": 4 + 8 * amount,
    }


def _arms(rng) -> dict:
    out = {}
    for side in "LR":
        out |= {
            f"lift{side}": rng.uniform(9, 17),
            f"swing{side}": rng.uniform(-8, 10),
            f"bend{side}": rng.uniform(8, 30),
            f"inward{side}": rng.uniform(10, 45),
            f"hand{side}": rng.uniform(-8, 8),
        }
    return out


def photo_stance(rng) -> tuple[str, dict]:
    """A mostly frontal fashion stance: its name and angles."""
    stance = (
        STILL
        | _arms(rng)
        | {
            "yaw": float(np.clip(rng.normal(0, 11), -25, 25)),
            "look": rng.normal(0, 6),
            "nod": rng.normal(0, 3),
            "tilt": rng.normal(0, 3),
            "lean": rng.uniform(-2, 3),
        }
    )
    kind = rng.choice(
        ["arms hanging", "hand on hip", "weight shifted", "walking step", "slight lean"],
        p=[0.3, 0.2, 0.2, 0.2, 0.1],
    )
    side, other = rng.permutation(["L", "R"])
    if kind == "hand on hip":
        stance |= _hand_on_hip(rng, side) | _weight_on(other, rng.uniform(0, 1))
    elif kind == "weight shifted":
        stance |= _weight_on(side, rng.uniform(0.4, 1.1))
    elif kind == "walking step":
        stance |= _walk(rng.choice([0.25, 0.75]) + rng.normal(0, 0.04), rng.uniform(0.5, 1.0))
    elif kind == "slight lean":
        stance |= {"side": rng.uniform(-8, 8), "twist": rng.uniform(-8, 8)}
    return str(kind), stance


def _walk(t: float, stride: float) -> dict:
    """Phase t in cycles: legs swing against each other, arms against the legs, the swinging knee bends."""
    a, b = np.sin(2 * np.pi * t), np.cos(2 * np.pi * t)
    out = {"twist": 5 * a * stride, "hip_turn": -4 * a * stride, "hip_roll": 2.5 * b * stride}
    for side, sign in SIDES.items():
        swing = sign * a
        lifting = max(0.0, sign * b)
        out |= {
            f"flex{side}": 21 * swing * stride + 14 * lifting * stride,
            f"knee{side}": 5 + 38 * lifting * stride + 6 * max(0.0, -swing) * stride,
            f"out{side}": -6.5,
            f"swing{side}": -22 * swing * stride,
            f"bend{side}": 14 + 10 * max(0.0, -swing) * stride,
        }
    return out


MOTIONS = (
    "walk",
    "turn",
    "quarter turn",
    "back view",
    "hands on hips",
    "arm raised",
    "sway",
    "look over shoulder",
    "random",
)


def motion(name: str, start: dict, rng, phases: np.ndarray) -> list[dict]:
    """Stances of a motion at phases (cycles, 0 is near the start stance); ``rng`` draws its details."""
    amount, side = rng.uniform(0.7, 1.2), rng.choice(["L", "R"])
    other = "R" if side == "L" else "L"
    sign = rng.choice([-1.0, 1.0])
    calm = STILL | _arms(rng) | {"yaw": start["yaw"], "look": start["look"] * 0.5}
    offset = rng.uniform(60, 180)
    stances, goals = [], [_random_stance(rng, start["yaw"]) for _ in range(3)]
    hips = _hand_on_hip(rng, side) | (_hand_on_hip(rng, other) if rng.random() < 0.5 else {})
    raised = {
        f"lift{side}": rng.uniform(65, 105),
        f"swing{side}": rng.uniform(0, 25),
        f"bend{side}": rng.uniform(50, 110),
        f"inward{side}": rng.uniform(-100, -60),
    }
    for t in np.asarray(phases, float):
        wave, lift = np.sin(2 * np.pi * t), 0.5 - 0.5 * np.cos(2 * np.pi * t)
        if name == "walk":
            s = calm | _walk(t, 0.95 * amount) | {"look": 0.0}
        elif name == "turn":
            s = calm | _walk(2 * t, 0.35) | {"yaw": calm["yaw"] + sign * 360 * t}
        elif name == "quarter turn":
            s = calm | _walk(2 * t, 0.3) | {"yaw": calm["yaw"] + sign * offset * lift}
        elif name == "back view":
            s = calm | _walk(t, 0.7 * amount) | {"yaw": 180 + calm["yaw"] + 14 * wave}
        elif name == "hands on hips":
            s = blend(calm, calm | hips, lift**0.4)
            s |= _weight_on(side if wave > 0 else other, abs(wave))
            s["yaw"] += 10 * wave * amount
        elif name == "arm raised":
            s = blend(calm, calm | raised, lift)
            s["side"] += 4 * wave
        elif name == "sway":
            s = calm | _weight_on(side if wave > 0 else other, 1.2 * abs(wave)) | {"look": 8 * wave}
            s["yaw"] += 12 * wave * sign
        elif name == "look over shoulder":
            s = blend(
                calm,
                calm
                | {
                    "yaw": calm["yaw"] + sign * (100 + 60 * (amount - 0.7)),
                    "twist": -sign * 22,
                    "look": -sign * 45,
                    "tilt": sign * 4,
                },
                lift,
            )
        else:
            place = (t % 1) * len(goals)
            first, part = int(place) % len(goals), place - int(place)
            s = blend(goals[first], goals[(first + 1) % len(goals)], part * part * (3 - 2 * part))
        stances.append(s)
    return stances


def _random_stance(rng, yaw: float) -> dict:
    s = STILL | _arms(rng) | _walk(rng.random(), rng.uniform(0, 0.9))
    s |= {
        "yaw": yaw + rng.normal(0, 40),
        "lean": rng.uniform(-4, 10),
        "side": rng.normal(0, 7),
        "twist": rng.normal(0, 12),
        "look": rng.normal(0, 22),
        "nod": rng.normal(0, 7),
        "tilt": rng.normal(0, 5),
    }
    for side in "LR":
        kind = rng.random()
        if kind < 0.2:
            s |= _hand_on_hip(rng, side)
        elif kind < 0.6:
            s |= {
                f"lift{side}": rng.uniform(8, 85),
                f"swing{side}": rng.uniform(-20, 60),
                f"bend{side}": rng.uniform(8, 100),
                f"inward{side}": rng.uniform(-60, 60),
            }
    return s


def blend(a: dict, b: dict, part: float) -> dict:
    """Between two stances, part 0..1."""
    return {k: (1 - part) * a[k] + part * b[k] for k in a}
