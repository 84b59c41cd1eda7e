"""Frames: where they come from, live or paced, and what is asked of a source."""
