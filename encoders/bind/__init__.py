"""Training: a modality aligned to frozen vision."""
