"""Metrics against scikit-image and against facts of arithmetic."""

import os
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.color import rgb2ycbcr
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

from srutils import metrics

SSIM = {"channel_axis": -1, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
DTYPES = {"uint8": 255, "uint16": 65535, "float32": 1, "float64": 1}


@st.composite
def couples(draw):
    """Two images, or two batches, and the number that stands for their peak: (a, b, data_range)."""
    batch = draw(st.sampled_from([(), (1,), (3,)]))
    height, width = draw(st.tuples(st.integers(11, 40), st.integers(11, 70)))
    shape = (*batch, height, width, draw(st.sampled_from([1, 3])))
    dtype = draw(st.sampled_from(list(DTYPES)))
    peak = DTYPES[dtype]
    if dtype.startswith("float"):
        peak = draw(st.sampled_from([1.0, 2.0, 255.0, 0.01]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["noise", "ramp", "flat"]))
    a = rng.random(shape)
    if kind == "ramp":
        a = np.linspace(0, 1, width)[:, None] * np.ones(shape)
    elif kind == "flat":
        a = np.full(shape, rng.random())
    b = a + rng.normal(size=shape) * draw(st.sampled_from([0.001, 0.05, 0.5]))
    if dtype.startswith("uint"):
        return *((np.clip(x, 0, 1) * peak).astype(dtype) for x in (a, b)), peak
    return (a * peak).astype(dtype), (b * peak).astype(dtype), peak


def each(a, b):
    """Images of either one by one, as scikit-image wants them: float64 copies of what float32 holds."""
    unit = DTYPES[str(a.dtype)]
    if a.ndim == 3:
        a, b = a[None], b[None]
    return [
        [np.float64(np.float32(x) / np.float32(unit)) for x in couple] for couple in zip(a, b, strict=True)
    ]


@given(couples())
def test_scikit_image_finds_the_same_mse_and_psnr(couple):
    a, b, peak = couple
    data_range = 1.0 if a.dtype.kind == "u" else peak
    mse = np.array([mean_squared_error(x, y) for x, y in each(a, b)])
    np.testing.assert_allclose(np.atleast_1d(metrics.mse(a, b)), mse, rtol=1e-6)
    with np.errstate(divide="ignore"):
        psnr = np.array([peak_signal_noise_ratio(x, y, data_range=data_range) for x, y in each(a, b)])
    np.testing.assert_allclose(np.atleast_1d(metrics.psnr(a, b, data_range)), psnr, atol=1e-5)


@given(couples())
def test_scikit_image_finds_the_same_ssim_to_1e_5(couple):
    a, b, peak = couple
    data_range = 1.0 if a.dtype.kind == "u" else peak
    expected = [structural_similarity(x, y, data_range=data_range, **SSIM) for x, y in each(a, b)]
    np.testing.assert_allclose(np.atleast_1d(metrics.ssim(a, b, data_range)), expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(64, 64, 1), (65, 119, 3), (200, 130, 3)])
def test_ssim_of_images_larger_than_one_block(shape):
    rng = np.random.default_rng(0)
    a = rng.random(shape, np.float32)
    b = np.clip(a + rng.normal(size=shape).astype(np.float32) * 0.1, 0, 1)
    assert metrics.ssim(a, b) == pytest.approx(structural_similarity(a, b, data_range=1, **SSIM), abs=1e-5)


@given(couples())
def test_a_metric_is_symmetric_and_knows_equal_images(couple):
    a, b, peak = couple
    data_range = 1.0 if a.dtype.kind == "u" else peak
    for metric in (
        metrics.mse,
        lambda *x: metrics.psnr(*x, data_range),
        lambda *x: metrics.ssim(*x, data_range),
    ):
        np.testing.assert_allclose(metric(a, b), metric(b, a), rtol=1e-6, atol=1e-7)
    assert np.all(metrics.mse(a, a) == 0)
    assert np.all(metrics.psnr(a, a, data_range) == np.inf)
    np.testing.assert_allclose(metrics.ssim(a, a, data_range), 1, atol=1e-6)


def test_one_image_gives_a_float_and_a_batch_an_array():
    a, b = np.zeros((4, 16, 16, 3), np.float32), np.full((4, 16, 16, 3), 0.1, np.float32)
    for metric in (metrics.mse, metrics.psnr, metrics.ssim):
        batch = metric(a, b)
        assert batch.shape == (4,) and batch.dtype == np.float64
        assert type(metric(a[0], b[0])) is float
        assert metric(a[0], b[0]) == pytest.approx(batch[0], rel=1e-12)
    assert metrics.psnr(a[0], b[0]) == pytest.approx(20, abs=1e-5)  # an error of a tenth of the peak


def test_images_of_a_batch_do_not_mix():
    rng = np.random.default_rng(1)
    a = rng.random((40, 64, 64, 3), np.float32)  # several chunks
    b = a + np.linspace(0.01, 0.3, 40, dtype=np.float32)[:, None, None, None] * rng.normal(
        size=a.shape
    ).astype("f4")
    for metric in (metrics.mse, metrics.psnr, metrics.ssim):
        np.testing.assert_allclose(metric(a, b), [metric(x, y) for x, y in zip(a, b, strict=True)], rtol=1e-6)


def test_a_large_batch_needs_little_memory():
    a = np.random.default_rng(2).random((300, 128, 128, 3), np.float32)  # 59 MB
    b = a[::-1].copy()
    for metric in (metrics.mse, metrics.psnr, metrics.ssim):
        tracemalloc.start()
        metric(a, b)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        # Some dozen arrays of half a MB a thread for SSIM; a copy of the batch would take 59 MB.
        assert peak < 8e6 * os.cpu_count(), f"{metric.__name__}: {peak / 1e6:.0f} MB"


def test_luma_of_the_corners_of_the_colour_cube():
    # BT.601's head- and footroom: black 16, white 235; red 81, green 145, blue 41 (rounded, as in the
    # standard)
    colours = {(0, 0, 0): 16, (1, 1, 1): 235, (1, 0, 0): 81, (0, 1, 0): 145, (0, 0, 1): 41}
    for rgb, level in colours.items():
        value = metrics.luma(np.full((2, 2, 3), rgb, np.float32)) * 255
        assert value.shape == (2, 2, 1) and value.dtype == np.float32
        assert np.round(value).tolist() == np.full((2, 2, 1), level).tolist()


def test_luma_is_scikit_images():
    rgb = np.random.default_rng(3).random((2, 9, 7, 3))
    np.testing.assert_allclose(metrics.luma(rgb)[..., 0], rgb2ycbcr(rgb)[..., 0] / 255, atol=1e-6)
    np.testing.assert_array_equal(metrics.luma(rgb[..., :1]), rgb[..., :1].astype(np.float32))


def test_quantize_gives_what_an_8_bit_file_holds():
    levels = np.arange(256, dtype=np.float32).reshape(16, 16, 1) / 255
    np.testing.assert_array_equal(metrics.quantize(levels), levels)
    np.testing.assert_array_equal(metrics.quantize(levels + 0.4 / 255), np.minimum(levels, 1))
    assert metrics.quantize(np.array([[[-3.0], [0.5], [7.0]]])).ravel().tolist() == [
        0,
        np.float32(128 / 255),
        1,
    ]
    assert metrics.quantize(levels.astype(np.float64)).dtype == np.float32


def test_shave_cuts_every_edge():
    x = np.arange(2 * 6 * 5).reshape(2, 6, 5, 1)
    np.testing.assert_array_equal(metrics.shave(x, 2), x[:, 2:4, 2:3])
    np.testing.assert_array_equal(metrics.shave(x[0], 0), x[0])
    with pytest.raises(ValueError, match="cannot shave 3 pixels .* 6 x 5"):
        metrics.shave(x, 3)


def test_photo_scores_follow_the_protocol():
    rng = np.random.default_rng(4)
    hr = rng.random((40, 36, 3))
    sr = np.clip(hr + 0.05 * rng.normal(size=hr.shape), 0, 1)
    a, b = (rgb2ycbcr(x)[3:-3, 3:-3, 0] for x in (sr, hr))
    scores = metrics.photo_scores(sr, hr, 3)
    assert scores["psnr"] == pytest.approx(peak_signal_noise_ratio(b, a, data_range=255), abs=1e-4)
    options = {**SSIM, "channel_axis": None}
    assert scores["ssim"] == pytest.approx(structural_similarity(a, b, data_range=255, **options), abs=1e-5)
    assert scores["mse"] == pytest.approx(np.mean((a - b) ** 2) / 255**2, rel=1e-4)
    rounded = metrics.photo_scores(sr, hr, 3, round_luma=True)
    expected = peak_signal_noise_ratio(np.round(b), np.round(a), data_range=255)
    assert rounded["psnr"] == pytest.approx(expected, abs=1e-4) and rounded["psnr"] != scores["psnr"]


def test_lens_scores_take_every_pixel_as_it_is():
    target = np.zeros((3, 16, 16, 1), np.float32)
    sr = target.copy()
    sr[:, 0, 0] = [[1.5], [-2], [0]]  # at the very edge, and outside [0, 1]
    scores = metrics.lens_scores(sr, target)
    np.testing.assert_allclose(scores["mse"], np.array([2.25, 4, 0]) / 256)
    assert scores["psnr"][2] == np.inf and set(scores) == {"psnr", "ssim", "mse"}
    with pytest.raises(ValueError, match=r"\(16, 16, 1\); expected \(N, H, W, 1\)"):
        metrics.lens_scores(sr[0], target[0])


@pytest.mark.parametrize("shape", [(96, 96), (75, 120)])
def test_white_noise_has_a_flat_spectrum_at_its_variance(shape):
    noise = np.random.default_rng(5).normal(scale=0.2, size=(60, *shape, 1))
    frequency, power = metrics.radial_power_spectrum(noise)
    assert power.shape == (60, min(shape) // 2) and frequency[0] > 0 and frequency[-1] < 0.5
    # The first two rings hold few frequencies, and the first lost the mean.
    np.testing.assert_allclose(power.mean(0)[2:], 0.04, rtol=0.12)
    assert power[:, 2:].mean() == pytest.approx(0.04, rel=0.01)


@pytest.mark.parametrize("wave", [(0.2125, 0), (0, 0.2125), (0.15, 0.15), (-0.3, 0.1)])
def test_a_sine_wave_lands_in_its_ring(wave):
    y, x = np.mgrid[:80, :80]
    image = 0.5 + 0.1 * np.sin(2 * np.pi * (wave[0] * y + wave[1] * x))[..., None]
    frequency, power = metrics.radial_power_spectrum(image, n_bins=20)
    assert abs(frequency[power.argmax()] - np.hypot(*wave)) <= 0.0125 + 1e-9  # half a ring
    assert np.sort(power)[-4] < power.max() / 1000  # a Hann window spreads a line over its neighbours only


def test_rings_hold_all_the_power_of_a_smooth_image():
    # Parseval: power times the number of frequencies in each ring adds up to the windowed image's sum of
    # squares.
    n = 64
    y, x = np.mgrid[:n, :n] - (n - 1) / 2
    image = np.exp(-(x**2 + y**2) / (2 * 6**2))[..., None]  # nothing beyond Nyquist
    frequency, power = metrics.radial_power_spectrum(image)
    radius = np.hypot(np.fft.fftfreq(n)[:, None], np.fft.fftfreq(n)[None])
    count = np.array([((radius >= f - 0.5 / n) & (radius < f + 0.5 / n)).sum() for f in frequency])
    window = np.outer(*[np.hanning(n + 2)[1:-1]] * 2)
    energy = (((image[..., 0] - image.mean()) * window) ** 2).sum() * n * n / (window**2).sum()
    assert (power * count).sum() == pytest.approx(energy, rel=1e-3)


def test_spectra_add_channels_and_batches_as_documented():
    x = np.random.default_rng(6).random((3, 32, 32, 3), np.float32)
    frequency, power = metrics.radial_power_spectrum(x)
    np.testing.assert_allclose(
        power[1], metrics.radial_power_spectrum(x[1].mean(-1, keepdims=True))[1], rtol=1e-3
    )
    with pytest.raises(ValueError, match="n_bins is 17; expected 1 to 16"):
        metrics.radial_power_spectrum(x, n_bins=17)
    with pytest.raises(ValueError, match="n_bins is 0"):
        metrics.radial_power_spectrum(x[:, :1])


@pytest.mark.parametrize(
    ("a", "b", "options", "message"),
    [
        (np.zeros((12, 12, 1)), np.zeros((12, 13, 1)), {}, r"\(1, 12, 12, 1\) and \(1, 12, 13, 1\)"),
        (np.zeros((12, 12)), np.zeros((12, 12)), {}, r"shape \(12, 12\); expected \(H, W, C\)"),
        (np.zeros((12, 12, 2)), np.zeros((12, 12, 2)), {}, "2 channels .* expected 1 or 3"),
        (np.full((12, 12, 1), np.nan), np.zeros((12, 12, 1)), {}, "first image holds NaN or Inf"),
        (np.zeros((12, 12, 1)), np.full((12, 12, 1), np.inf), {}, "second image holds NaN or Inf"),
        (
            np.zeros((12, 12, 1)),
            np.zeros((12, 12, 1)),
            {"data_range": 0},
            "data_range is 0; expected a positive",
        ),
        (np.zeros((12, 12, 1)), np.zeros((12, 12, 1)), {"data_range": np.nan}, "data_range is nan"),
        (
            np.zeros((12, 12, 1), np.uint8),
            np.zeros((12, 12, 1)),
            {"data_range": 255},
            "data_range is 1; got 255",
        ),
    ],
)
def test_bad_input_gets_one_sentence(a, b, options, message):
    for metric in (metrics.psnr, metrics.ssim):
        with pytest.raises(ValueError, match=message) as caught:
            metric(a, b, **options)
        assert "\n" not in str(caught.value)


def test_ssim_refuses_images_smaller_than_its_window():
    metrics.ssim(np.zeros((11, 11, 1)), np.zeros((11, 11, 1)))
    with pytest.raises(ValueError, match="10 x 20; SSIM needs at least 11 pixels"):
        metrics.ssim(np.zeros((10, 20, 1)), np.zeros((10, 20, 1)))
