"""The maintainer's tools: run them from the root of the checkout as ``python -m tools.NAME``."""
