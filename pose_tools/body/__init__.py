"""A parametric body under every picture: the figure, its charts, drawing it, fitting it, moving it."""
