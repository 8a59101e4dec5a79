"""Stored results are of the model files that ship: a file that is replaced asks for its experiments again."""

import pytest

from srutils import course
from tools.experiments import version


def marks(name: str) -> dict[str, str]:
    """Return what an experiment says of its models: name -> hash."""
    stored = course.experiment(name)
    if name == "jpeg_quality":
        return {row["model"]: row["sha256"] for row in stored["rows"]}
    if name == "posterior_calibration":
        return {stored[key]["name"]: stored[key]["sha256"] for key in ("base", "model")}
    if name == "refit_coverage":
        return {f"{kind.lower()}-telescope-x4": sha256 for kind, sha256 in stored["models"].items()}
    return stored["models"]


EXPERIMENTS = ["classifier_range", "jpeg_quality", "posterior_calibration", "refit_coverage"]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_stored_results_are_of_the_files_that_ship(name):
    found = marks(name)
    assert len(found) > 1 and any(found.values())
    assert found == {model: version(model) for model in found}
