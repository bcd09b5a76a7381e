"""A taxonomy on disk: JSON, YAML, safetensors and Parquet in one folder. Loading one needs no language model."""
