"""Shared module of the super-resolution course: small, flat, one idea a file."""

__version__ = "0.1.0"
