"""The recipes by name: what each makes, of what, how long it took; and the call that follows one."""

from __future__ import annotations

import difflib
import importlib
from dataclasses import dataclass

from srutils.model_files.cards import model_path, read_card
from srutils.recipes.runs import targets
from srutils.recipes.settings import Settings
from srutils.recipes.start import total_seconds

PHOTOGRAPHS = "CID22, Contest, Photos, T91, BSD200"
LENSES = {
    "deeplense": "6,000 simulated lenses, noisy HR",
    "telescope": "fresh simulated lenses, noise-free truth",
    "few": "3,000 simulated lenses, noisy HR",
}


@dataclass(frozen=True)
class Recipe:
    """How one network is trained.

    Attributes
    ----------
    name : str
    makes : str
        What the model does, in a few words.
    learns_from : str
        The data it takes unless the reader gives their own.
    framework : {"PyTorch", "Keras"}
    module : str
        The module of this folder whose ``run(settings, recipe)`` follows the recipe and returns the card.
    options : dict
        What decides the result and belongs to this recipe: sizes, rates, losses, steps.
    """

    name: str
    makes: str
    learns_from: str
    framework: str
    module: str
    options: dict

    @property
    def files(self) -> tuple[str, ...]:
        """The model files that it writes: one for each of its scales, if it has several."""
        return tuple(f"{self.name}-x{scale}" for scale in self.options.get("scales", ())) or (self.name,)

    @property
    def hours(self) -> float | None:
        """Hours that the shipped file took, warm starts included, from its card; None without one."""
        try:
            cards = [read_card(model_path(name).with_suffix(".json"), {"seconds"}) for name in self.files]
        except ValueError:
            return None
        return max(map(total_seconds, cards)) / 3600


def _three_layers(name: str, makes: str, learns_from: str, options: dict) -> Recipe:
    usual = {"scale": 2, "batch": 16, "patch": 64, "rate": 2e-3, "precision": "no"}
    return Recipe(name, makes, learns_from, "Keras", "three_layers", {**usual, **options})


def _srresnet(name: str, makes: str, learns_from: str, options: dict) -> Recipe:
    usual = {"skip": "nearest", "clip": 0.1, "batch": 8}
    return Recipe(name, makes, learns_from, "PyTorch", "srresnet", {**usual, **options})


def _srgan(track: str, scale: int, learns_from: str, options: dict) -> Recipe:
    makes = "colour photographs" if track == "photo" else f"lenses, {track}"
    options = {"scale": scale, "track": track, "start": f"srresnet-{track}-x{scale}", "batch": 8, **options}
    makes = f"{makes}, x{scale}, sharper"
    return Recipe(f"srgan-{track}-x{scale}", makes, learns_from, "PyTorch", "srgan", options)


SRCNN = {"track": "photo", "tries": 2, "precision": "auto"}
ON_LR = {"track": "deeplense", "lenses": 6000, "steps": 3500, "patch": 40, "rate": 1e-3}
ON_LR |= {"beta_2": 0.99, "clip": 0.05}
ENLARGED = {"track": "telescope", "lenses": 3000, "steps": 2000}

AUTOENCODER = {"scale": 2, "steps": 5000, "batch": 16, "patch": 32, "tries": 1, "rate": 2e-3}
AUTOENCODER |= {"precision": "auto"}

CLASSIFIER = {"triplets": 30000, "steps": 15000, "batch": 48, "rate": 2e-3, "precision": "auto"}
SKIES = CLASSIFIER | {"triplets": 6000, "skies": True, "start": "lens-classifier", "rate": 5e-4}
SKIES |= {"steps": 1800}

PHOTO = {"track": "photo", "width": 64, "blocks": 10, "patch": 48, "tries": 2, "flat": (1, 4)}
PHOTO |= {"loss": "l1", "rate": 4e-4, "steps": 12000}
JOINT = {"scales": {2: 0.3, 3: 0.3, 4: 0.4}, **PHOTO}
JOINT |= {"batch": 16, "patch": 32, "rate": 8e-4, "steps": 16500}
SMALL = PHOTO | {"scale": 4, "width": 32, "blocks": 8, "patch": 32, "rate": 1e-3, "steps": 4800}
REAL = PHOTO | {"scale": 4, "start": "srresnet-photo-x4", "spoiled": {"clean": 0.25, "jpeg": 0.25}}
REAL |= {"patch": 32, "rate": 2e-4, "steps": 3000}
DEEPLENSE = {"track": "deeplense", "scale": 2, "width": 32, "blocks": 8, "patch": 40, "loss": "mse"}
DEEPLENSE |= {"rate": 1e-3, "steps": 2000, "batch": 16, "precision": "no"}
TELESCOPE = {"track": "telescope", "width": 48, "blocks": 8, "skip": "bicubic", "patch": 32, "loss": "psnr"}
TELESCOPE |= {"rate": 1e-3, "clip": 0.5, "steps": 3000, "batch": 16}
BLIND = TELESCOPE | {"scale": 2, "blind": True, "start": "srresnet-telescope-x2", "patch": 64, "batch": 4}

PHOTO_GAME = {"rates": (1e-4, 3e-4), "judge": {"width": 32, "gain": 2.0}, "steps": 1000, "patch": 32}
PHOTO_GAME |= {"tries": 2, "flat": (2, 1), "loss": "l1"}
PHOTO_GAME |= {"weights": {"pixel": 1.0, "content": 0.1, "adversarial": 0.02}}
PHOTO_GAME |= {"perceptual": {"pixel": 2.0, "content": 0.04, "adversarial": 0.05}}
DEEPLENSE_GAME = {"rates": (1e-4, 3e-4), "judge": {"width": 24, "gain": 20.0}, "steps": 300, "patch": 40}
DEEPLENSE_GAME |= {"loss": "mse", "precision": "no"}
DEEPLENSE_GAME |= {"weights": {"pixel": 900.0, "content": 0.03, "adversarial": 0.01}}
TELESCOPE_GAME = {"rates": (3e-4, 2e-4), "judge": {"width": 24, "gain": 100.0}, "steps": 400, "patch": 32}
TELESCOPE_GAME |= {"loss": "l1", "weights": {"pixel": 20.0, "content": 0.01, "adversarial": 0.005}}

POSTERIOR = {"scale": 4, "base": "srresnet-telescope-x4", "classes": ("no_substructure",), "integration": 4}
POSTERIOR |= {"rate": 1e-3, "clip": 1.0, "steps": 3250, "batch": 8, "precision": "no"}

_ALL = [
    *(
        _three_layers(
            f"srcnn-photo-x{s}", f"photographs, luma, x{s}", PHOTOGRAPHS, SRCNN | {"scale": s, "steps": n}
        )
        for s, n in {2: 3000, 3: 12000, 4: 3000}.items()
    ),
    _three_layers("superrescnn-deeplense-x2", "lenses, deeplense, x2", LENSES["deeplense"], ON_LR),
    _three_layers("superrescnn-telescope-x2", "lenses, telescope, x2", LENSES["few"], ENLARGED),
    Recipe(
        "autoencoder-photo-x2", "colour photographs, x2", PHOTOGRAPHS, "Keras", "autoencoder", AUTOENCODER
    ),
    Recipe(
        "lens-classifier",
        "the class of a lens: no substructure, subhalos, a vortex",
        "30,000 simulated triplets",
        "Keras",
        "classifier",
        CLASSIFIER,
    ),
    Recipe(
        "lens-classifier-skies",
        "the same under other PSFs, exposures, halos and clumpy sources",
        "6,000 simulated triplets",
        "Keras",
        "classifier",
        SKIES,
    ),
    _srresnet("srresnet-photo", "colour photographs, x2 x3 x4, one body", PHOTOGRAPHS, JOINT),
    *(
        _srresnet(f"srresnet-photo-x{s}", f"colour photographs, x{s}", PHOTOGRAPHS, PHOTO | {"scale": s})
        for s in (2, 3, 4)
    ),
    _srresnet("srresnet-small-photo-x4", "colour photographs, x4, four times as fast", PHOTOGRAPHS, SMALL),
    _srresnet("real-photo-x4", "photographs as they are found: soft, noisy, JPEG; x4", PHOTOGRAPHS, REAL),
    _srresnet("srresnet-deeplense-x2", "lenses, deeplense, x2", LENSES["deeplense"], DEEPLENSE),
    *(
        _srresnet(
            f"srresnet-telescope-x{s}",
            f"lenses, telescope, x{s}",
            LENSES["telescope"],
            TELESCOPE | {"scale": s},
        )
        for s in (2, 4)
    ),
    _srresnet(
        "srresnet-telescope-blind-x2",
        "lenses, x2, of telescopes with another PSF and exposure, which it is not told",
        LENSES["telescope"],
        BLIND,
    ),
    _srgan("photo", 4, PHOTOGRAPHS, PHOTO_GAME),
    _srgan("deeplense", 2, LENSES["deeplense"], DEEPLENSE_GAME),
    *(_srgan("telescope", s, LENSES["telescope"], TELESCOPE_GAME) for s in (2, 4)),
    Recipe(
        "posterior-telescope-x4",
        "lenses, telescope, x4: all the pictures that fit",
        "fresh simulated lenses without substructure, noise-free truth",
        "PyTorch",
        "posterior",
        POSTERIOR,
    ),
]
RECIPES = {recipe.name: recipe for recipe in _ALL}


def find(name: str) -> Recipe:
    """Return the recipe of this name.

    Raises
    ------
    ValueError
        There is none; the sentence names the nearest ones.
    """
    if name in RECIPES:
        return RECIPES[name]
    near = difflib.get_close_matches(name, RECIPES, 3, 0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(RECIPES)}"
    raise ValueError(f"no recipe called {name!r}; {hint}")


def train(settings: Settings) -> dict:
    """Follow a recipe with the reader's settings; return the card of the model file it wrote.

    Raises
    ------
    ValueError
        An unknown recipe, a setting out of range, or data that cannot be used.
    OSError
        A file or folder that cannot be read or written.
    """
    recipe = find(settings.recipe)
    settings.check()
    if (settings.arch or settings.classes) and recipe.module != "classifier":
        raise ValueError(f"--arch and --classes are for classifiers; {recipe.name} enlarges images")
    targets(settings, recipe)
    module = importlib.import_module(f"srutils.recipes.{recipe.module}")
    return module.run(settings, recipe)


def table() -> str:
    """Return the recipes as an aligned table: name, what it makes, what it learns from, framework, hours."""
    rows = [("recipe", "makes", "learns from", "framework", "hours")]
    for recipe in RECIPES.values():
        hours = "not shipped" if recipe.hours is None else f"{recipe.hours:.1f}"
        rows.append((recipe.name, recipe.makes, recipe.learns_from, recipe.framework, hours))
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    lines = ("  ".join(f"{cell:{w}}" for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(lines) + "\n"
