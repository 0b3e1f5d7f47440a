"""Commands of `python -m dreampose_core`, a module each: add_arguments(parser), run(options) -> status."""
