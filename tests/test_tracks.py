"""The two lens tracks: reproducible, fair to the classes, and like what they claim to be."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from srutils.files.images import read_image  # noqa: E402
from srutils.lensing import baselines, cache, folders, instruments, simulator  # noqa: E402
from srutils.lensing.class_folders import class_files, find_classes  # noqa: E402
from srutils.metrics import mse, psnr, ssim  # noqa: E402
from srutils.pairs import resize  # noqa: E402

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("SR_DATA") or "absent") / "lensing"


@pytest.fixture(scope="module")
def deeplense():
    return simulator.simulate("deeplense", 150)


@pytest.fixture(scope="module")
def telescope():
    return {scale: simulator.simulate("telescope", 150, scale=scale) for scale in (2, 4)}


@pytest.fixture(scope="module")
def triplets():
    return {track: simulator.simulate(track, 60, triplets=True) for track in instruments.TRACKS}


def same_bytes(a, b):
    return all(getattr(a, k).tobytes() == getattr(b, k).tobytes() for k in ("lr", "hr", "truth", "labels"))


def enlarge(pairs):
    return np.stack([resize(lr, pairs.hr.shape[1:3], "bicubic") for lr in pairs.lr])


def enlarge_like_torch(pairs):
    """The enlargement that published figures of the DeepLense test start from: torch's bicubic."""
    lr = torch.from_numpy(pairs.lr).permute(0, 3, 1, 2)
    size = pairs.hr.shape[1:3]
    return torch.nn.functional.interpolate(lr, size=size, mode="bicubic").permute(0, 2, 3, 1).numpy()


# ---------------------------------------------------------------- form
@pytest.mark.parametrize(
    ("track", "scale", "hr"), [("deeplense", 2, 150), ("telescope", 2, 128), ("telescope", 4, 128)]
)
def test_form(track, scale, hr):
    pairs = simulator.simulate(track, 4, scale=scale)
    assert pairs.hr.shape == pairs.truth.shape == (4, hr, hr, 1)
    assert pairs.lr.shape == (4, hr // scale, hr // scale, 1)
    assert {a.dtype for a in (pairs.lr, pairs.hr, pairs.truth)} == {np.dtype(np.float32)}
    assert pairs.labels.dtype == np.int64
    assert pairs.labels.tolist() == ([0, 0, 0, 0] if track == "deeplense" else [0, 1, 2, 0])
    assert pairs.name == f"{track}-x{scale}"
    assert all(np.isfinite(v).all() for v in pairs.params.values())


def test_classes_take_turns():
    pairs = simulator.simulate("deeplense", 5, classes=("vortex", "no_substructure"))
    assert pairs.labels.tolist() == [2, 0, 2, 0, 2]
    assert simulator.simulate("telescope", 2, classes="subhalo").labels.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("track", "given", "message"),
    [
        ("hubble", {}, "track is 'hubble'"),
        ("telescope", {"n": 0}, "n is 0"),
        ("telescope", {"n": 2.5}, "n is 2.5"),
        ("telescope", {"n": True}, "n is True"),
        ("deeplense", {"scale": 4}, "the deeplense track offers 2"),
        ("telescope", {"scale": 3}, "the telescope track offers 2 or 4"),
        ("telescope", {"scale": 2.0}, "scale is 2.0"),
        ("telescope", {"split": "validation"}, "split is 'validation'"),
        ("telescope", {"seed": -1}, "seed is -1"),
        ("telescope", {"classes": ("subhalo", "wdm")}, "classes are"),
        ("telescope", {"classes": ()}, "classes are"),
        ("telescope", {"classes": ("vortex", "vortex")}, "classes are"),
        ("telescope", {"classes": ("vortex",), "triplets": True}, "triplets need"),
        ("telescope", {"device": "toaster"}, "device is 'toaster'"),
    ],
)
def test_a_bad_argument_is_a_clear_value_error(track, given, message):
    with pytest.raises(ValueError, match=message):
        simulator.simulate(track, **{"n": 3} | given)


# ---------------------------------------------------------------- seeds
EVERY_SET = pytest.mark.parametrize(
    ("track", "scale"), [(t, s) for t in instruments.TRACKS for s in instruments.SCALES[t]]
)


@EVERY_SET
def test_same_seed_same_bytes_and_a_longer_set_begins_with_the_shorter(track, scale):
    given = {"scale": scale, "classes": simulator.CLASSES, "seed": 5}
    long = simulator.simulate(track, 11, **given)
    for n in range(1, 8):
        short = simulator.simulate(track, n, **given)
        assert same_bytes(long[:n], short), n
        for name, values in short.params.items():
            np.testing.assert_array_equal(long.params[name][:n], values)


@EVERY_SET
def test_its_neighbours_do_not_change_a_lens(track, scale):
    """Among lenses of one class a lens has other neighbours than among lenses of all three."""
    for i, own in enumerate(simulator.CLASSES):
        mixed = simulator.simulate(
            track, 4, scale=scale, classes=simulator.CLASSES[i:] + simulator.CLASSES[:i], seed=5
        )
        alone = simulator.simulate(track, 11, scale=scale, classes=own, seed=5)
        assert same_bytes(mixed[[0, 3]], alone[[0, 3]]), own


def test_neither_the_thread_count_nor_the_process_changes_a_byte():
    code = (
        "import sys, hashlib, torch; torch.set_num_threads(int(sys.argv[1]));"
        "from srutils.lensing.simulator import simulate; p = simulate('telescope', 7, scale=4);"
        "print(hashlib.sha256(p.lr.tobytes() + p.hr.tobytes() + p.truth.tobytes()).hexdigest())"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code, n], capture_output=True, text=True, check=True, cwd=ROOT)
        for n in ("1", "3")
    ]
    assert runs[0].stdout == runs[1].stdout
    assert len(runs[0].stdout) == 65


def test_simulate_leaves_torchs_thread_count_alone():
    before = torch.get_num_threads()
    simulator.simulate("telescope", 3)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("track", instruments.TRACKS)
def test_no_two_splits_or_seeds_share_a_lens(track):
    sets = [
        simulator.simulate(track, 12, split=split, seed=seed)
        for split in instruments.SPLITS
        for seed in (0, 1, 12)
    ]
    for name in ("theta_E", "source_x", "gamma1"):
        drawn = np.concatenate([s.params[name] for s in sets])
        assert len(np.unique(drawn)) == len(drawn)
    hr = np.concatenate([s.hr for s in sets]).reshape(len(drawn), -1)
    assert len(np.unique(hr, axis=0)) == len(hr)


def test_hr_does_not_depend_on_the_scale_and_noise_of_lr_is_its_own(telescope):
    assert telescope[2].hr.tobytes() == telescope[4].hr.tobytes()
    hr_noise = instruments.bin_pixels(torch.from_numpy((telescope[2].hr - telescope[2].truth)[..., 0]), 2)
    corner = telescope[2].lr[:, :8, :8, 0], hr_noise.numpy()[:, :8, :8]  # dark: LR there is noise alone
    assert abs(np.corrcoef(corner[0].ravel(), corner[1].ravel())[0, 1]) < 0.05


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("track", instruments.TRACKS)
def test_cpu_and_gpu_agree(track):
    cpu, gpu = (simulator.simulate(track, 30, classes=simulator.CLASSES, device=d) for d in ("cpu", "cuda"))
    np.testing.assert_allclose(gpu.truth, cpu.truth, atol=1e-4)
    assert (abs(gpu.hr - cpu.hr) > 1e-4).mean() < 1e-3  # a count that rounding moves by one is rare
    assert same_bytes(gpu, simulator.simulate(track, 30, classes=simulator.CLASSES, device="cuda"))


# ---------------------------------------------------------------- one prior for all classes
@pytest.mark.parametrize("track", instruments.TRACKS)
def test_the_classes_share_one_macro_prior(track):
    stats = pytest.importorskip("scipy.stats")
    from srutils.lensing.priors import draw

    n = 3000
    labels = np.arange(n) % 3
    p = draw(track, (9, 9, 9), np.arange(n), labels)
    for name in ("theta_E", "gamma1", "gamma2", "source_x", "source_y", "source_e1", "center_x"):
        for a, b in ((0, 1), (0, 2), (1, 2)):
            assert stats.ks_2samp(p[name][labels == a], p[name][labels == b]).pvalue > 1e-3, name
    assert (p["substructure_fraction"][labels == 0] == 0).all()
    assert (p["substructure_fraction"][labels > 0] > 0).all()


@pytest.mark.parametrize("track", instruments.TRACKS)
def test_substructure_takes_its_mass_from_the_halo(track, triplets):
    p = triplets[track].params
    total = p["theta_E_main"] ** 2 + (p["subhalo_theta_E"] ** 2).sum(1) + p["vortex_theta_E"] ** 2
    np.testing.assert_allclose(total, p["theta_E"] ** 2)
    share = 1 - (p["theta_E_main"] / p["theta_E"]) ** 2
    np.testing.assert_allclose(share, p["substructure_fraction"], atol=1e-12)
    assert share.max() <= 0.5


@pytest.mark.parametrize("track", instruments.TRACKS)
def test_a_triplet_differs_in_nothing_but_its_substructure(track, triplets):
    pairs = triplets[track]
    assert pairs.labels.tolist() == [0, 1, 2] * 20
    differ = {"substructure_fraction", "theta_E_main", "subhalo_theta_E", "vortex_theta_E"}
    of_the_image = {"counts_min", "counts_range", "peak_brightness"}
    for name, values in pairs.params.items():
        shared = (values[0::3] == values[1::3]).all() and (values[0::3] == values[2::3]).all()
        assert shared or name in differ | of_the_image, name
        assert not (shared and name in differ), name
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert (pairs.truth[a::3] != pairs.truth[b::3]).any((1, 2, 3)).all()
    if track == "telescope":  # the noise is shared, too; it differs with the light alone
        noise = (pairs.hr - pairs.truth)[..., 0]
        r = [
            np.corrcoef(noise[i].ravel(), noise[i + k].ravel())[0, 1] for i in range(0, 60, 3) for k in (1, 2)
        ]
        assert min(r) > 0.9


def test_triplets_are_the_lenses_of_the_plain_set():
    plain, triplets = (simulator.simulate("telescope", n, classes=None, triplets=n == 9) for n in (3, 9))
    np.testing.assert_array_equal(triplets.params["theta_E"][::3], plain.params["theta_E"])
    assert same_bytes(triplets[[0]], plain[[0]])


# ---------------------------------------------------------------- physics of the images
@pytest.mark.parametrize("track", instruments.TRACKS)
def test_the_truth_is_lenstronomys_image(track):
    pytest.importorskip("lenstronomy")
    from tools.bench.simulator import lenstronomy_image

    pairs = simulator.simulate(track, 3, classes=simulator.CLASSES, seed=2)
    for i in range(3):
        theirs = lenstronomy_image(pairs, i, track, truncation=6)
        truth = pairs.truth[i, ..., 0]
        if track == "deeplense":
            counts = truth * pairs.params["counts_range"][i] + pairs.params["counts_min"][i]
            ours = counts - instruments.DEEPLENSE_SKY
        else:
            ours = truth * pairs.params["peak_brightness"][i]
        apart = abs(ours - theirs) / theirs.max()
        assert abs(ours.sum() / theirs.sum() - 1) < 1e-3
        assert np.quantile(apart, 0.95) < 1e-4
        # cores of point masses, and the hundred points that stand for a vortex, show in single pixels
        assert apart.max() < (1e-3 if i == 0 else 0.05)


def test_telescope_is_normalised_to_the_peak_and_has_photon_noise(telescope):
    for scale, pairs in telescope.items():
        np.testing.assert_allclose(pairs.truth.max((1, 2, 3)), 1, rtol=1e-6)
        assert pairs.truth.min() >= 0
        variance = ((pairs.hr - pairs.truth) ** 2).mean()
        expected = (pairs.truth.mean() * instruments.PEAK + instruments.SKY) / instruments.PEAK**2
        assert variance == pytest.approx(expected, rel=0.02)
        # both instruments see the same light
        assert pairs.lr.mean() == pytest.approx(pairs.truth.mean(), rel=0.01)
        corner = pairs.lr[:, :4, :4]
        assert corner.std() == pytest.approx((instruments.SKY / scale**2) ** 0.5 / instruments.PEAK, rel=0.15)


def test_deeplense_is_min_max_of_counts_and_lr_a_resize_of_hr(deeplense):
    assert (deeplense.hr.min((1, 2, 3)) == 0).all()
    assert (deeplense.hr.max((1, 2, 3)) == 1).all()
    span, low = (deeplense.params[k][:, None, None, None] for k in ("counts_range", "counts_min"))
    counts = deeplense.hr * span + low
    np.testing.assert_allclose(counts, counts.round(), atol=1e-3)
    lr = instruments.bicubic_half(torch.from_numpy(deeplense.hr[..., 0])).numpy()
    np.testing.assert_array_equal(deeplense.lr[..., 0], lr)
    matrix = baselines.bicubic_matrix(150)
    np.testing.assert_allclose(matrix @ deeplense.hr[0, ..., 0] @ matrix.T, lr[0], atol=1e-6)


# ---------------------------------------------------------------- the figures that the course states
def test_baselines_of_deeplense(deeplense):
    bicubic, truth, best = enlarge_like_torch(deeplense), deeplense.truth, baselines.oracle(deeplense)
    decibel = {k: psnr(v, deeplense.hr).mean() for k, v in zip("bto", (bicubic, truth, best), strict=True)}
    assert decibel["b"] == pytest.approx(41.55, abs=0.3)
    assert mse(bicubic, deeplense.hr).mean() == pytest.approx(7.1e-5, rel=0.07)
    assert ssim(bicubic, deeplense.hr).mean() == pytest.approx(0.973, abs=0.003)
    assert decibel["o"] - decibel["b"] == pytest.approx(0.78, abs=0.05)
    # a quarter of white noise is in LR; and the perfect picture, without any, scores below bicubic
    assert decibel["o"] - decibel["t"] == pytest.approx(10 * np.log10(4 / 3), abs=0.02)
    assert decibel["t"] < decibel["b"]


@pytest.mark.parametrize(("scale", "decibel", "similarity"), [(2, 38.32, 0.989), (4, 30.16, 0.952)])
def test_baselines_of_telescope(telescope, scale, decibel, similarity):
    pairs = telescope[scale]
    bicubic = enlarge(pairs)
    assert psnr(bicubic, pairs.truth).mean() == pytest.approx(decibel, abs=0.3)
    assert ssim(bicubic, pairs.truth).mean() == pytest.approx(similarity, abs=0.005)
    assert psnr(pairs.hr, pairs.truth).mean() == pytest.approx(42.71, abs=0.3)


def test_oracle_refuses_what_it_cannot_judge(telescope, deeplense):
    with pytest.raises(ValueError, match="not a bicubic half"):
        baselines.oracle(telescope[2])
    with pytest.raises(ValueError, match="not a bicubic half"):
        baselines.oracle(telescope[4])
    without = simulator.ImagePairs(deeplense.lr, deeplense.hr, 2, "files")
    with pytest.raises(ValueError, match="no noise-free truth"):
        baselines.oracle(without)


@pytest.mark.skipif(not (DATA / "deeplense_cls_sample").is_dir(), reason="no original images under SR_DATA")
def test_deeplense_looks_like_the_original_images():
    def statistics(images):
        edge = np.concatenate([images[:, :15], images[:, -15:]], 1).reshape(len(images), -1)
        gradient = abs(np.diff(images, axis=1)).mean((1, 2))
        return {
            "mean": images.mean((1, 2)),
            "median": np.median(images, (1, 2)),
            "deviation": images.std((1, 2)),
            "background noise": edge.std(1),
            "background": edge.mean(1),
            "gradient": gradient,
        }

    (listed,) = class_files(DATA / "deeplense_cls_sample").values()
    originals, labels = np.stack([read_image(f) for _, f in listed]), [label for label, _ in listed]
    ours = simulator.simulate("deeplense", 300, classes=simulator.CLASSES)
    theirs, mine = statistics(originals[..., 0]), statistics(ours.hr[..., 0])
    for name in theirs:
        # 15 images: their mean within 4 of its standard errors of ours, each one about within our range
        error = mine[name].std() / len(originals) ** 0.5
        assert abs(theirs[name].mean() - mine[name].mean()) < 4 * error, name
        slack = 0.25 * (mine[name].max() - mine[name].min())
        assert mine[name].min() - slack < theirs[name].min(), name
        assert theirs[name].max() < mine[name].max() + slack, name
    assert np.bincount(labels).tolist() == [5, 5, 5]


@pytest.mark.skipif(
    not (DATA / "sr_pairs_decoded_8bit.npz").is_file(), reason="no original pairs under SR_DATA"
)
def test_the_original_lr_is_our_resize_of_the_original_hr():
    with np.load(DATA / "sr_pairs_decoded_8bit.npz", allow_pickle=False) as file:
        hr, lr = file["HR"], file["LR"]
    ours = instruments.bicubic_half(torch.from_numpy(hr)).numpy()
    assert np.sqrt(np.mean((ours - lr) ** 2)) < 0.002  # both were rounded to 8 bits
    plain = hr.reshape(-1, 75, 2, 75, 2).mean((2, 4))
    assert np.sqrt(np.mean((plain - lr) ** 2)) > 0.0025  # a mean of four pixels is not what was done


# ---------------------------------------------------------------- cache
@pytest.fixture
def kept(tmp_path, monkeypatch):
    monkeypatch.setenv("SR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "lenses"


def test_lens_set_comes_back_from_its_file(kept, monkeypatch):
    made = cache.lens_set("telescope", 4, scale=4, split="val", seed=3)
    assert same_bytes(made, simulator.simulate("telescope", 4, scale=4, split="val", seed=3))
    monkeypatch.setattr(cache, "simulate", lambda *a, **k: pytest.fail("simulated again"))
    read = cache.lens_set("telescope", 4, scale=4, split="val", seed=3)
    assert same_bytes(made, read)
    assert (read.scale, read.name) == (made.scale, made.name)
    assert read.params.keys() == made.params.keys()
    assert all((read.params[k] == made.params[k]).all() for k in made.params)


def test_every_argument_has_its_own_file(kept):
    for given in ({}, {"split": "val"}, {"seed": 1}, {"classes": "vortex"}, {"triplets": True}, {"scale": 4}):
        cache.lens_set("telescope", 3, **given)
    cache.lens_set("telescope", 2)
    cache.lens_set("deeplense", 3)
    assert len(list(kept.glob("*.npz"))) == 8
    assert sorted(f.suffix for f in kept.iterdir()) == [".npz"] * 8 + [".sha256"] * 8


@pytest.mark.parametrize("damage", ["byte", "short", "no record"])
def test_a_damaged_cache_file_is_made_anew(kept, damage):
    made = cache.lens_set("deeplense", 3)
    (path,) = kept.glob("*.npz")
    if damage == "byte":
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    elif damage == "short":
        path.write_bytes(path.read_bytes()[:1000])
    else:
        path.with_name(path.name + ".sha256").unlink()
    with pytest.warns(UserWarning, match="damaged"):
        assert same_bytes(cache.lens_set("deeplense", 3), made)
    assert same_bytes(cache.read_pairs(path), made)


def test_a_cache_that_cannot_be_written_costs_a_warning(kept, monkeypatch):
    def refuse(path, pairs):
        raise OSError("disk full")

    monkeypatch.setattr(cache, "write_pairs", refuse)
    with pytest.warns(UserWarning, match="disk full"):
        assert len(cache.lens_set("deeplense", 3)) == 3


# ---------------------------------------------------------------- files
@pytest.fixture
def folder(tmp_path):
    """Twelve pairs in the layout of the DeepLense files; pair N holds N / 100."""
    for kind, size in (("HR", 150), ("LR", 75)):
        (tmp_path / kind).mkdir()
        for i in range(1, 13):
            np.save(tmp_path / kind / f"sample{i}.npy", np.full((1, size, size), i / 100))
    return tmp_path


def test_load_deeplense_sorts_by_number(folder):
    pairs = folders.load_deeplense(folder)
    assert pairs.hr.shape == (12, 150, 150, 1)
    assert pairs.lr.shape == (12, 75, 75, 1)
    assert pairs.scale == 2
    assert pairs.truth is None
    np.testing.assert_allclose(pairs.hr[:, 0, 0, 0], np.arange(1, 13) / 100)
    np.testing.assert_allclose(pairs.lr[:, 0, 0, 0], np.arange(1, 13) / 100)
    assert len(folders.load_deeplense(folder, n=5)) == 5
    assert len(folders.load_deeplense(str(folder), n=100)) == 12


def test_load_deeplense_finds_the_archives_own_folder(folder, tmp_path_factory):
    outer = tmp_path_factory.mktemp("outer")
    folder.rename(outer / "Dataset")
    assert len(folders.load_deeplense(outer)) == 12


def broken(path, how):
    if how == "missing":
        path.unlink()
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[:500])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "pickled":
        np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    elif how == "archive":
        with open(path, "wb") as file:
            np.savez(file, a=np.zeros(3))
    elif how == "text":
        np.save(path, np.full((1, 75, 75), "a"))
    else:
        shape, value = {"flat": ((75, 75), 0), "large": ((1, 76, 75), 0), "nan": ((1, 75, 75), np.nan)}[how]
        np.save(path, np.full(shape, value, float))


FAULTS = ("missing", "truncated", "empty", "pickled", "archive", "text", "flat", "large", "nan")


@pytest.mark.parametrize("how", FAULTS)
@pytest.mark.parametrize("number", [1, 7])
def test_load_deeplense_names_the_file_at_fault(folder, how, number):
    path = folder / "LR" / f"sample{number}.npy"
    broken(path, how)
    with pytest.raises(ValueError) as error:
        folders.load_deeplense(folder)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_load_deeplense_without_its_folders_or_images(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        folders.load_deeplense(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="n is 0"):
        folders.load_deeplense(folder, n=0)
    (folder / "HR" / "sample3.npy").unlink()
    with pytest.raises(ValueError, match=r"sample3\.npy has no partner"):
        folders.load_deeplense(folder)
    for file in [*folder.glob("*/*.npy")]:
        file.unlink()
    with pytest.raises(ValueError, match="no .npy file"):
        folders.load_deeplense(folder)
    (folder / "LR").rmdir()
    with pytest.raises(FileNotFoundError, match="LR"):
        folders.load_deeplense(folder)


@pytest.mark.parametrize("scale", [2, 4])
def test_saved_pairs_load_again(tmp_path, scale):
    pairs = simulator.simulate("telescope", 11, scale=scale)
    folders.save_pairs(pairs, tmp_path / "new" / "set")
    read = folders.load_deeplense(tmp_path / "new" / "set")
    assert all((getattr(read, k) == getattr(pairs, k)).all() for k in ("lr", "hr", "truth"))
    assert read.scale == scale
    assert read.name == pairs.name and (read.labels == pairs.labels).all()
    assert read.target is read.truth
    lines = (tmp_path / "new" / "set" / "lenses.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 12
    assert lines[2].startswith(f"sample2,telescope-x{scale},subhalo,1,")
    assert [f.name for f in (tmp_path / "new").iterdir()] == ["set"]
    with pytest.raises(FileExistsError, match="empty"):
        folders.save_pairs(pairs, tmp_path / "new" / "set")


def make_classes(folder, names, count=3):
    for value, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for i in range(1, count + 1):
            np.save(folder / name / f"{i}.npy", np.full((1, 30, 30), value / 10 + i / 1000))


def test_find_reads_sr_data(folder, kept, monkeypatch):
    monkeypatch.delenv("SR_DATA", raising=False)
    assert folders.find_deeplense() is None
    assert find_classes() is None
    data = folder.parent / "data"
    (data / "lensing").mkdir(parents=True)
    (data / "deeplense").mkdir()
    for kind in ("HR", "LR"):
        (folder / kind).rename(data / "deeplense" / kind)
    make_classes(data / "lensing" / "deeplense_cls_sample", simulator.CLASSES)
    monkeypatch.setenv("SR_DATA", str(data))
    assert len(folders.load_deeplense(folders.find_deeplense())) == 12
    assert len(class_files(find_classes())[""]) == 9
