"""Which garments a person wears, and how each is cut and put on."""

import numpy as np

from .cloth import Skirt, leg_cover, leg_flare, shell, skirt_surface, smoothstep, top_cover
from .patterns import Fabric, random_colour, random_fabric
from .pieces import arm_piece, body_piece, leg_piece, skirt_piece
from .rack import Rack
from .shoes import wear_shoes

OUTFITS = {  # name: (weight for women, weight for men)
    "trousers": (0.22, 0.62),
    "shorts": (0.10, 0.22),
    "skirt": (0.24, 0.0),
    "dress": (0.30, 0.0),
    "jumpsuit": (0.05, 0.04),
    "leggings": (0.09, 0.12),
}


def _note(fabric: Fabric) -> dict:
    return {"pattern": fabric.kind, "colours": list(fabric.colours)}


def wear_top(rack: Rack, fabric: Fabric, cut: dict) -> np.ndarray:
    """A shirt, blouse, sweater or bodice; returns its outline (V,)."""
    rng, a = rack.rng, rack.anatomy
    cover = top_cover(a, cut["neck"], cut["depth"], cut["sleeve"], cut["hem"])
    z = a.canon[:, 2]
    ease = cut["ease"] * (0.75 + 0.5 * smoothstep(a.arm, 0, 0.1))
    ease = ease + cut["loose"] * smoothstep(-z, -0.50, -0.30) * (a.arm_weight < 0.5)
    ease = ease + cut.get("puff", 0) * smoothstep(a.arm, 0.06, max(cut["sleeve"], 0.1)) * (a.arm_weight > 0.5)
    ease = ease * (0.35 + 0.65 * smoothstep(cover, -0.01, 0.05))
    surface = shell(a, rack.rest, rack.normals, cover, ease, cut["smoothing"])
    rack.tuck(cover, 0.03)
    rack.add_shell(
        surface, {0: rack.texture(body_piece(rng, fabric, cut)), 1: rack.texture(arm_piece(rng, fabric, cut))}
    )
    rack.hide_body(cover)
    return cover


def wear_trousers(rack: Rack, fabric: Fabric, cut: dict) -> np.ndarray:
    rng, a = rack.rng, rack.anatomy
    cover = leg_cover(a, cut["waist"], cut["hem"])
    z = a.canon[:, 2]
    ease = np.full(len(z), cut["ease"])
    points = rack.rest + leg_flare(
        a,
        rack.rest,
        rack.heads,
        cut["flare"] * smoothstep(-z, -0.02, 0.7) + cut["wide"] * smoothstep(-z, -0.06, 0.15),
    )
    normals = rack.normals
    surface = shell(a, points, normals, cover, ease, cut["smoothing"], as_legs=True)
    rack.tuck(cover, 0.012)
    rack.add_shell(surface, {0: 0, 1: 0, 2: rack.texture(leg_piece(rng, fabric, cut))})
    rack.hide_body(cover)
    return cover


def wear_skirt(rack: Rack, fabric: Fabric, cut: dict, gap: float = 0.0) -> None:
    """A skirt or the lower part of a dress or coat; ``gap`` opens it in front (radians, half width)."""
    rng, a = rack.rng, rack.anatomy
    z = a.canon[:, 2]
    picks = np.flatnonzero((z < cut["top"] + 0.03) & (z > -0.80) & (a.arm_weight < 0.2))[::2]
    skirt = Skirt(
        cut["top"],
        cut["length"],
        cut.get("ease_top", cut["ease"]),
        cut["ease"],
        min(cut["flare"], 0.26 / cut["length"]),
        cut["taper"],
        cut["ripple"],
        rng.integers(5, 13, 3) * np.array([1, 1, 2]),
        rng.uniform(0, 6, 3),
        picks,
    )
    theta = skirt.angles()
    drop = skirt.length * np.linspace(0, 1, skirt.rows)
    hem = skirt.length - 0.012 - drop[:, None] + cut.get("tilt", 0.0) * (np.cos(theta)[None] - 1) * 0.5
    keep = hem
    if gap > 0:
        opening = (np.abs(theta)[None] - gap * (0.7 + 0.6 * drop[:, None] / skirt.length)) * 0.15
        keep = np.minimum(keep, opening)
    if cut.get("slit") is not None:
        away = np.abs(theta - cut["slit"])[None] * 0.15
        keep = np.minimum(
            keep,
            np.maximum(
                away - 0.10 * (drop[:, None] / skirt.length - 0.45), 0.45 * skirt.length - drop[:, None]
            ),
        )
    texture = rack.texture(skirt_piece(rng, fabric, skirt.length, cut))
    rack.surfaces.append(skirt_surface(skirt, texture, keep.reshape(-1)))


def random_top(rng, female: bool) -> dict:
    chances = [0.18, 0.12, 0.2, 0.12, 0.38] if female else [0.06, 0.12, 0.42, 0.12, 0.28]
    sleeve = float(rng.choice([-0.03, 0.12, 0.2, 0.33, 0.53], p=chances))
    neck = str(
        rng.choice(
            ["crew", "scoop", "vee", "high", "strapless"],
            p=[0.32, 0.28, 0.24, 0.10, 0.06] if female else [0.68, 0.04, 0.2, 0.08, 0],
        )
    )
    if neck == "strapless":
        sleeve = -0.06
    loose = float(rng.choice([0.0, 0.008, 0.02]))
    return {
        "neck": neck,
        "depth": float(rng.uniform(0.01, 0.08)),
        "sleeve": sleeve,
        "ease": float(rng.uniform(0.006, 0.013)),
        "loose": loose,
        "puff": float(rng.choice([0, 0, 0.012, 0.03])) if female else 0.0,
        "smoothing": int(rng.integers(6, 22)),
        "folds": float(rng.uniform(0.5, 1.5)),
        "hem": float(rng.uniform(0.12, 0.24)),
    }


def dress(rack: Rack, female: bool) -> None:
    """Chooses and puts on a whole outfit; writes what it is into ``rack.notes``."""
    rng, notes = rack.rng, rack.notes
    names = list(OUTFITS)
    weights = np.array([OUTFITS[n][0 if female else 1] for n in names])
    outfit = str(rng.choice(names, p=weights / weights.sum()))
    top = random_top(rng, female)
    upper = random_fabric(rng, 0.5)
    lower = random_fabric(rng, 0.22, muted=True)
    notes |= {
        "outfit": outfit,
        "top": _note(upper) | {"neck": top["neck"], "sleeve": round(top["sleeve"], 2)},
    }
    belt = random_colour(rng, True) * 0.6 if rng.random() < 0.3 else None
    if rng.random() < 0.18 and top["sleeve"] > 0.3:
        top["buttons"] = list(np.clip(upper.tile.mean((0, 1)) * 0.4 + rng.choice([0, 0.5]), 0, 1))
    elif upper.kind == "plain" and rng.random() < 0.3:
        top["print"] = list(random_colour(rng))
    swing = dict(ease=float(rng.uniform(0.010, 0.02)), folds=float(rng.uniform(0.5, 1.5)))
    style = rng.choice(["pencil", "straight", "a-line", "full"], p=[0.22, 0.23, 0.33, 0.22])
    shape = {
        "pencil": (0.0, 0.25, 0.002),
        "straight": (0.02, 0.0, 0.008),
        "a-line": (0.22, 0.0, 0.022),
        "full": (0.42, 0.0, 0.035),
    }[style]
    swing |= dict(
        flare=shape[0] * rng.uniform(0.8, 1.2), taper=shape[1], ripple=shape[2] * rng.uniform(0.6, 1.4)
    )
    length = float(rng.choice([0.44, 0.58, 0.70, 0.88, 1.06], p=[0.15, 0.25, 0.3, 0.17, 0.13])) + rng.normal(
        0, 0.03
    )
    if outfit == "dress":
        top["hem"], top["loose"], top["belt"] = 0.33, 0.0, belt
        wear_top(rack, upper, top)
        cut = swing | {"top": 0.385, "length": length, "band": belt}
        cut["ease"] += top["ease"] * 0.6
        cut["tiers"] = int(rng.integers(2, 5)) if rng.random() < 0.2 else 0
        cut["buttons"] = top.get("buttons")
        cut["slit"] = (
            float(rng.choice([-0.5, 0.5]))
            if rng.random() < 0.15 and style in ("pencil", "straight")
            else None
        )
        cut["tilt"] = float(rng.choice([0, 0, 0, 0.15]))
        wear_skirt(rack, upper, cut)
        notes["skirt"] = {"style": str(style), "length": round(length, 2)}
    elif outfit == "skirt":
        top["hem"], top["loose"] = 0.25, min(top["loose"], 0.008)
        wear_top(rack, upper, top)
        fabric = random_fabric(rng, 0.4)
        cut = swing | {
            "top": 0.375,
            "length": length - 0.02,
            "band": belt if belt is not None else fabric.tile.mean((0, 1)) * 0.8,
        }
        cut["ease"] += top["ease"]
        cut["pleats"] = int(rng.integers(24, 48)) if rng.random() < 0.3 else 0
        cut["slit"] = (
            float(rng.choice([-0.5, 0.5])) if rng.random() < 0.2 and style in ("pencil", "straight") else None
        )
        wear_skirt(rack, fabric, cut)
        notes["skirt"] = _note(fabric) | {"style": str(style), "length": round(length, 2)}
    elif outfit == "jumpsuit":
        top["hem"], top["belt"] = 0.30, belt
        wear_top(rack, upper, top | {"loose": 0.0})
        cut = _trouser_cut(rng, 0.36, belt)
        wear_trousers(rack, upper, cut)
    else:
        waist = float(rng.uniform(0.28, 0.36))
        tucked = rng.random() < 0.45
        cut = _trouser_cut(rng, waist, belt)
        if outfit == "shorts":
            cut["hem"], cut["flare"], cut["wide"] = (
                float(rng.uniform(-0.27, -0.03)),
                0.0,
                float(rng.uniform(0.0, 0.025)),
            )
        elif outfit == "leggings":
            cut |= {
                "hem": float(rng.uniform(-0.72, -0.55)),
                "flare": 0.0,
                "wide": 0.0,
                "ease": 0.004,
                "smoothing": 2,
                "folds": 0.3,
                "crease": False,
            }
        if tucked:
            wear_top(
                rack,
                upper,
                top | {"hem": waist - 0.06, "ease": min(top["ease"], cut["ease"] * 0.8), "loose": 0.0},
            )
            wear_trousers(rack, lower, cut)
        else:
            wear_trousers(rack, lower, cut)
            wear_top(
                rack,
                upper,
                top
                | {
                    "ease": max(top["ease"], cut["ease"] * 0.7 + 0.006),
                    "loose": max(top["loose"], cut["ease"] + 0.012),
                },
            )
        notes["trousers"] = _note(lower) | {"hem": round(cut["hem"], 2)}
    if rng.random() < (0.22 if outfit != "dress" else 0.12):
        _coat(rack, top)
    kind = str(
        rng.choice(
            ["sneakers", "boots", "flats", "heels"],
            p=[0.3, 0.2, 0.2, 0.3] if female else [0.55, 0.3, 0.15, 0],
        )
    )
    notes["shoes"] = kind
    colour = random_colour(rng, True) * rng.choice([0.5, 1.0])
    sole = np.array([0.9, 0.9, 0.88]) if kind == "sneakers" else colour * 0.4
    notes["heel pitch"] = float(rng.uniform(18, 34)) if kind == "heels" else 0.0
    wear_shoes(rack, kind, np.clip(colour, 0.03, 1), sole, notes["heel pitch"])


def _trouser_cut(rng, waist: float, belt) -> dict:
    kind = rng.choice(["slim", "straight", "wide", "flared"], p=[0.35, 0.3, 0.2, 0.15])
    flare = {"slim": 0.0, "straight": 0.012, "wide": 0.035, "flared": 0.045}[kind]
    wide = {"slim": 0.0, "straight": 0.006, "wide": 0.025, "flared": 0.0}[kind]
    return {
        "waist": waist,
        "hem": float(rng.uniform(-0.775, -0.72) if kind != "slim" else rng.uniform(-0.73, -0.62)),
        "flare": flare,
        "wide": wide,
        "ease": float(rng.uniform(0.006, 0.012)),
        "smoothing": int(rng.integers(4, 12)),
        "folds": float(rng.uniform(0.5, 1.3)),
        "crease": bool(rng.random() < 0.3),
        "belt": belt,
    }


def _coat(rack: Rack, top: dict) -> None:
    """A jacket or a long coat over everything, open or closed in front."""
    rng, a = rack.rng, rack.anatomy
    fabric = random_fabric(rng, 0.25, muted=True)
    skirt = rack.notes.get("skirt")
    long = rng.random() < 0.5 and (not skirt or skirt["style"] in ("pencil", "straight"))
    gap = float(rng.choice([0.0, rng.uniform(0.03, 0.08)]))
    cut = {
        "neck": "vee",
        "depth": float(rng.uniform(0.1, 0.22)),
        "sleeve": float(rng.uniform(0.5, 0.56)),
        "hem": 0.30 if long else 0.35 if skirt else float(rng.uniform(0.06, 0.26)),
        "ease": 0.022,
        "loose": 0.016,
        "smoothing": 16,
        "folds": float(rng.uniform(0.6, 1.3)),
        "lapels": 0.40 if rng.random() < 0.7 else 0,
        "gap": gap,
        "pockets": 0.24,
        "puff": 0.006,
    }
    if gap == 0:
        cut["buttons"] = list(fabric.tile.mean((0, 1)) * 0.3)
    cover = top_cover(a, "vee", cut["depth"], cut["sleeve"], cut["hem"])
    x, y, z = a.canon.T
    if gap > 0:
        opening = np.abs(x) - gap * (1 - 0.4 * smoothstep(z, 0.45, 0.7))
        cover = np.where((y < 0.0) & (a.arm_weight < 0.5) & (z < 0.72), np.minimum(cover, opening), cover)
    ease = cut["ease"] + cut["loose"] * smoothstep(-z, -0.5, -0.3) * (a.arm_weight < 0.5)
    surface = shell(a, rack.rest, rack.normals, cover, ease, cut["smoothing"])
    rack.tuck(cover, 0.03)
    rack.add_shell(
        surface, {0: rack.texture(body_piece(rng, fabric, cut)), 1: rack.texture(arm_piece(rng, fabric, cut))}
    )
    rack.hide_body(cover, 0.05)
    rack.notes["coat"] = _note(fabric) | {"long": long, "open": gap > 0}
    if long:
        lower = {
            "top": 0.375,
            "length": float(rng.uniform(0.35, 0.85)),
            "ease_top": 0.030,
            "ease": 0.045,
            "flare": float(rng.uniform(0.02, 0.15)),
            "taper": 0.0,
            "ripple": 0.01,
            "folds": 0.6,
            "band": None,
        }
        if skirt:
            lower |= {
                "ease_top": 0.045,
                "ease": 0.065,
                "flare": 0.12,
                "length": max(lower["length"], skirt["length"] - 0.1),
            }
        if rng.random() < 0.4:
            lower["band"] = fabric.tile.mean((0, 1)) * 0.5
        wear_skirt(rack, fabric, lower, gap * 6 if gap > 0 else 0.0)
