"""The command line: `python -m dreampose_core COMMAND`.

Bad input ends with one sentence and status 2, a full disk or a lack of memory with one and status 1, Ctrl-C
with status 130; what was made so far is kept.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from importlib import import_module

from dreampose_core.trouble import sentence_for
from pose_tools.errors import BadInput

COMMANDS = {  # command: (the module with add_arguments(parser) and run(options), one line of help)
    "animate": (
        "dreampose_core.commands.animate",
        "make a clip from a photo, or from a subject, and a motion",
    ),
    "finetune": ("dreampose_core.commands.finetune", "prepare and finetune a subject for later clips"),
    "prepare": ("dreampose_core.commands.prepare", "turn a folder of videos into frames and charts for `train`"),
    "train": ("dreampose_core.commands.train", "the paper's base training on prepared clips"),
    "train-mini": ("dreampose_core.training.mini", "train the embedded model from rendered people and photographs"),
    "evaluate": ("dreampose_core.commands.evaluate", "the paper's table of generated clips against real ones"),
    "profiles": ("dreampose_core.commands.profiles", "list the model profiles, and whether their weights are there"),
    "download": ("dreampose_core.commands.download", "fetch the weights of a profile ahead"),
    "import": ("dreampose_core.commands.import_weights", "take the weights that DreamPose's authors released"),
}


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return the exit status."""
    try:
        return _run(sys.argv[1:] if arguments is None else arguments)
    except BadInput as error:
        print(error, file=sys.stderr)
        return 2
    except (OSError, MemoryError, RuntimeError, ImportError) as error:
        if sentence_for(error) is None:
            raise
        print(sentence_for(error), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped; the same command goes on from here.", file=sys.stderr)
        return 130


def _run(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m dreampose_core", description="From a photo to a clip.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = None
    for name, (module, line) in COMMANDS.items():
        command = commands.add_parser(name, help=line, description=line)
        if arguments[:1] == [name]:  # the other commands' modules are not loaded
            run = _load(module, command)
    options = parser.parse_args(arguments)
    return run(options)


def _load(module: str, parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int]:
    loaded = import_module(module)
    loaded.add_arguments(parser)
    return loaded.run


if __name__ == "__main__":
    sys.exit(main())
