"""``ray_config.yaml``: read, checked, and compared with what the encoders offer."""
