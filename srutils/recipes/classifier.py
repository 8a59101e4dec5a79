"""The lens classifier: the course's compact network, or InceptionResNetV2, on simulated lenses or folders."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np

from srutils.lensing.priors import CLASSES
from srutils.pairs import dihedral
from srutils.recipes import classifier_files, keras_files, keras_loop
from srutils.recipes.class_data import class_images, fingerprint
from srutils.recipes.runs import Run
from srutils.recipes.settings import Settings
from srutils.recipes.start import Start
from srutils.training import Feed

SIZE = 128
ARCHS = ("compact", "inception-resnet-v2")
WATCHED = 600  # images that validation looks at during a run
SMALL = 16  # images a step of the large network, which has 64 times the weights
ENOUGH = 30  # images; drawing from fewer with replacement says little of how uncertain a score is
QUICK = 60  # triplets simulated for runs of less than 200 steps


def run(settings: Settings, recipe) -> dict:
    """Train a classifier and write its model file; return the card."""
    options, arch = recipe.options, settings.arch or ARCHS[0]
    if arch not in ARCHS:
        raise ValueError(f"--arch is {arch!r}; expected {' or '.join(ARCHS)}")
    large = arch != ARCHS[0]
    if large and settings.data is None:
        raise ValueError(f"--arch {arch} learns from your own folders: give --data as well")
    start = Start.find(settings.start or (None if large else options.get("start")), (".onnx", ".keras"))
    if start is not None and large:
        raise ValueError(f"--from is for the compact network; --arch {arch} begins with random weights")
    precision = keras_loop.precision_for(settings, options["precision"])
    size = settings.batch or (SMALL if large else options["batch"])
    if settings.data is None:
        data, feed = simulated(settings, options, size)
    else:
        data = class_images(settings.data, settings.classes, SIZE, settings.seed)
        feed = Shown(*data.train, size, settings.seed)
    decides = {"arch": arch, "batch": feed.size, "precision": precision}
    with keras_loop.on_device(settings):
        one = Run.open(settings, recipe, data, start=start, **decides)

        def build():
            return classifier_files.new_network(arch, settings.data is None, start)

        def compiled(network, steps):
            if settings.data is None and start is None:
                feed.easy = min(3000, steps // 5)
            classifier_files.give_losses(network, options["rate"], steps)

        watched = watch(data.val[0][:WATCHED], data.val[1][:WATCHED])
        network = keras_loop.train(one, build, compiled, feed, watched, precision)
        shipping = classifier_files.finished(network, arch, start, SIZE)
        facts = {"arch": arch, "size": SIZE, "channels": "gray", **decides, **keras_files.facts(precision)}
        facts["input"] = f"min-max normalised, the middle {SIZE} x {SIZE} px"
        facts |= {"presentations": one.steps * feed.size}
        keys = ("step", "logits_loss", "where_loss", "val_auc")
        facts["history"] = [[round(row.get(key, 0), 4) for key in keys] for row in one.rows]
        write = classifier_files.writer(shipping, data.val[0][:6].astype(np.float32))
        card = one.deliver(write, facts, lambda path: scores(path, data), also={".keras": shipping.save})
    print(table(card["metrics"]), end="")
    one.close()
    return card


# ---------------------------------------------------------------- data
class Shown(Feed):
    """Batches of a reader's images, turned, mirrored and shifted at random, and their classes.

    A lens has no left and right: see lesson 06 for which of these changes an image allows.
    """

    def __init__(self, images, labels, size: int, seed: int):
        super().__init__()
        self.images, self.labels, self.size, self.seed = images, labels, size, seed

    def batch(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return batch number ``k``: images (size, 128, 128, 1) float32, and their classes."""
        rng = np.random.default_rng([self.seed, k])
        which = rng.integers(len(self.images), size=self.size)
        out = np.empty((self.size, *self.images.shape[1:]), np.float32)
        for image, i in zip(out, which, strict=True):
            moved = np.roll(self.images[i], rng.integers(-2, 3, 2), (0, 1))
            image[:] = dihedral(moved, int(rng.integers(8)))
        return out, self.labels[which]


class Triplets(Feed):
    """Batches of matched triplets with fresh photon noise, which is turned up over the first `easy` steps.

    `exposed` makes mean counts of a triplet where `counts` holds something else: see `srutils.lensing.skies`.
    """

    def __init__(self, counts, maps, size: int, seed: int, exposed: Callable | None = None):
        super().__init__()
        self.counts, self.maps, self.seed, self.easy, self.exposed = counts, maps, seed, 0, exposed
        self.each = max(1, size // 3)
        self.size = 3 * self.each

    def batch(self, k: int) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """Return batch number ``k``: images (size, 128, 128, 1), and their classes and root-mass maps."""
        rng = np.random.default_rng([self.seed, k])
        mean = np.empty((self.size, SIZE, SIZE), np.float32)
        target = np.empty((self.size, *self.maps.shape[2:]), np.float32)
        for j, i in enumerate(np.sort(rng.integers(len(self.counts), size=self.each))):
            turn, shift = int(rng.integers(8)), rng.integers(-2, 3, 2)
            for label in range(len(CLASSES)):
                moved = np.roll(self.counts[i, label], shift, (0, 1))
                mean[3 * j + label] = dihedral(moved[..., None], turn)[..., 0]
                target[3 * j + label] = dihedral(self.maps[i, label], turn)
            if self.exposed is not None:
                mean[3 * j : 3 * j + 3] = self.exposed(mean[3 * j : 3 * j + 3], rng)
        strength = min(1, k / self.easy) if self.easy else 1
        return observe(mean, rng, strength), (np.tile(np.arange(3), self.each), np.sqrt(target))


def observe(mean: np.ndarray, rng, strength: float = 1.0) -> np.ndarray:
    """Draw photons and stretch to [0, 1]: mean counts (N, h, w) to images (N, h, w, 1).

    `strength` is the share of the photon noise; no telescope has that knob.
    """
    import torch

    from srutils.lensing.instruments import photon_counts

    normal = torch.from_numpy(rng.standard_normal(mean.shape, np.float32))
    image = mean + np.float32(strength) * (photon_counts(torch.from_numpy(mean), normal).numpy() - mean)
    low = image.min((1, 2), keepdims=True)
    return ((image - low) / (image.max((1, 2), keepdims=True) - low))[..., None]


def simulated(settings: Settings, options: dict, size: int):
    """Return the simulated lenses of a run, and their feed; they are kept in the cache."""
    from srutils.course import cache_dir
    from srutils.lensing import simulate, skies, triplets

    quick, other = settings.short, options.get("skies", False)
    n, few = QUICK if quick else options["triplets"], 40 if quick else 200
    folder, make = ("skies", skies.scenes) if other else ("triplets", triplets.noise_free)
    counts, maps = triplets.store(cache_dir() / folder, n, seed=6, progress=True, make=make)
    tested = simulate("deeplense", 150 if quick else 1500, classes=CLASSES, seed=0)
    says = f"{n:,} deeplense triplets without noise, fresh photon noise, 8 turns, shifts of 2 px"
    if other:
        val, test = (under_skies(few, part) for part in ("val", "test"))
        says += "; PSF, light, the halo's ellipse, orientation and the source's clumps at random"
    else:
        means, _ = triplets.noise_free(few, seed=0, split="val")
        val = observe(means.reshape(-1, SIZE, SIZE), np.random.default_rng(1)), np.tile(np.arange(3), few)
    data = SimpleNamespace(
        val=val,
        test=(tested.hr, tested.labels),
        more={"other skies test": test} if other else {},
        says=says,
        split="by lens: training split, seed 6; scored on the test split",
        images=3 * n,
        fingerprint=fingerprint([np.array([n, 6]), val[0]]),
        track="deeplense",
    )
    return data, Triplets(counts, maps, size, settings.seed, skies.exposed if other else None)


def under_skies(n: int, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Return images (3 n, 128, 128, 1) of triplets under skies at random, and their classes."""
    from srutils.lensing import skies

    rng = np.random.default_rng(1)
    means = np.concatenate([skies.exposed(light, rng) for light in skies.scenes(n, split=split)[0]])
    return observe(means, rng), np.tile(np.arange(3), n)


# ---------------------------------------------------------------- scores
def watch(images: np.ndarray, labels: np.ndarray):
    """Return a function from the network to its mean AUC on validation images."""
    from srutils.scoring import macro_auc

    def validate(network) -> dict[str, float]:
        return {"val_auc": macro_auc(labels, classifier_files.probabilities(network, images))}

    return validate


def scores(path, data) -> dict[str, dict]:
    """Return a card's ``metrics``: the name of a set -> n, AUC of each class and their mean, accuracy."""
    from srutils.lensing.classifier import Classifier
    from srutils.scoring import bootstrap, class_aucs, macro_auc, micro_auc

    trained, found = Classifier.load(path), {}
    test = "deeplense test" if getattr(data, "track", None) else "test"
    more = getattr(data, "more", {})
    for name, (images, truth) in {"validation": data.val, test: data.test, **more}.items():
        if not len(images):
            continue
        probability = trained(images.astype(np.float32))
        areas = class_aucs(truth, probability)
        found[name] = {
            "n": len(truth),
            "auc_macro": float(np.mean(areas)),
            "auc_micro": micro_auc(truth, probability),
            "auc": dict(zip(CLASSES, areas, strict=True)),
            "accuracy": float((probability.argmax(1) == truth).mean()),
        }
        if len(truth) >= ENOUGH:
            found[name]["auc_macro_interval"] = bootstrap(macro_auc, truth, probability)
    return found


def table(metrics: dict) -> str:
    """Return the scores as text: the AUC of each class, their mean, and the share of right answers."""
    text = f"{'AUC':16}{'images':>8}" + "".join(f"{name:>17}" for name in (*CLASSES, "mean", "right answers"))
    for name, row in metrics.items():
        figures = [f"{row['auc'][c]:.4f}" for c in CLASSES] + [f"{row['auc_macro']:.4f}"]
        text += f"\n{name:16}{row['n']:8}" + "".join(f"{f:>17}" for f in (*figures, f"{row['accuracy']:.1%}"))
    return text + "\n"
