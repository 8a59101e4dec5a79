"""What the reader asked for when they typed ``srutils train``."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

TRACKERS = {"wandb": ("wandb",), "tensorboard": ("tensorboard", "tensorboardX")}
PRECISIONS = ("auto", "no", "bf16", "fp16")
DEVICES = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True)
class Settings:
    """The options of one training run, as given; what is None is left to the recipe.

    Attributes
    ----------
    recipe : str
        Its name in `srutils.recipes.register.RECIPES`.
    data : Path, optional
        The reader's own folder.
    start : str or Path, optional
        Where the weights come from: the name of a shipped model, or a file.
    steps, minutes : int and float, optional
        How long to train; at most one of the two. With `start`, 0 steps write its weights as a model file.
    seed : int
    out : Path, optional
        The model file to write, ``NAME.onnx``.
    overwrite : bool
        Replace what is at `out`.
    fresh : bool
        Begin at step 0 although a checkpoint of this very run is there.
    tracker : {"wandb", "tensorboard"}, optional
    device : {"auto", "cpu", "cuda", "mps"}, optional
    precision : {"auto", "no", "bf16", "fp16"}, optional
    arch : str, optional
        Another network than the recipe's own, where it knows one.
    classes : str, optional
        The reader's names of the classes and ours: ``no_sub=no_substructure,cdm=subhalo,axion=vortex``.
    ship : bool
        Write the course's own model files, in ``data/models``.
    batch, patch : int, optional
    """

    recipe: str
    data: Path | None = None
    start: str | Path | None = None
    steps: int | None = None
    minutes: float | None = None
    seed: int = 0
    out: Path | None = None
    overwrite: bool = False
    fresh: bool = False
    tracker: str | None = None
    device: str | None = None
    precision: str | None = None
    arch: str | None = None
    classes: str | None = None
    ship: bool = False
    batch: int | None = None
    patch: int | None = None

    @property
    def short(self) -> bool:
        """Whether the run is a trial of less than 200 steps, for which few lenses are simulated."""
        return self.steps is not None and self.steps < 200

    def check(self) -> None:
        """Refuse, before any work, what cannot be done.

        Raises
        ------
        ValueError
            A number out of range, two options that contradict each other, an unknown word, or a tracker
            whose package is not installed.
        """
        for name in ("steps", "minutes", "batch", "patch"):
            value = getattr(self, name)
            nothing = name == "steps" and value == 0 and self.start is not None
            if value is not None and not 0 < value < 1e9 and not nothing:
                raise ValueError(f"--{name} is {value}; expected more than 0")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"--seed is {self.seed}; expected 0 to 2**32 - 1")
        if self.steps is not None and self.minutes is not None:
            raise ValueError("--steps and --minutes both say how long to train; give one of them")
        if self.ship and self.out is not None:
            raise ValueError("--ship writes the course's own model files, --out yours; give one of them")
        for name, known in (("device", DEVICES), ("precision", PRECISIONS), ("tracker", TRACKERS)):
            value = getattr(self, name)
            if value is not None and value not in known:
                raise ValueError(f"--{name} is {value!r}; expected {' or '.join(known)}")
        if self.tracker and not any(map(importlib.util.find_spec, TRACKERS[self.tracker])):
            raise ValueError(f"{self.tracker} is not installed: pip install {self.tracker}")
        if self.data is not None and not self.data.is_dir():
            raise FileNotFoundError(f"--data is {str(self.data)!r}, which is not a folder")
