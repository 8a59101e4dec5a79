"""One training run on disk: a folder of its own, its records, and the model file and card it ends in."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from srutils import course
from srutils.files.atomic import aside
from srutils.recipes.start import Start


def is_main() -> bool:
    """Say whether this is the process that prints and writes, of the several that ``accelerate`` starts."""
    return os.environ.get("RANK", "0") == "0"


@dataclass
class Run:
    """A run in progress; make one with `Run.open`.

    Attributes
    ----------
    settings, recipe, data, start
        What it was opened with.
    decides : dict
        Everything that decides the result, as plain JSON; ``folder`` is named by its hash.
    folder : Path
        For checkpoints; no other run has it.
    steps : int or None
        How many to take; None until `plan` has measured, where the reader gave minutes.
    rows : list of dict
        What `record` was given, up to the step that the run stands at.
    main : bool
        See `is_main`.
    files : dict of str to Path
        Where its model files go, as `targets` found them free.
    """

    settings: object
    recipe: object
    data: object
    decides: dict
    folder: Path
    steps: int | None
    start: Start | None = None
    files: dict[str, Path] = field(default_factory=dict)
    rows: list[dict] = field(default_factory=list)
    main: bool = field(default_factory=is_main)
    began: float = field(default_factory=time.perf_counter)
    tracker: object = None

    @classmethod
    def open(cls, settings, recipe, data, *, start: Start | None = None, **decides) -> Run:
        """Name the run's folder by everything that decides its result, and say what will be done.

        Parameters
        ----------
        data : PairsData or the like
            ``fingerprint``, ``says``, ``split`` and ``images`` are used.
        **decides
            What else decides the result: batch, patch, precision, arch, losses. JSON values.

        Raises
        ------
        FileExistsError
            The file to write is there already and ``--overwrite`` was not given.
        ValueError, OSError
            `targets` cannot be written.
        """
        files = targets(settings, recipe)
        usual = recipe.options["steps"] if settings.minutes is None else None
        steps = usual if settings.steps is None else settings.steps
        decides = {
            "recipe": recipe.name,
            "options": recipe.options,
            "data": data.fingerprint,
            "seed": settings.seed,
            "start": start and start.sha256,
            **({"minutes": settings.minutes} if steps is None else {"steps": steps}),
            **decides,
        }
        text = json.dumps(decides, sort_keys=True)
        mark = hashlib.sha256(text.encode()).hexdigest()[:12]
        folder = course.cache_dir() / "training" / recipe.name / mark
        run = cls(settings, recipe, data, json.loads(text), folder, steps, start, files)
        if run.main:
            if settings.fresh:
                shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True, exist_ok=True)
            words = {"data": data.says, "split": data.split, "start": start and start.name}
            marks = {f"{key} (SHA-256)": run.decides[key] for key in ("data", "start")}
            run._write("settings.json", {**run.decides, **words, **marks})
            print(f"{recipe.name}: {data.says}\n{data.split}")
            run._track()
        return run

    @property
    def quick(self) -> bool:
        """Whether it is a trial of less than 200 steps, which must not take longer to score than to train."""
        return self.steps < 200 and not self.settings.ship

    def _write(self, name: str, value) -> None:
        with aside(self.folder / name) as path:
            path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def _read(self, name: str, default):
        path = self.folder / name
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else default

    def _track(self) -> None:
        """Open the tracker that the reader asked for and log what the run was opened with."""
        name = self.settings.tracker
        if name is None:
            return
        from accelerate import PartialState
        from accelerate.tracking import TensorBoardTracker, WandBTracker

        PartialState(cpu=self.settings.device == "cpu")
        if name == "tensorboard":
            self.tracker = TensorBoardTracker(self.recipe.name, self.folder / "logs")
            print(f"tensorboard --logdir {self.folder / 'logs'}")
        else:
            one = {"name": self.recipe.name, "id": self.folder.name, "resume": "allow"}
            self.tracker = WandBTracker("srutils", dir=str(self.folder), **one)
        try:
            self.tracker.start()
        except Exception as error:  # it may ask for a login, say; each has exceptions of its own
            raise ValueError(f"{name} cannot begin: {' '.join(str(error).split())}") from None
        flat = {"data": self.data.says, "start": self.start and self.start.name}
        for key, value in {**self.decides["options"], **self.decides}.items():
            flat.setdefault(key, value if isinstance(value, str | int | float) else json.dumps(value))
        self.tracker.store_init_configuration({key: flat[key] or "" for key in flat if key != "options"})

    def plan(self, trial: Callable[[int], None], agree: Callable = lambda x: x, pauses: float = 0.0) -> int:
        """Return how many steps to take; where the reader gave minutes, measure it and remember it.

        Parameters
        ----------
        trial : callable
            Takes that many steps; the caller undoes what they did to the networks.
        agree : callable, optional
            Gives every process the main one's value.
        pauses : float
            Seconds that the run will spend on validation and checkpoints, all together.
        """
        if self.steps is None:
            self.steps = agree(self._read("plan.json", {}).get("steps"))
        if self.steps is None:
            budget, n, seconds = 60 * self.settings.minutes, 1, 0.0
            trial(1)  # the first is slower than all that follow
            while seconds < min(5, budget / 20):
                began = time.perf_counter()
                trial(n)
                seconds = agree(time.perf_counter() - began)
                each, n = seconds / n, 2 * n
            left = 0.9 * budget - (time.perf_counter() - self.began) - pauses  # a tenth is for scoring
            self.steps = agree(max(1, int(left / each)))
            if self.main:
                self._write("plan.json", {"steps": self.steps, "seconds_a_step": each})
                print(f"{self.settings.minutes:g} minutes are {self.steps} steps of {each:.2g} s")
        return self.steps

    def resume(self, step: int) -> None:
        """Say where the run stands: records of later steps, which will be taken again, are dropped."""
        self.rows = [row for row in self._read("rows.json", []) if row["step"] <= step]
        if step and self.main:
            done = step >= (self.steps or step + 1)
            also = "it is finished; --fresh trains anew" if done else f"it goes on to step {self.steps}"
            print(f"found this very run at step {step} in {self.folder}: {also}")

    def record(self, row: dict) -> None:
        """Keep a row of progress (step, seconds, loss, val_psnr, ...) and hand it to the tracker.

        ``seconds`` are those since the row before. Call it before the checkpoint of the same step is saved.
        """
        plain = {key: value if isinstance(value, int) else float(value) for key, value in row.items()}
        self.rows.append(plain)
        if self.main:
            self._write("rows.json", self.rows)
            if self.tracker is not None:
                self.tracker.log(row, step=row["step"])

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[threading.Event]:
        """Give an event that Ctrl-C sets: the loop ends its step, saves, and calls `stopped`.

        A second Ctrl-C stops at once, at the last checkpoint.
        """
        asked = threading.Event()

        def ask(number, frame):
            if asked.is_set():
                raise KeyboardInterrupt
            asked.set()

        inside = threading.current_thread() is threading.main_thread()
        before = signal.signal(signal.SIGINT, ask) if inside else None
        try:
            yield asked
        finally:
            if inside:
                signal.signal(signal.SIGINT, before)

    def stopped(self, step: int) -> None:
        """End the run after Ctrl-C and say how it goes on."""
        raise KeyboardInterrupt(f"stopped and saved at step {step}; the same command goes on from there")

    # ------------------------------------------------------------ the end
    def finish(
        self,
        export: Callable[[Path], None],
        reference: Callable,
        facts: dict,
        *,
        name: str | None = None,
        data=None,
        also: dict[str, Callable[[Path], None]] | None = None,
    ) -> dict | None:
        """Write the model file of a network that enlarges images, score it, and print where it is.

        Parameters
        ----------
        export, reference
            As for `srutils.model_files.save_model`.
        facts : dict
            What only the recipe knows: task, scale, channels, input, edges, framework, batch, patch, ...
        name : str, optional
            Which of the recipe's files, where it writes several.
        data : PairsData, optional
            The pairs to score it on, if not the run's.
        also : dict of str to callable, optional
            Suffix -> writer of one more file beside it (``.keras``).

        Returns
        -------
        dict or None
            The card; None in a process that does not write.
        """
        from srutils.model_files.export import save_model
        from srutils.recipes import scores

        data = data or self.data

        def write(stem, folder, card):
            return save_model(stem, folder, export, reference, card)

        def score(path):
            return scores.of_upscaler(path, data, self.quick, own=self.settings.data is not None)

        card = self.deliver(write, facts, score, name=name, data=data, also=also)
        if card is not None:
            print(scores.table(card), end="")
        return card

    def deliver(self, write, facts, score, *, name=None, data=None, also=None) -> dict | None:
        """Write any model file with its card, whole or not at all.

        Parameters
        ----------
        write : callable
            ``write(stem, folder, card)`` writes both files, as `srutils.model_files.export.write_model` does,
            and returns the card.
        score : callable
            From the path of the written model file to the card's ``metrics``.
        facts, name, data, also
            As in `finish`.
        """
        if not self.main:
            return None
        target = self.files[name or self.recipe.files[0]]
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.stem}-") as temporary:
            folder = Path(temporary)
            card = write(target.stem, folder, {**self._card(data or self.data), **facts})
            card |= {"metrics": score(folder / target.name), "curve": self._curve()}
            text = json.dumps(card, indent=2, ensure_ascii=False) + "\n"
            (folder / f"{target.stem}.json").write_text(text, encoding="utf-8")
            for suffix, save in (also or {}).items():
                save(folder / f"{target.stem}{suffix}")
            for path in sorted(folder.iterdir()):
                os.replace(path, target.parent / path.name)
        print(f"{target}: {card['steps']} steps in {card['seconds_here'] / 60:.1f} minutes")
        return card

    def _card(self, data) -> dict:
        """Return what the run itself knows for a card."""
        here = round(sum(row["seconds"] for row in self.rows))
        card = {"recipe": self.recipe.name, "data": data.says, "images": data.images, "split": data.split}
        card |= {"steps": self.steps, "seconds": here, "seconds_here": here, "seed": self.settings.seed}
        if self.start is not None:
            card |= {"seconds": here + round(self.start.seconds or 0), "start": self.start.facts()}
        return card

    def _curve(self) -> dict[str, list]:
        """Return the figures of the validation images, a list each."""
        rows = [row for row in self.rows if any("val" in key for key in row)]
        keys = ["step", *(key for key in (rows[0] if rows else ()) if "val" in key)]
        return {key: [round(row[key], 4) for row in rows] for key in keys}

    def close(self) -> None:
        """End the tracker's record, so that nothing of it is lost."""
        if self.tracker is not None:
            self.tracker.finish()


def targets(settings, recipe) -> dict[str, Path]:
    """Return where each of a recipe's model files goes: its name -> path.

    Raises
    ------
    FileExistsError
        Something is there, and neither ``--overwrite`` nor ``--ship`` was given.
    ValueError
        ``--out`` does not end in .onnx, or lies among the shipped files.
    OSError
        Its folder does not exist or cannot be written.
    """
    if settings.ship:
        return {name: course.models_dir() / f"{name}.onnx" for name in recipe.files}
    out = (settings.out or Path(f"{recipe.name}.onnx")).expanduser()
    if out.suffix != ".onnx":
        raise ValueError(f"--out is {str(out)!r}; expected a file name that ends in .onnx")
    if out.parent.resolve() == course.models_dir().resolve():
        raise ValueError(f"{out} would be among the shipped models; --out takes another folder")
    if not out.parent.is_dir() or not os.access(out.parent, os.W_OK):
        raise FileNotFoundError(f"{out.parent} is not a folder that can be written to; --out takes another")
    found = {recipe.name: out}
    if len(recipe.files) > 1:
        found = {name: out.with_stem(f"{out.stem}-{name.rsplit('-', 1)[1]}") for name in recipe.files}
    for path in found.values():
        for there in (path.with_suffix(suffix) for suffix in (".onnx", ".json", ".keras")):
            if there.exists() and not settings.overwrite:
                raise FileExistsError(f"{there} exists already; --overwrite replaces it, --out names another")
    return found
