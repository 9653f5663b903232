"""A page in the browser to try trained models; a model's part of it is in the file of its name."""
