"""Lenses under skies that differ: each random thing does what it says, and a triplet shares all of it."""

import numpy as np
import pytest

from srutils.lensing import instruments, priors, skies, triplets
from srutils.recipes import classifier as recipe


def drawn(n, stream=5):
    ids, labels = np.repeat(np.arange(n), 3), np.tile(np.arange(3), n)
    params = priors.draw("deeplense", (0, 0, 3), ids, labels)
    return params, *skies.varied(params, [np.random.default_rng([3, int(i), stream]) for i in ids])


def test_a_quarter_turn_of_the_parameters_is_one_of_the_image():
    _, params, knots = drawn(2)
    quarter = np.full(len(params["theta_E"]), np.pi / 2)
    image, moved = (
        skies.traced(*map(instruments.as_tensors, scene)).numpy()
        for scene in ((params, *knots), [skies.turned(one, quarter) for one in (params, *knots)])
    )
    np.testing.assert_allclose(moved, np.rot90(image, -1, (1, 2)), atol=2e-3 * image.max())


def test_the_three_lenses_of_a_triplet_differ_in_dark_matter_alone():
    plain, params, knots = drawn(20)
    shared = [name for name in params if not name.startswith(("subhalo", "vortex", "theta_E_main", "substr"))]
    assert {"e1", "gamma1", "source_amp", "source_x"} <= set(shared)
    for one in (params, *knots):
        for name in shared:
            assert np.ptp(one[name].reshape(20, 3), axis=1).max() < 1e-12, name
    e = np.hypot(params["e1"], params["e2"])[::3]
    assert e.max() < skies.ELLIPTICITY and np.ptp(e) > skies.ELLIPTICITY / 2
    np.testing.assert_allclose(
        np.hypot(params["gamma1"], params["gamma2"]), np.hypot(plain["gamma1"], plain["gamma2"])
    )
    assert np.ptp(np.arctan2(params["gamma2"], params["gamma1"])) > np.pi  # no direction is the survey's


def test_clumps_take_their_light_from_the_source():
    plain, params, knots = drawn(40)
    share = 1 - params["source_amp"] / plain["source_amp"]
    low, high = skies.KNOT_SHARE
    some = share > 0
    assert 0.2 < some.mean() < 0.8 and low <= share[some].min() < share[some].max() <= high
    # a profile's whole light goes with amp * radius^2
    light = [one["source_amp"] * one["source_radius"] ** 2 for one in (params, *knots)]
    np.testing.assert_allclose(sum(light), plain["source_amp"] * plain["source_radius"] ** 2)


def test_a_scene_is_the_same_alone_and_among_others():
    light, params = skies.scenes(3, seed=4)
    again, _ = skies.scenes(1, seed=4, start=2)
    np.testing.assert_array_equal(again[0], light[2])
    assert light.shape == (3, 3, 128, 128) and light.dtype == np.float32 and light.min() >= 0
    assert not np.array_equal(skies.scenes(1, seed=4, split="val")[0], light[:1])
    assert triplets.mass_maps(params).shape == (9, 8, 8, 2)


class Fixed:
    """A generator whose uniform numbers are given."""

    def __init__(self, *values):
        self.values = list(values)

    def uniform(self, low, high):
        assert low <= self.values[0] <= high
        return self.values.pop(0)


def test_a_wider_psf_by_two_steps_is_that_psf():
    ids = np.arange(2)
    t = instruments.as_tensors(priors.draw("deeplense", (0, 0, 3), ids, ids))
    sharp = skies.traced(t).numpy()
    (wanted,) = instruments.expose(t, triplets.SIZE, (0.3, 1))
    got = skies.exposed(sharp, Fixed(0.3, np.log(0.5)))
    np.testing.assert_allclose(got, wanted.numpy() / 2 + instruments.DEEPLENSE_SKY, atol=2e-3 * sharp.max())
    untouched = skies.exposed(sharp, Fixed(skies.SHARPEST, 0.0)) - instruments.DEEPLENSE_SKY
    np.testing.assert_allclose(untouched, sharp, atol=1e-4 * sharp.max())


def test_a_feed_shows_a_triplet_through_one_telescope():
    light, params = skies.scenes(2, seed=4)
    maps = triplets.mass_maps(params).reshape(2, 3, 8, 8, 2)
    feed = recipe.Triplets(light, maps, 6, 0, skies.exposed)
    images, (labels, where) = feed.batch(0)
    assert images.shape == (6, 128, 128, 1) and images.min() == 0 and images.max() == 1
    assert list(labels) == [0, 1, 2, 0, 1, 2] and where[labels == 0].max() == 0 < where[labels == 1].max()
    np.testing.assert_array_equal(feed.batch(0)[0], images)
    assert not np.array_equal(feed.batch(1)[0], images)


def test_knots_are_traced_through_the_same_lens():
    _, params, knots = drawn(1)
    t, *rest = map(instruments.as_tensors, (params, *knots))
    apart = sum(skies.traced(one | {k: t[k] for k in t if not k.startswith("source")}) for one in (t, *rest))
    np.testing.assert_allclose(skies.traced(t, *rest), apart, rtol=1e-3, atol=1e-3 * apart.max())


@pytest.mark.parametrize("name", ["lens-classifier", "lens-classifier-skies"])
def test_recipes_learn_from_simulated_lenses(name, monkeypatch, tmp_path):
    from srutils import course
    from srutils.recipes.register import train
    from srutils.recipes.settings import Settings

    monkeypatch.setattr(course, "cache_dir", lambda: tmp_path)
    monkeypatch.setattr(recipe, "QUICK", 2)
    monkeypatch.chdir(tmp_path)
    card = train(Settings(name, steps=1, batch=3, precision="no"))
    other = "skies" in name
    assert card["images"] == 6 and ("start" in card) == other
    assert set(card["metrics"]) == {"validation", "deeplense test"} | (
        {"other skies test"} if other else set()
    )
    assert (tmp_path / ("skies" if other else "triplets")).is_dir()
