"""How well search finds labelled moments, measured through the public API."""
