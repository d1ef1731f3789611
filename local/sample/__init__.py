"""The sample video, generated rather than stored."""
