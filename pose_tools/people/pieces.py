"""The cloth of garments: what is painted, sewn and folded on each piece, as textures."""

import numpy as np

from .cloth import smoothstep
from .patterns import Fabric, Texture, finish, folds, grid, smooth_noise


def _weave(rng, fabric: Fabric, u, v):
    if fabric.weave == 0:
        return np.zeros_like(u)
    if fabric.kind == "knit":
        return fabric.weave * np.abs(np.sin(np.pi * u / fabric.size * 12))
    return fabric.weave * smooth_noise(rng, u.shape, 0.8, 0.8)


def line(colour, where, ink, strength=0.6):
    where = np.clip(where, 0, 1)[..., None] * strength
    colour[:] = colour * (1 - where) + np.asarray(ink, np.float32) * where


def body_piece(rng, fabric: Fabric, style: dict) -> Texture:
    """Front and back of an upper garment: buttons, placket, lapels, pockets, a print, a belt, hem and folds."""
    u, v = grid((-0.56, 0.56), (-0.14, 0.82))
    colour = fabric.sample(u, v)
    height = folds(rng, u.shape, 0.0035, 28, 0.12, 0.018) + folds(rng, u.shape, 0.0035, -28, 0.12, 0.018)
    height *= style.get("folds", 1.0) * (
        0.35 + np.exp(-(((v - 0.36) / 0.12) ** 2)) + 0.5 * np.exp(-(((v - 0.6) / 0.06) ** 2))
    )
    height += _weave(rng, fabric, u, v)
    dark = fabric.tile.mean((0, 1)) * 0.45
    if style.get("print"):
        ink = np.asarray(style["print"])
        r = np.hypot(u, v - 0.52)
        kind = rng.integers(3)
        where = [
            r < 0.07,
            (np.abs(v - 0.53) < 0.045) & (np.abs(u) < 0.085) & (np.mod(v * 60, 1) < 0.55),
            (r < 0.08) & (r > 0.05),
        ][kind]
        line(colour, where.astype(np.float32), ink, 0.95)
    if style.get("buttons"):
        height += 0.002 * (np.abs(u) < 0.018)
        line(colour, np.exp(-(((np.abs(u) - 0.018) / 0.0018) ** 2)), dark, 0.5)
        spot = np.hypot(u, np.mod(v, 0.085) - 0.04)
        line(colour, np.clip((0.0075 - spot) / 0.002, 0, 1), style["buttons"], 0.95)
    if style.get("lapels"):
        low, wide = style["lapels"], 0.012 + 0.075 * np.clip((v - 0.45) / 0.2, 0, 1)
        edge = np.abs(np.abs(u) - wide - style.get("gap", 0.0))
        line(colour, np.exp(-((edge / 0.003) ** 2)) * (v > low) * (v < 0.72), dark, 0.8)
        height += 0.006 * (np.abs(u) < wide + style.get("gap", 0.0)) * (v > low)
    if style.get("pockets"):
        box = np.maximum(np.abs(np.abs(u) - 0.095) - 0.05, np.abs(v - style["pockets"]) - 0.012)
        line(colour, np.exp(-((box / 0.002) ** 2)), dark, 0.6)
    if style.get("belt") is not None:
        line(colour, (np.abs(v - 0.37) < 0.018).astype(np.float32), style["belt"], 0.95)
        line(colour, (np.abs(v - 0.37) < 0.02) * (np.abs(np.abs(u) - 0.025) < 0.004), [0.8, 0.7, 0.4], 0.9)
    for seam in (style.get("hem", -1) + 0.02,):
        line(colour, np.exp(-(((v - seam) / 0.0018) ** 2)), dark, 0.4)
    return finish(np.clip(colour, 0, 1), height, u, v, fabric.gloss)


def arm_piece(rng, fabric: Fabric, style: dict) -> Texture:
    """A sleeve; v is minus the way from the shoulder: folds across at the elbow, a cuff."""
    u, v = grid((-0.2, 0.2), (-0.75, 0.12))
    colour = fabric.sample(u, v)
    height = folds(rng, u.shape, 0.004, 65, 0.06, 0.013) + folds(rng, u.shape, 0.003, -60, 0.07, 0.013)
    height *= style.get("folds", 1.0) * (0.4 + np.exp(-(((v + 0.30) / 0.09) ** 2)))
    height += _weave(rng, fabric, u, v)
    if style["sleeve"] > 0.3:
        line(
            colour,
            np.exp(-(((v + style["sleeve"] - 0.035) / 0.002) ** 2)),
            fabric.tile.mean((0, 1)) * 0.45,
            0.6,
        )
    return finish(colour, height, u, v, fabric.gloss)


def leg_piece(rng, fabric: Fabric, style: dict) -> Texture:
    """A trouser leg: folds at crotch, knee and hem, side seam, pockets, waistband, fly or crease."""
    u, v = grid((-0.32, 0.32), (-0.86, 0.46))
    colour = fabric.sample(u, v)
    height = folds(rng, u.shape, 0.004, 60, 0.06, 0.014) + folds(rng, u.shape, 0.004, -50, 0.08, 0.014)
    bunch = (
        np.exp(-(((v + 0.29) / 0.09) ** 2))
        + np.exp(-(((v - 0.05) / 0.08) ** 2))
        + 0.9 * np.exp(-(((v + 0.68) / 0.07) ** 2))
    )
    height = height * (0.15 + bunch) * style.get("folds", 1.0) + folds(rng, u.shape, 0.0025, 5, 0.2, 0.02)
    height += _weave(rng, fabric, u, v)
    dark = fabric.tile.mean((0, 1)) * 0.45
    if fabric.kind == "denim":
        fade = (
            np.exp(-(((np.abs(u) - 0.02) / 0.05) ** 2))
            * (np.exp(-(((v + 0.15) / 0.18) ** 2)))
            * rng.uniform(0, 0.6)
        )
        line(colour, fade, np.minimum(fabric.tile.mean((0, 1)) * 1.6 + 0.12, 1), 0.6)
        dark = np.array([0.55, 0.38, 0.16])
    line(colour, np.exp(-(((np.abs(u) - 0.1335) / 0.0016) ** 2)), dark, 0.45)
    if style.get("crease"):
        height += 0.004 * np.exp(-((u / 0.006) ** 2)) * (v < 0.1)
    waist = style["waist"]
    line(colour, np.exp(-(((v - waist + 0.035) / 0.0016) ** 2)), dark, 0.6)
    if style.get("belt") is not None:
        line(colour, (v > waist - 0.033).astype(np.float32), style["belt"], 0.95)
    pocket = np.abs(np.abs(u) + (v - waist) * 0.35 - 0.10)
    line(colour, np.exp(-((pocket / 0.0018) ** 2)) * (v < waist - 0.03) * (v > waist - 0.17), dark, 0.5)
    line(colour, np.exp(-(((v - style["hem"] - 0.02) / 0.0018) ** 2)), dark, 0.4)
    return finish(np.clip(colour, 0, 1), height, u, v, fabric.gloss)


def skirt_piece(rng, fabric: Fabric, length: float, style: dict) -> Texture:
    """A skirt; v is minus the way from the waist: folds run down, seams, tiers, pleats, buttons in front."""
    u, v = grid((-0.49, 0.49), (-length - 0.02, 0.02))
    colour = fabric.sample(u, v)
    growth = np.clip(-v / length, 0, 1)
    height = folds(rng, u.shape, 0.007, 0, 0.25, 0.014) * growth * style["folds"]
    height += folds(rng, u.shape, 0.0025, 15, 0.1, 0.02) * (1 - growth) + _weave(rng, fabric, u, v)
    dark = fabric.tile.mean((0, 1)) * 0.45
    if style.get("pleats"):
        height += 0.008 * np.mod(u / 0.98 * style["pleats"], 1) * np.clip(growth * 4, 0, 1)
    if style.get("tiers"):
        for i in range(1, style["tiers"]):
            at = -length * i / style["tiers"]
            height += 0.012 * smoothstep(v, at - 0.004, at + 0.004)
            line(colour, np.exp(-(((v - at) / 0.004) ** 2)), dark, 0.5)
    if style.get("band") is not None:
        line(colour, (v > -0.035).astype(np.float32), style["band"], 0.95)
    if style.get("buttons") is not None:
        line(colour, np.exp(-(((np.abs(u) - 0.016) / 0.0018) ** 2)), dark, 0.5)
        line(
            colour,
            np.clip((0.007 - np.hypot(u, np.mod(v, 0.085) - 0.04)) / 0.002, 0, 1),
            style["buttons"],
            0.95,
        )
    line(colour, np.exp(-(((v + length - 0.02) / 0.002) ** 2)), dark, 0.45)
    return finish(np.clip(colour, 0, 1), height, u, v, fabric.gloss)
