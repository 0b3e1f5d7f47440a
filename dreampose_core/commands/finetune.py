"""`finetune`: prepare and finetune a subject, so that clips of it need no finetune any more.

Prints its id.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

from dreampose_core.commands.common import (
    TUNING,
    add_subject_arguments,
    alone,
    make_order,
    progress_lines,
    settings_in,
)
from dreampose_core.settings import AnimateSettings
from dreampose_core.studio import expected, make_subject


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_subject_arguments(parser)
    parser.add_argument("--offload", action="store_true", help="for small cards: only what is at work lies on the card")


def run(options: argparse.Namespace) -> int:
    """Raises BadInput."""
    settings = AnimateSettings(motion="", profile=options.profile, **settings_in(options, TUNING))
    order = make_order(options, settings)
    order = replace(order, clip="", offload=options.offload)
    with alone(order.library, order.subject):
        make_subject(order, progress_lines(expected(order)))
        order.library.delete_job_folder(order.folder.name)
    print(order.subject)
    return 0
