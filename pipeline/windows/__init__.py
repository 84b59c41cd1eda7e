"""Samples -> windows, in event time."""
