"""Draws the embedded data sets; ``python tools/draw_demo`` writes them to ``data_reader/demo``."""
