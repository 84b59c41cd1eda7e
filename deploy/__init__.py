"""The graph: the only place that knows sensors, pipeline and encoders."""
