"""Samples of a posterior model and the exact posterior: what they are, what is written, what is refused."""

import json

import numpy as np
import pytest
from astropy.io import fits
from scipy.stats import kstest, norm
from tiny_models import nearest_model, posterior_model

from srutils import cli, course
from srutils.lensing import posterior, priors, refit, simulate
from srutils.scoring.posterior import evaluate_posterior, inside
from srutils.upscale import Upscaler
from tools.project import ROOT


@pytest.fixture(scope="module")
def lenses():
    return simulate("telescope", 3, scale=4, classes="no_substructure", seed=91)


def start(pairs, i):
    return {name: values[i] for name, values in refit.truth(pairs.params).items()}


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as leaving:
        cli.main([str(a) for a in arguments])
    return leaving.value.code, *capsys.readouterr()


# ---------------------------------------------------------------- the exact posterior
def test_rendered_lenses_are_those_that_the_simulator_shows(lenses):
    true = refit.truth(lenses.params)
    hr, lr, amp = posterior.render(np.stack([true[name] for name in posterior.FREE], 1))
    np.testing.assert_allclose(hr, lenses.truth[..., 0], atol=2e-5)
    np.testing.assert_allclose(amp, true["source_amp"], rtol=1e-4)
    noise = (lenses.lr[..., 0] - lr) / np.sqrt((lr * 800 + 10) / (800 * 4) ** 2 * 1)
    assert 0.9 < noise.std() < 1.1


def test_the_prior_is_the_one_that_lenses_are_drawn_from():
    """Of shear and both ellipticities, whose density is no constant: drawn amounts have this distribution."""
    params = simulate_params(1000)
    drawn = np.stack([params[name] for name in posterior.FREE], 1)
    assert np.isfinite(posterior.log_prior(drawn)).all()
    for first, second in (("gamma1", "gamma2"), ("e1", "e2"), ("source_e1", "source_e2")):
        places = [posterior.FREE.index(name) for name in (first, second)]
        amounts = np.linspace(1e-4, 0.5, 5000)
        points = np.repeat(drawn[:1], len(amounts), 0)
        points[:, places] = np.stack([amounts, 0 * amounts], 1)
        share = np.cumsum(np.exp(posterior.log_prior(points)) * amounts)  # of rings: the plane's density
        found = np.interp(np.hypot(*drawn[:, places].T), amounts, share / share[-1])
        assert kstest(found, "uniform").pvalue > 1e-3, first


def simulate_params(n):
    return priors.draw("telescope", (1, 2, 3), np.arange(n), np.zeros(n, int))


def test_the_posterior_is_narrow_about_the_truth_and_its_mean_is_best(lenses):
    exact = posterior.sample(lenses.lr[1], 48, start(lenses, 1), seed=1, tries=200)
    assert exact.images.shape == (48, 128, 128, 1) and exact.images.dtype == np.float32
    assert exact.effective > 0.1 * exact.tried
    error = lambda images: -10 * np.log10(np.square(images - lenses.truth[1]).mean((-3, -2, -1)))  # noqa: E731
    single = error(exact.images).mean()
    assert single > 57 and 1.5 < error(exact.mean) - single < 6
    assert posterior.observe_again(exact.images, lenses.lr[1]).mean() == pytest.approx(1, abs=0.15)
    for name in ("theta_E", "gamma1", "source_x"):
        values = exact.parameters[name]
        assert abs(start(lenses, 1)[name] - values.mean()) < 4 * values.std()
    again = posterior.sample(lenses.lr[1], 48, start(lenses, 1), seed=1, tries=200)
    np.testing.assert_array_equal(again.images, exact.images)


def test_lens_and_noise_that_do_not_belong_together_are_told(lenses):
    assert posterior.observe_again(lenses.truth[:1], lenses.lr[1])[0] > 10
    with pytest.raises(ValueError, match="expected one image"):
        posterior.counts(lenses.truth[0])


def test_the_stored_ranks_are_even():
    """Simulation-based calibration: where the posterior is exact, the truth is as any other sample."""
    from srutils import course

    stored = course.experiment("posterior_calibration")["exact"]
    assert stored["n"] >= 100
    for name, ranks in stored["ranks"].items():
        assert kstest(ranks, "uniform").pvalue > 1e-3, name
    for lens in stored["emcee"]:
        for shift, ratio in lens["parameters"].values():
            assert abs(shift) < 0.5 and 0.7 < ratio < 1.4


# ---------------------------------------------------------------- samples of a model
def test_samples_are_many_repeat_and_do_not_hang_together(tmp_path):
    up = Upscaler.load(posterior_model(tmp_path))
    lr = np.random.default_rng(0).random((2, 10, 7, 1)).astype(np.float32)
    drawn = up.sample(lr, 40, seed=3)
    assert drawn.shape == (40, 2, 40, 28, 1)
    nearest = lr.repeat(4, 1).repeat(4, 2)
    assert kstest(((drawn - nearest) / 0.1).ravel(), norm.cdf).pvalue > 1e-3
    np.testing.assert_array_equal(up.sample(lr[0], 12, seed=3), drawn[:12, 0])
    assert np.abs(up.sample(lr, 40, seed=4) - drawn).mean() > 0.05
    assert np.abs(up(lr) - nearest).std() == pytest.approx(0.1 * np.sqrt(2 / np.pi) * 0.107, rel=1)


def test_what_draws_no_samples_says_so(tmp_path):
    with pytest.raises(ValueError, match="makes one picture"):
        Upscaler.load("bicubic", 2).sample(np.zeros((4, 4, 1)))
    with pytest.raises(ValueError, match="cut the lens out"):
        Upscaler.load(posterior_model(tmp_path)).sample(np.zeros((300, 20, 1)))


def test_prediction_intervals_hold_for_few_samples():
    rng = np.random.default_rng(1)
    for n in (3, 16):
        samples, truth = rng.normal(size=(n, 100_000)), rng.normal(size=100_000)
        assert inside(samples, truth, 1).mean() == pytest.approx(0.6827, abs=0.006)
        assert inside(samples, truth, 2).mean() == pytest.approx(0.9545, abs=0.003)


def test_scores_of_samples_whose_truth_is_known(tmp_path, lenses):
    """Errors of .01 about nearest neighbour, and a truth with just such errors."""
    up = Upscaler.load(posterior_model(tmp_path, width=0.01))
    nearest = lenses.lr.repeat(4, 1).repeat(4, 2)
    noise = np.random.default_rng(2).normal(0, 0.01, nearest.shape).astype(np.float32)
    pairs = type(lenses)(lenses.lr, nearest + noise, 4, "telescope-x4", truth=nearest + noise)
    found = evaluate_posterior(up, pairs, n=24)
    assert found["coverage68"] == pytest.approx(0.6827, abs=0.01)
    assert found["coverage95"] == pytest.approx(0.9545, abs=0.007)
    assert found["psnr"] == pytest.approx(40 - 10 * np.log10(1 + 1 / 24), abs=0.1)
    assert found["psnr_sample"] == pytest.approx(40 - 10 * np.log10(2), abs=0.1)
    assert found["ceiling_psnr"] is None


# ---------------------------------------------------------------- files
def test_fits_gets_mean_deviation_and_samples(tmp_path, capsys):
    image = np.random.default_rng(3).random((9, 12)).astype(np.float32) / 2 + 0.3
    image[2, 3] = np.nan
    fits.PrimaryHDU(image, fits.Header({"BUNIT": "electron"})).writeto(tmp_path / "in.fits")
    command = ("upscale", tmp_path / "in.fits", tmp_path / "out.fits", "--model", posterior_model(tmp_path))
    options = ("--samples", 64, "--keep-samples", "--seed", 5, "--range", "0,2")
    status, out, _ = run(capsys, *command, *options)
    assert status == 0 and "UNCERTAINTY" in out
    with fits.open(tmp_path / "out.fits") as made:
        mean, std, cube = made[0].data, made["UNCERTAINTY"].data, made["SAMPLES"].data
        assert "64 samples, seed 5" in str(made[0].header["HISTORY"])
    assert cube.shape == (64, 36, 48) and np.isnan(cube[:, 8:12, 12:16]).all()
    np.testing.assert_allclose(mean, cube.mean(0), atol=1e-6)
    np.testing.assert_allclose(std, cube.std(0, ddof=1), rtol=1e-4)
    # an amount a pixel is shared by sixteen; the width is that of the range
    assert np.nanmean(std) == pytest.approx(0.1 * 2 / 16, rel=0.05)
    assert np.nanmean(mean) == pytest.approx(np.nanmean(image) / 16, rel=0.01)


def test_arrays_get_theirs_beside_them(tmp_path, capsys):
    np.save(tmp_path / "in.npy", np.full((8, 8), 0.5, np.float32))
    command = ("upscale", tmp_path / "in.npy", tmp_path / "out.npy", "--model", posterior_model(tmp_path))
    status, out, _ = run(capsys, *command, "--samples", 8, "--keep-samples")
    assert status == 0 and "out_uncertainty.npy" in out
    cube = np.load(tmp_path / "out_samples.npy")
    assert cube.shape == (8, 32, 32, 1)
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), cube.mean(0)[..., 0], atol=1e-6)
    np.testing.assert_allclose(
        np.load(tmp_path / "out_uncertainty.npy").squeeze(), cube.std(0, ddof=1)[..., 0], rtol=1e-3
    )
    status, _, err = run(capsys, *command, "--samples", 8, "--keep-samples")
    assert status == 2 and "exists already" in err


@pytest.mark.parametrize(
    "options, words",
    [
        (("--samples", 1), "expected 2 to"),
        (("--keep-samples",), "give both"),
        (("--samples", 4, "--ensemble"), "no --ensemble"),
        (("--samples", 4, "--scale", 3), "no other size"),
        (("--samples", 4, "--blend", 0.5), "no --blend"),
        (("--samples", 4, "--seed", -1), "seed is -1"),
    ],
)
def test_what_samples_cannot_be_is_one_sentence(tmp_path, capsys, options, words):
    np.save(tmp_path / "in.npy", np.full((8, 8), 0.5, np.float32))
    model = posterior_model(tmp_path)
    before = set(tmp_path.iterdir())
    status, out, err = run(
        capsys, "upscale", tmp_path / "in.npy", tmp_path / "out.npy", "--model", model, *options
    )
    assert (status, out) == (2, "") and words in err and err.count("\n") == 1
    assert set(tmp_path.iterdir()) == before


def test_samples_need_a_model_that_draws_them(tmp_path, capsys):
    np.save(tmp_path / "in.npy", np.full((8, 8), 0.5, np.float32))
    model = nearest_model(tmp_path, channels="gray")
    status, _, err = run(
        capsys, "upscale", tmp_path / "in.npy", tmp_path / "o.npy", "--model", model, "--samples", 4
    )
    assert status == 2 and "posterior-telescope-x4" in err and not (tmp_path / "o.npy").exists()


# ---------------------------------------------------------------- the model that ships
def test_the_shipped_model_beats_its_base_and_its_error_bars_hold():
    from srutils.lensing import lens_set

    up = Upscaler.load("posterior-telescope-x4")
    test = lens_set("telescope", 4, scale=4, split="test", classes=("no_substructure",), seed=90210)
    found = evaluate_posterior(up, test, n=8)
    assert found["psnr"] > found["base"]["psnr"] + 0.3  # the shipped one, trained on since: 1.0 on 300 lenses
    assert (
        1.5 < found["psnr"] - found["psnr_sample"] < 3.2
    )  # twice the error, where samples are like the truth
    assert found["coverage68"] == pytest.approx(0.683, abs=0.12)  # of four lenses; the card has a hundred
    assert found["coverage95"] == pytest.approx(0.954, abs=0.06)
    assert found["chi2"] == pytest.approx(1, abs=0.1)
    assert found["ceiling_psnr"] > found["psnr"] + 5  # what the physics would allow


def test_the_card_keeps_what_issue_and_help_promise():
    card = Upscaler.load("posterior-telescope-x4").card
    scores = card["metrics"]["telescope test, no substructure"]
    assert scores["n"] >= 100 and scores["samples"] == 32
    assert scores["coverage68"] == pytest.approx(0.683, abs=0.03)
    assert scores["coverage95"] == pytest.approx(0.954, abs=0.02)
    assert scores["psnr"] > scores["base"]["psnr"] + 1.5


def test_the_engines_draw_the_same_sample():
    pytest.importorskip("openvino")
    lr = np.random.default_rng(0).random((16, 20, 1)).astype(np.float32) / 2
    one, other = (
        Upscaler.load("posterior-telescope-x4", engine=e).sample(lr, 1, seed=2)
        for e in ("onnxruntime", "openvino")
    )
    np.testing.assert_allclose(one, other, atol=1e-4)


def test_evaluate_prints_what_a_program_reads(capsys):
    command = ("evaluate", "posterior-telescope-x4", "--data", "telescope", "--n", 1, "--json")
    status, out, _ = run(capsys, *command)
    found = json.loads(out)
    assert status == 0 and found["classes"] == ["no_substructure"] and found["n"] == 1
    assert {"coverage68", "coverage95", "psnr_sample", "ceiling_psnr", "psnr", "bicubic", "base"} <= set(
        found
    )
    status, out, err = run(capsys, "evaluate", "posterior-telescope-x4", "--data", "deeplense")
    assert status == 2 and "--data telescope" in err


# ---------------------------------------------------------------- the recipe
@pytest.fixture(scope="module")
def network():
    """Return the shipped network in PyTorch, as --from begins with it."""
    from srutils.model_files.cards import model_path
    from srutils.recipes import posterior as recipe
    from srutils.recipes import posterior_files, register, torch_files

    made = recipe.build(register.find("posterior-telescope-x4").options)
    weights = torch_files.weights_of(model_path("posterior-telescope-x4"))
    posterior_files.load_weights(made, weights, "posterior-telescope-x4")
    return made.eval()


def test_from_begins_with_the_very_network_that_ships(network):
    from srutils.recipes.posterior_files import reference

    up, rng = Upscaler.load("posterior-telescope-x4"), np.random.default_rng(0)
    lr, noise = rng.random((1, 16, 16, 1), np.float32), rng.standard_normal((1, 64, 64, 1), np.float32)
    np.testing.assert_allclose(reference(network)({"lr": lr, "noise": noise}), up._run(lr, noise), atol=1e-4)


def test_what_lr_says_of_the_truth_is_noise(network, lenses):
    import torch

    truth, lr = (torch.from_numpy(images).permute(0, 3, 1, 2) for images in (lenses.truth, lenses.lr))
    seen = network.misfit(truth, lr)
    assert abs(seen.mean()) < 0.05 and seen.std() == pytest.approx(1, abs=0.05)


def test_calibration_undoes_a_wrong_width(network, lenses):
    import copy

    import torch

    from srutils.recipes.posterior_files import calibrate

    right, wrong = copy.deepcopy(network), copy.deepcopy(network)
    with torch.no_grad():
        wrong.guess.tail.bias[16:] += np.log(3)
    factors = [calibrate(one, lenses.lr, lenses.truth) for one in (right, wrong)]
    assert factors[0] / factors[1] == pytest.approx(3, rel=1e-3)


def test_another_network_is_no_start(network):
    from srutils.recipes.posterior_files import load_weights

    with pytest.raises(ValueError, match="holds another network"):
        load_weights(network, {"head.weight": np.zeros(3)}, "other")


def test_the_recipe_takes_no_folder(tmp_path, capsys):
    status, _, err = run(
        capsys, "train", "posterior-telescope-x4", "--data", tmp_path, "--out", tmp_path / "m.onnx"
    )
    assert status == 2 and "no --data" in err


def test_the_page_on_fits_says_what_the_long_check_measured():
    stored = course.experiment("posterior_calibration")
    text = (ROOT / "docs" / "fits.md").read_text(encoding="utf-8")
    for row in (stored, stored["outside"]["vortex"], stored["outside"]["psf"]):
        assert f"{100 * row['coverage68']:.0f} % and {100 * row['coverage95']:.0f} %" in text
    gain = stored["psnr"]["mean"] - stored["psnr"]["base"]
    assert f"On {stored['n']} such lenses" in text and f"the mean was {gain:.1f} dB better" in text
    first, second = (f"{100 * stored['ensemble'][key]:.0f} %" for key in ("coverage68", "coverage95"))
    assert f"within it in {first} of the ring's pixels, and within twice of it in {second}" in text
