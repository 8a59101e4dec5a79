"""Deconvolution against the same optics written in pixel space, and against explicit matrices."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from srutils import metrics
from srutils.lensing import baselines, instruments, simulator
from srutils.pairs import resize


def observe(scene, scale):
    """LR's view (N, h, w) of periodic HR scenes: blur by the difference of the PSFs, then average pixels."""
    fwhm = np.sqrt(instruments.PSF_FWHM[scale] ** 2 - instruments.PSF_FWHM[1] ** 2) / instruments.PIXEL
    sigma = (0, fwhm / 2.354820045, fwhm / 2.354820045)
    blurred = gaussian_filter(scene.astype(float), sigma, mode="wrap", truncate=8)
    n, height, width = scene.shape
    return blurred.reshape(n, height // scale, scale, width // scale, scale).mean((2, 4))


def waves(n, size, highest, seed=0):
    """Random periodic scenes (n, size, size) around 1, no frequency above `highest` cycles per pixel."""
    spectrum = np.fft.fft2(np.random.default_rng(seed).normal(size=(n, size, size)))
    f = np.abs(np.fft.fftfreq(size))
    scene = np.fft.ifft2(spectrum * (np.maximum.outer(f, f) <= highest)).real
    return 1 + 0.3 * scene / np.abs(scene).max((1, 2), keepdims=True)


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("highest", [0.1, 0.5])  # with and without aliasing
def test_transfer_and_folding_are_blur_average_and_sampling(scale, highest):
    scene = waves(3, 48, highest)
    spectrum = np.fft.fft2(scene) * baselines.transfer((48, 48), scale)
    seen = np.fft.ifft2(spectrum).real[:, ::scale, ::scale]
    np.testing.assert_allclose(seen, observe(scene, scale), atol=1e-4)
    # The same folding in frequency space: each LR frequency is the mean of scale^2 HR frequencies.
    m = 48 // scale
    folded = spectrum.reshape(3, scale, m, scale, m).mean((1, 3))
    np.testing.assert_allclose(np.fft.ifft2(folded).real, seen, atol=1e-6)


def test_transfer_keeps_the_mean_and_needs_a_known_telescope():
    assert baselines.transfer((16, 12), 2)[0, 0] == 1
    assert np.abs(baselines.transfer((16, 12), 4)).max() <= 1 + 1e-6
    for scale in (1, 3, 8):
        with pytest.raises(ValueError, match=f"no scale {scale}; deconvolution is for 2 or 4"):
            baselines.transfer((24, 24), scale)


@pytest.mark.parametrize(("scale", "highest", "tolerance"), [(2, 0.12, 2e-3), (4, 0.07, 2e-3)])
def test_wiener_without_noise_restores_a_band_limited_scene(scale, highest, tolerance):
    scene = waves(2, 64, highest)
    lr = observe(scene, scale)[..., None]
    # A steep spectrum: no power where the aliases are, so there is one scene only.
    restored = baselines.wiener(lr, scale, corner=0.05, slope=20, noise=0)[..., 0]
    assert np.abs(restored - scene).max() < tolerance
    assert np.abs(resize(lr, (64, 64))[..., 0] - scene).max() > 10 * tolerance  # which bicubic does not


def test_wiener_gives_up_where_noise_rules():
    lr = np.random.default_rng(1).normal(size=(1, 32, 32, 1)) + 5
    # The less light a scene is said to have beside the noise, the nearer is the estimate to a plain sky.
    spread = [
        baselines.wiener(lr, 2, corner=0.08, slope=4, noise=noise).std() for noise in (1e-7, 1e-4, 1e-1)
    ]
    assert spread[0] > 3 * spread[1] > 9 * spread[2]


def matrix(size, scale, smoothing):
    """Explicit matrices (LR pixels, HR pixels) of the observation and (HR, HR) of the smoothing."""
    impulses = np.eye(size**2).reshape(-1, size, size)
    see = observe(impulses, scale).reshape(size**2, -1).T
    f = np.fft.fftfreq(size)
    sigma = smoothing / 2.354820045
    line = np.fft.ifft(np.exp(-2 * (np.pi * sigma * f) ** 2)).real
    along = np.array([np.roll(line, i) for i in range(size)])
    return see, np.kron(along, along)


@pytest.mark.parametrize(
    ("scale", "iterations", "smoothing"), [(2, 8, 0.0), (2, 8, 2.0), (4, 5, 0.0), (4, 5, 3.0)]
)
def test_richardson_lucy_is_its_formula_in_matrices(scale, iterations, smoothing):
    size, sky = 16, instruments.SKY / instruments.PEAK
    rng = np.random.default_rng(scale)
    scene = np.zeros((1, size, size))
    scene[0, 5:9, 6:12] = rng.random((4, 6))
    lr = observe(scene, scale) + 0.003 * rng.normal(size=(1, size // scale, size // scale))
    see, smooth = matrix(size, scale, smoothing)
    forward, seen = see @ smooth, lr.ravel() + sky
    x = np.full(size**2, lr.mean())
    for _ in range(iterations):
        x = x * (forward.T @ (seen / (forward @ x + sky))) / forward.sum(0)
    ours = baselines.richardson_lucy(lr[..., None], scale, iterations=iterations, smoothing=smoothing)
    expected = (smooth @ x).reshape(size, size)
    np.testing.assert_allclose(ours[0, ..., 0], expected, atol=2e-3 * expected.max())
    assert np.abs(ours[0, ..., 0] - lr.mean()).max() > 0.1 * expected.max()  # far from where it started


def test_richardson_lucy_keeps_light_positive_and_likelihood_rising():
    pairs = simulator.simulate("telescope", 2, scale=2, seed=1)
    sky, likelihood = instruments.SKY / instruments.PEAK, []
    transfer = baselines.transfer((128, 128), 2)
    for iterations in (1, 3, 10, 30):
        estimate = baselines.richardson_lucy(pairs.lr, 2, iterations=iterations, smoothing=0)
        assert estimate.min() >= -1e-6
        expected = np.fft.ifft2(np.fft.fft2(estimate[..., 0]) * transfer).real[:, ::2, ::2] + sky
        counts = np.maximum(pairs.lr[..., 0] + sky, 0)
        likelihood.append((counts * np.log(expected) - expected).sum())
    assert np.all(np.diff(likelihood) > 0)


# ---------------------------------------------------------------- on lenses
@pytest.fixture(scope="module", params=[2, 4])
def lenses(request):
    return simulator.simulate("telescope", 12, scale=request.param, seed=3)


def test_both_beat_bicubic_by_decibels(lenses):
    def score(images):
        return metrics.psnr(images, lenses.truth)

    bicubic = score(resize(lenses.lr, (128, 128)))
    for method in (baselines.wiener, baselines.richardson_lucy):
        gain = score(method(lenses.lr, lenses.scale)) - bicubic
        assert gain.mean() > 4 and gain.min() > 2, (
            f"{method.__name__}: {gain.mean():.2f} dB, worst {gain.min():.2f}"
        )


def test_total_light_is_kept(lenses):
    light = lenses.truth.sum((1, 2, 3))
    estimate = baselines.richardson_lucy(lenses.lr, lenses.scale)
    np.testing.assert_allclose(estimate.sum((1, 2, 3)) / light, 1, atol=0.06)
    # Wiener's own sum is LR's; cutting negative light adds a few per cent.
    ratio = baselines.wiener(lenses.lr, lenses.scale).sum((1, 2, 3)) / light
    assert ratio.min() > 0.99 and np.median(ratio) < 1.05 and ratio.max() < 1.2


def test_images_of_a_batch_do_not_mix(lenses):
    for method in (baselines.wiener, baselines.richardson_lucy):
        many = np.concatenate([lenses.lr, lenses.lr[::-1]])  # more than one chunk
        batch = method(many, lenses.scale)
        assert batch.shape == (24, 128, 128, 1) and batch.dtype == np.float32
        np.testing.assert_allclose(batch[7:8], method(lenses.lr[7:8], lenses.scale), atol=1e-4)
        np.testing.assert_allclose(batch[23], batch[0], atol=1e-4)


@pytest.mark.parametrize("method", [baselines.wiener, baselines.richardson_lucy])
def test_deconvolution_of_something_else_is_refused(method):
    with pytest.raises(ValueError, match="lr has 3 channels; deconvolution is for lenses, with 1"):
        method(np.zeros((1, 8, 8, 3)), 2)
    with pytest.raises(ValueError, match="no scale 3"):
        method(np.zeros((1, 8, 8, 1)), 3)
    with pytest.raises(ValueError, match="lr holds NaN or Inf"):
        method(np.full((1, 8, 8, 1), np.nan), 2)


def test_an_empty_field_stays_empty():
    dark = np.zeros((1, 16, 16, 1), np.float32)
    for method in (baselines.wiener, baselines.richardson_lucy):
        assert np.abs(method(dark, 2)).max() < 2e-3
