"""The fit finds the lens that made an image; and what needs no fit, on images made by hand."""

import numpy as np
import pytest

from srutils.lensing import refit, simulator


@pytest.fixture(scope="module")
def lenses():
    return simulator.simulate("telescope", 6, scale=4, classes="no_substructure", seed=7)


def first(pairs, n):
    return {k: v[:n] for k, v in refit.truth(pairs.params).items()}


def test_the_model_is_the_one_that_made_the_images(lenses):
    true = first(lenses, 2)
    found = refit.refit(lenses.truth[:2], true, rounds=1)
    assert np.abs(found["model"] - lenses.truth[:2]).max() < 2e-4  # of the peak
    for name in refit.PARAMETERS:
        assert found[name] == pytest.approx(true[name], abs=2e-3)


@pytest.mark.parametrize("scale", [1, 4])
def test_noisy_images_give_einstein_radius_and_shear_back(lenses, scale):
    true = first(lenses, 6)
    images = lenses.hr if scale == 1 else lenses.lr
    found = refit.refit(images, refit.perturb(true, seed=1), scale=scale)
    error = found["theta_E"] / true["theta_E"] - 1
    assert abs(error.mean()) < 0.005 and np.abs(error).max() < 0.01
    shear = found["shear"] - np.hypot(true["gamma1"], true["gamma2"])
    assert np.abs(shear).max() < 0.01
    assert found["chi2"] == pytest.approx(np.ones(6), abs=0.15)  # what is left is photon noise
    assert found["model"].shape == images.shape
    pull = (found["theta_E"] - true["theta_E"]) / np.sqrt(found["covariance"][:, 0, 0])
    assert 0.3 < np.sqrt(np.mean(pull**2)) < 2  # the error bars are of the size of the errors


def test_the_start_is_off_and_depends_on_seed_and_lens_alone(lenses):
    true = first(lenses, 3)
    start = refit.perturb(true, seed=3)
    assert set(start) == set(refit.PARAMETERS)
    assert np.abs(start["theta_E"] - true["theta_E"]).max() > 0.01
    assert all((start[k][:2] == refit.perturb(first(lenses, 2), seed=3)[k]).all() for k in start)
    assert all((refit.perturb(true, strength=0)[k] == true[k]).all() for k in true)
    assert (start["source_radius"] > 0).all()


def test_substructure_is_left_in_the_residual():
    triplet = simulator.simulate("telescope", 6, scale=4, seed=5, triplets=True)
    smooth, vortex = (triplet.lr[[i]] for i in (3, 5))  # the same lens, source and noise
    start = {k: v[[3]] for k, v in refit.truth(triplet.params).items()}
    found = [refit.refit(images, start, scale=4)["chi2"][0] for images in (smooth, vortex)]
    assert found[0] == pytest.approx(1, abs=0.15) and found[1] > 1.5 * found[0]


def test_bad_input_is_said(lenses):
    true = first(lenses, 2)
    with pytest.raises(ValueError, match=r"\(2, 32, 32, 1\); expected \(N, 128, 128, 1\) at scale 1"):
        refit.refit(lenses.lr[:2], true)
    with pytest.raises(ValueError, match="scale is 3; expected one of 1, 2, 4"):
        refit.refit(lenses.lr[:2], true, scale=3)
    with pytest.raises(ValueError, match="not one value per image of theta_E"):
        refit.refit(lenses.hr, true)
    with pytest.raises(ValueError, match="rounds is 0"):
        refit.refit(lenses.hr[:2], true, rounds=0)
    with pytest.raises(ValueError, match="NaN or Inf"):
        refit.refit(lenses.hr[:2], true | {"source_amp": np.array([1.0, np.nan])})
    with pytest.raises(ValueError, match="params lack e1"):
        refit.truth({k: v for k, v in lenses.params.items() if k != "e1"})


# ---------------------------------------------------------------- without a model
def test_flux_error(lenses):
    assert refit.flux_error(lenses.truth * 1.02, lenses.truth) == pytest.approx(np.full(6, 0.02), abs=1e-5)
    assert np.abs(refit.flux_error(lenses.lr, lenses.truth)).max() < 0.05  # other pixels, the same sky
    with pytest.raises(ValueError, match="2 images and 6 targets"):
        refit.flux_error(lenses.lr[:2], lenses.truth)


def test_ring_profile_and_radius():
    y, x = np.mgrid[:64, :64] - 31.5
    rings = np.stack([np.exp(-(((np.hypot(x, y) - r) / 2) ** 2)) for r in (12.0, 15.0)])[..., None]
    radius, profile = refit.ring_profile(rings)
    assert radius[np.nanargmax(profile[0])] == pytest.approx(12, abs=0.5)
    assert refit.ring_radius(rings) == pytest.approx([12, 15], abs=0.1)
    flat_radius, flat = refit.ring_profile(np.full((1, 20, 30, 1), 0.5), bins=5)
    assert flat == pytest.approx(np.full((1, 5), 0.5)) and flat_radius[-1] < 10
