"""Weights files: their cards, hashes, loading, saving."""
