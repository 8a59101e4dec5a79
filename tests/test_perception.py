"""The perceptual statistics against facts that can be computed by hand, and against SciPy."""

import numpy as np
import pytest
from scipy import ndimage, stats

from srutils.metrics import gradient_error, spectrum_error


@pytest.fixture
def images():
    return np.random.default_rng(0).random((3, 32, 40, 1), dtype=np.float32)


def test_equal_images_have_no_error(images):
    assert spectrum_error(images, images) == gradient_error(images, images) == 0


def test_a_moved_image_costs_nothing_and_a_blurred_one_does(images):
    moved = np.roll(images, (3, 5), (1, 2))
    blurred = ndimage.gaussian_filter(images, (0, 1, 1, 0))
    assert gradient_error(moved, images) < 0.05 < gradient_error(blurred, images)
    assert spectrum_error(moved, images) < 0.05 < spectrum_error(blurred, images)


def test_twice_the_contrast_is_four_times_the_power(images):
    assert spectrum_error(2 * images, images) == pytest.approx(np.log10(4), abs=1e-5)
    assert gradient_error(2 * images, images) == pytest.approx(1, abs=1e-5)


def test_gradient_error_is_scipys_wasserstein_distance(images):
    other = np.random.default_rng(1).random(images.shape, dtype=np.float32) ** 2

    def strengths(x):
        x = x[..., 0].astype(float)
        return np.hypot(x[:, :-1, 1:] - x[:, :-1, :-1], x[:, 1:, :-1] - x[:, :-1, :-1]).ravel()

    a, b = strengths(other), strengths(images)
    assert gradient_error(other, images) == pytest.approx(
        stats.wasserstein_distance(a, b) / b.mean(), rel=1e-9
    )


def test_one_image_is_a_set_of_one(images):
    blurred = ndimage.gaussian_filter(images, (0, 1, 1, 0))
    for error in (spectrum_error, gradient_error):
        assert error(blurred[0], images[0]) == error(blurred[:1], images[:1])


def test_bad_input_is_told(images):
    with pytest.raises(ValueError, match="expected the same"):
        spectrum_error(images[:, 1:], images)
    with pytest.raises(ValueError, match="not constant"):
        gradient_error(images, np.zeros_like(images))
    assert spectrum_error(np.zeros_like(images), images) == np.inf
