"""Measurements of the course's speed: `python -m tools.bench` (`make bench`) runs them, one module a part."""
