"""Imports run downward: the page on the studio, everything on the poses, and Gradio in one folder."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FORBIDDEN = {  # folder: what nothing in it may import
    "pose_tools": ("dreampose_core", "gradio", "diffusers"),
    "dreampose_core/carry": ("torch", "diffusers", "dreampose_core.studio", "dreampose_core.library"),
    "dreampose_core/finetune": ("dreampose_core.studio", "dreampose_core.library", "dreampose_core.jobs"),
    "dreampose_core/training": ("dreampose_core.studio", "dreampose_core.library", "dreampose_core.jobs"),
    "dreampose_core/library": (
        *("torch", "diffusers", "dreampose_core.jobs", "dreampose_core.studio", "dreampose_core.weights"),
        *("dreampose_core.pipeline", "dreampose_core.finetune", "dreampose_core.training", "dreampose_core.film"),
    ),
    "dreampose_core/weights": ("dreampose_core.studio", "dreampose_core.library", "dreampose_core.jobs"),
    "dreampose_core/film": ("dreampose_core.studio", "dreampose_core.library", "dreampose_core.jobs"),
    "dreampose_core/evaluation": ("dreampose_core.studio", "dreampose_core.library", "dreampose_core.jobs"),
    "dreampose_core/studio": ("dreampose_core.jobs", "dreampose_core.commands"),
}
PAGE = ROOT / "dreampose_core/page"


def _imports(path: Path) -> set[str]:
    """Every module that a file names, also those within functions and for types alone."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    return found


def _named(imports: set[str], module: str) -> set[str]:
    return {one for one in imports if one == module or one.startswith(f"{module}.")}


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_what_lies_below_does_not_know_what_lies_above(folder):
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    for path in files:
        wrong = [one for module in FORBIDDEN[folder] for one in _named(_imports(path), module)]
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


def test_gradio_is_known_to_the_pages_blocks_alone():
    for path in [ROOT / "app.py", *ROOT.glob("dreampose_core/**/*.py"), *ROOT.glob("benchmarks/*.py")]:
        if PAGE / "blocks" not in path.parents:
            assert not _named(_imports(path), "gradio"), path.relative_to(ROOT)


def test_only_the_app_opens_the_page():
    for path in ROOT.glob("dreampose_core/**/*.py"):
        if PAGE not in path.parents:
            assert not _named(_imports(path), "dreampose_core.page"), path.relative_to(ROOT)


@pytest.mark.parametrize("package", ["dreampose_core", "pose_tools"])
def test_no_folder_imports_one_that_imports_it(package):
    folders = {path.parent.name for path in (ROOT / package).glob("*/*.py")}
    below = {folder: set() for folder in folders}
    for folder in folders:
        for path in (ROOT / package / folder).rglob("*.py"):
            named = _imports(path)
            below[folder] |= {other for other in folders - {folder} if _named(named, f"{package}.{other}")}
    try:
        list(TopologicalSorter(below).static_order())
    except CycleError as error:
        pytest.fail(f"These import each other: {error.args[1]}")
