"""Experiments of the lessons that take too long for a lesson: run once, stored in data/experiments."""
