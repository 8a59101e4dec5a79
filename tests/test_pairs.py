"""Image pairs: the contract of images, how LR is made, splits and patches."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from srutils.pairs import ImagePairs, as_images, crop_to_multiple, degrade, dihedral, resize


def ramps(n=6, h=8, w=8, scale=2, **more):
    """Pairs whose HR says where a pixel is, in LR pixels: channel 0 holds y, 1 x, 2 the image's number.

    LR is the block mean of HR, so that it says the same.
    """
    y, x = ((np.arange(side * scale) + 0.5) / scale for side in (h, w))
    hr = np.zeros((n, h * scale, w * scale, 3), np.float32)
    hr[..., 0], hr[..., 1], hr[..., 2] = y[:, None], x, np.arange(n)[:, None, None]
    lr = hr.reshape(n, h, scale, w, scale, 3).mean((2, 4))
    return ImagePairs(lr, hr, scale, "ramps", **more)


def block_mean(hr, scale):
    n, h, w, c = hr.shape
    return hr.reshape(n, h // scale, scale, w // scale, scale, c).mean((2, 4))


# ---------------------------------------------------------------- the contract of images
def test_numbers_of_every_kind_become_float32():
    values = np.array([0, 51, 255]).reshape(1, 3, 1)
    for dtype in (np.uint8, np.int16, np.int64):
        images = as_images(values.astype(dtype))
        assert images.shape == (1, 1, 3, 1) and images.dtype == np.float32
        np.testing.assert_allclose(images.ravel(), [0, 0.2, 1], rtol=1e-6)
    np.testing.assert_allclose(as_images((values * 257).astype(np.uint16)).ravel(), [0, 0.2, 1], rtol=1e-6)
    for dtype in (np.float16, np.float32, np.float64):  # as they are, whatever their range
        assert as_images(np.array([[[-0.5], [300]]], dtype)).ravel().tolist() == [-0.5, 300]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((4, 4)), r"photo has shape \(4, 4\); expected \(H, W, C\) or \(N, H, W, C\)"),
        (np.zeros((1, 1, 4, 4, 1)), r"shape \(1, 1, 4, 4, 1\)"),
        (np.zeros((0, 4, 4, 1)), r"photo is empty: shape \(0, 4, 4, 1\)"),
        (np.zeros((1, 4, 4)), r"photo has 4 channels \(shape \(1, 4, 4\)\); expected 1 or 3, channels last"),
        (np.full((4, 4, 1), -np.inf), "photo holds NaN or Inf"),
        (np.full((4, 4, 1), np.nan), "photo holds NaN or Inf"),
        (np.full((4, 4, 1), 1e300), "photo holds NaN or Inf"),  # Inf in float32
        (
            np.full((4, 4, 1), 256),
            "photo holds int64 from 256 to 256; expected 0 to 255, uint16 or floats",
        ),
        (np.full((4, 4, 1), -1, np.int8), "int8 from -1 to -1"),
        (np.full((4, 4, 1), True), "photo holds bool; expected floats or unsigned integers"),
        (np.full((4, 4, 1), 1j), "photo holds complex128"),
        (np.full((4, 4, 1), "a"), "photo holds <U1"),
        (np.full((4, 4, 1), None), "photo holds object"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_bad_images_get_one_sentence(bad, message):
    if bad.dtype == np.int_:
        bad = bad.astype(np.int64)
    with pytest.raises(ValueError, match=message) as caught:
        as_images(bad, "photo")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hr": np.zeros((2, 8, 9, 1))}, r"hr has shape \(2, 8, 9, 1\); expected \(2, 8, 8, 1\): 2 times lr"),
        ({"hr": np.zeros((3, 8, 8, 1))}, "hr has shape"),
        ({"hr": np.zeros((2, 8, 8, 3))}, "hr has shape"),
        ({"scale": 3}, r"expected \(2, 12, 12, 1\)"),
        ({"scale": 0}, "scale is 0; expected a positive integer"),
        ({"scale": 2.0}, r"scale is 2.0; expected a positive integer"),
        ({"truth": np.zeros((2, 4, 4, 1))}, "truth has shape .* expected hr's"),
        ({"labels": [0]}, r"labels has shape \(1,\); expected 2 entries"),
        ({"params": {"theta_E": np.ones(3)}}, r"theta_E has shape \(3,\); expected 2 entries"),
        ({"lr": np.full((2, 4, 4, 1), np.nan)}, "lr holds NaN"),
    ],
)
def test_pairs_that_disagree_are_refused(change, message):
    good = {"lr": np.zeros((2, 4, 4, 1)), "hr": np.zeros((2, 8, 8, 1)), "scale": 2, "name": "zeros"}
    assert len(ImagePairs(**good)) == 2
    with pytest.raises(ValueError, match=message):
        ImagePairs(**(good | change))


# ---------------------------------------------------------------- picking, splitting
def test_indexing_keeps_everything_together():
    pairs = ramps(truth=ramps().hr, labels=[5, 4, 3, 2, 1, 0], params={"theta": np.arange(12).reshape(6, 2)})
    cases = {
        "slice": (np.s_[1:3], [1, 2]),
        "array": (np.array([4, 0]), [4, 0]),
        "list": ([4, 0], [4, 0]),
        "mask": (np.arange(6) > 3, [4, 5]),
        "integer": (-1, [5]),
    }
    for index, expected in cases.values():
        part = pairs[index]
        assert part.lr[:, 0, 0, 2].tolist() == part.hr[:, 0, 0, 2].tolist() == expected
        assert part.truth[:, 0, 0, 2].tolist() == expected
        assert part.labels.tolist() == [5 - i for i in expected]
        assert part.params["theta"].tolist() == [[2 * i, 2 * i + 1] for i in expected]
        assert (part.scale, part.name) == (2, "ramps")
    assert [int(pair.hr[0, 0, 0, 2]) for pair in pairs] == list(range(6))
    with pytest.raises(IndexError, match="index 6 is out of range for 6 pairs"):
        pairs[6]


def test_target_is_the_truth_where_it_is_known():
    pairs = ramps()
    assert pairs.target is pairs.hr
    known = ramps(truth=pairs.hr + 1)
    np.testing.assert_array_equal(known.target, pairs.hr + 1)
    # The real DeepLense test scores against its noisy HR, and so does its replica, which knows the truth.
    replica = ImagePairs(pairs.lr, pairs.hr, 2, "deeplense-x2", truth=pairs.hr + 1)
    assert replica.target is replica.hr


@given(st.integers(3, 60), st.integers(0, 99))
def test_a_split_loses_nothing_and_shares_nothing(n, seed):
    pairs = ramps(n, 1, 1)
    parts = pairs.split(seed=seed)
    numbers = [part.hr[:, 0, 0, 2].astype(int).tolist() for part in parts]
    assert sorted(sum(numbers, [])) == list(range(n)) and all(numbers)
    assert [len(p) for p in parts] == [len(p) for p in pairs.split(seed=seed + 1)]
    again = [part.hr[:, 0, 0, 2].astype(int).tolist() for part in pairs.split(seed=seed)]
    assert numbers == again


def test_split_sizes_and_seeds():
    pairs = ramps(100, 1, 1)
    assert [len(part) for part in pairs.split()] == [80, 10, 10]
    assert [len(part) for part in pairs.split((0.5, 0.5))] == [50, 50]
    first, second = (set(pairs.split(seed=s)[1].hr[:, 0, 0, 2]) for s in (0, 1))
    assert first != second


def test_images_of_one_lens_stay_in_one_part():
    lens = np.repeat(np.arange(20), 3)  # matched triplets
    parts = ramps(60, 1, 1, params={"lens": lens}).split(seed=3)
    seen = [set(part.params["lens"].tolist()) for part in parts]
    assert [len(s) for s in seen] == [16, 2, 2]
    assert not seen[0] & seen[1] and not seen[0] & seen[2] and not seen[1] & seen[2]
    assert [len(part) for part in parts] == [48, 6, 6]


@pytest.mark.parametrize("fractions", [(0.5, 0.6), (1.2, -0.2), (0.9, 0.1, 0)])
def test_fractions_must_be_a_whole(fractions):
    with pytest.raises(ValueError, match="expected positive numbers with a sum of 1"):
        ramps().split(fractions)


def test_too_few_images_to_split():
    with pytest.raises(ValueError, match="2 separate images cannot be split into 3 parts"):
        ramps(2).split()


# ---------------------------------------------------------------- patches
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_patches_of_lr_and_hr_show_the_same_field(scale):
    pairs = ramps(
        5, 9, 12, scale, truth=ramps(5, 9, 12, scale).hr, labels=range(5), params={"k": np.arange(5)}
    )
    cut = pairs.patches(4, 200, np.random.default_rng(0))
    assert cut.lr.shape == (200, 4, 4, 3) and cut.hr.shape == (200, 4 * scale, 4 * scale, 3)
    np.testing.assert_allclose(block_mean(cut.hr, scale), cut.lr, atol=1e-5)
    np.testing.assert_array_equal(cut.truth, cut.hr)
    np.testing.assert_array_equal(cut.labels, cut.lr[:, 0, 0, 2])
    np.testing.assert_array_equal(cut.params["k"], cut.labels)
    corners = {(round(float(y), 3), round(float(x), 3)) for y, x, _ in cut.lr[:, 0, 0]}
    assert min(corners) == (0.5, 0.5) and max(corners) == (5.5, 8.5)  # reaches every corner, and no further
    assert set(cut.labels) == set(range(5))


def test_patches_depend_on_the_generator_alone():
    pairs = ramps()
    first, second, third = (pairs.patches(3, 9, np.random.default_rng(s)).hr for s in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert (first != third).any()


def test_impossible_patches():
    rng = np.random.default_rng(0)
    for size in (0, 9):
        with pytest.raises(ValueError, match=f"lr_size is {size}; expected 1 to 8"):
            ramps().patches(size, 1, rng)
    with pytest.raises(ValueError, match="n is 0; expected at least one patch"):
        ramps().patches(4, 0, rng)


def test_dihedral_has_eight_different_reversible_moves():
    x = np.arange(9.0).reshape(1, 3, 3, 1)
    results = [dihedral(x, k) for k in range(8)]
    assert len({r.tobytes() for r in results}) == 8
    for k, moved in enumerate(results):
        back = (
            (4 - k) % 4 if k < 4 else k
        )  # a turn is undone by the rest of the circle, a mirroring by itself
        np.testing.assert_array_equal(dihedral(moved, back), x)
    np.testing.assert_array_equal(results[4][0, :, :, 0], x[0, :, ::-1, 0])


# ---------------------------------------------------------------- resizing
def matlab_bicubic(n_in, n_out):
    """MATLAB's imresize along one axis as a matrix: Keys' kernel (a = -0.5) widened, edges mirrored."""
    scale = n_out / n_in
    stretch = min(scale, 1)
    matrix = np.zeros((n_out, n_in))
    for i in range(n_out):
        centre = (i + 0.5) / scale - 0.5
        taps = np.arange(np.floor(centre - 2 / stretch), np.ceil(centre + 2 / stretch) + 1)
        d = np.abs(taps - centre) * stretch
        weight = np.where(d <= 1, 1.5 * d**3 - 2.5 * d**2 + 1, -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2) * (d < 2)
        mirrored = np.concatenate([np.arange(n_in), np.arange(n_in)[::-1]])[taps.astype(int) % (2 * n_in)]
        np.add.at(matrix[i], mirrored, weight / weight.sum())
    return matrix


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bicubic_is_matlabs_away_from_the_edges(scale):
    hr = np.random.default_rng(scale).random((12 * scale, 16 * scale, 1))
    expected = matlab_bicubic(12 * scale, 12) @ hr[..., 0] @ matlab_bicubic(16 * scale, 16).T
    lr = degrade(hr, scale)
    np.testing.assert_allclose(lr[2:-2, 2:-2, 0], expected[2:-2, 2:-2], atol=1e-6)
    up = matlab_bicubic(12, 12 * scale) @ lr[..., 0] @ matlab_bicubic(16, 16 * scale).T
    m = 2 * scale
    np.testing.assert_allclose(resize(lr, hr.shape[:2])[m:-m, m:-m, 0], up[m:-m, m:-m], atol=1e-6)


@pytest.mark.parametrize("scale", [2, 4])
def test_bicubic_is_torchs_antialiased_one_to_the_edges(scale):
    # torch's antialiased bicubic has a = -0.5 too, and drops the same weights at the edges as Pillow
    hr = np.random.default_rng(7).random((1, 1, 12 * scale, 16 * scale)).astype(np.float32)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(hr), (12, 16), mode="bicubic", antialias=True, align_corners=False
    )
    np.testing.assert_allclose(degrade(hr[0, 0, ..., None], scale)[..., 0], expected[0, 0], atol=2e-6)


@pytest.mark.parametrize("method", ["nearest", "bilinear", "bicubic", "lanczos"])
def test_resize_is_pillows_without_rounding_or_clipping(method):
    x = np.random.default_rng(8).normal(size=(2, 7, 5, 3)).astype(np.float32) * 3
    out = resize(x, (13, 11), method)
    assert out.shape == (2, 13, 11, 3) and out.dtype == np.float32
    for image, result in zip(x, out, strict=True):
        for c in range(3):
            plane = Image.fromarray(image[..., c].copy()).resize((11, 13), Image.Resampling[method.upper()])
            np.testing.assert_array_equal(result[..., c], np.asarray(plane))
    np.testing.assert_array_equal(resize(x[0], (13, 11), method), out[0])
    constant = resize(np.full((4, 5, 1), 1.75), (9, 3), method)
    np.testing.assert_allclose(constant, 1.75, rtol=1e-6)


def test_resize_errors():
    with pytest.raises(
        ValueError, match="unknown method 'cubic'; expected one of nearest, bilinear, bicubic, lanczos"
    ):
        resize(np.zeros((4, 4, 1)), (2, 2), "cubic")
    with pytest.raises(ValueError, match=r"size is \(0, 2\)"):
        resize(np.zeros((4, 4, 1)), (0, 2))


def test_degrade_wants_a_multiple_of_the_scale():
    with pytest.raises(ValueError, match="hr is 9 x 8; expected sides that are multiples of the scale, 2"):
        degrade(np.zeros((9, 8, 3)), 2)
    with pytest.raises(ValueError, match=r"shape \(8, 8\)"):
        degrade(np.zeros((8, 8)), 2)
    hr = np.arange(9 * 8.0).reshape(9, 8, 1)
    np.testing.assert_array_equal(crop_to_multiple(hr, 3), hr[:9, :6])
    assert degrade(crop_to_multiple(hr, 3), 3).shape == (3, 2, 1)
    with pytest.raises(ValueError, match="hr is 9 x 8; expected at least 10 pixels a side"):
        crop_to_multiple(hr, 10)
    with pytest.raises(ValueError, match=r"shape \(9, 8\)"):
        crop_to_multiple(hr[..., 0], 2)
