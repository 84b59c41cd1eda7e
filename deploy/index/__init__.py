"""``bindstream index``: recordings -> embeddings in Parquet, on Ray Data."""
