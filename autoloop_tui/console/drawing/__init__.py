"""How text, bars, curves and axes are drawn in character cells."""
