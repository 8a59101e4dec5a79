"""The loop of the PyTorch recipes: Accelerate, averaged weights, and checkpoints that resume bit for bit."""

from __future__ import annotations

import copy
import os
import shutil
import sys
import time
from collections.abc import Callable

from srutils.recipes.settings import Settings

WARM, REST = 300, 0.2  # steps in which the rate climbs; the part of a run in which it falls


def rate_factor(step: int, steps: int) -> float:
    """Return what a learning rate is multiplied by: it climbs, stays at 1, and falls to 0 along a line."""
    climb, fall = max(1, min(WARM, steps // 5)), max(1, round(REST * steps))
    return min(1.0, (step + 1) / climb, (steps - step) / fall)


def precision_for(settings: Settings, recipe) -> str:
    """Return "no" (float32), "bf16" or "fp16": what was asked for, else what suits recipe and machine.

    Raises
    ------
    ValueError
        This machine does not compute with it.
    """
    import torch

    launched = os.environ.get("ACCELERATE_MIXED_PRECISION", "no")  # of `accelerate launch`
    asked = settings.precision or (launched if launched != "no" else recipe.options.get("precision", "auto"))
    gpu = torch.cuda.is_available() and settings.device != "cpu"
    if asked == "fp16" and not gpu:
        raise ValueError("--precision fp16 needs a GPU; bf16 and no work everywhere")
    if asked != "auto":
        return asked
    able = getattr(torch.cpu, "get_capabilities", dict)()  # older PyTorch cannot tell
    able = torch.cuda.is_bf16_supported() if gpu else able.get("avx512_bf16") or able.get("amx_bf16")
    return "bf16" if able else "no"


def to_torch(images, device="cpu"):
    """Turn (N, H, W, C) into (N, C, H, W): a view, so the channels of a pixel stay side by side in memory."""
    import torch

    return torch.from_numpy(images).permute(0, 3, 1, 2).to(device)


class Trainer:
    """The networks of one run, their optimisers and their averages: all are saved together.

    Parameters
    ----------
    run : Run
    precision : {"no", "bf16", "fp16"}
    generator : nn.Module
        From LR to SR; if its batches have several scales, it is called with the scale, too.
    rates : sequence of float
        Learning rate of the generator, and of the discriminator if there is one.
    clip : float
        The generator's gradient is shortened where it is longer.
    discriminator : nn.Module, optional

    Attributes
    ----------
    average : nn.Module
        The generator with a moving average of its weights over about the last twelfth of the run: it is less
        noisy than the last weights, and it is what is scored and written.
    step : int
        Steps taken.
    """

    def __init__(self, run, precision, generator, rates, *, clip=0.1, discriminator=None, scales=False):
        import torch
        from accelerate import Accelerator, DistributedDataParallelKwargs
        from accelerate.state import AcceleratorState

        AcceleratorState._reset_state()  # a run before, in this process, may have had another precision
        device = run.settings.device or "auto"
        if device == "cuda" and not torch.cuda.is_available():
            raise ValueError("--device is cuda, and PyTorch finds no such GPU here")
        spare = DistributedDataParallelKwargs(find_unused_parameters=scales)  # the other scales' tails
        options = {"mixed_precision": precision, "cpu": device == "cpu", "kwargs_handlers": [spare]}
        self.accelerator = Accelerator(**options)
        self.run, self.rates, self.clip, self.step = run, rates, clip, 0
        self.sums, self.counted, self.elapsed = {}, 0, 0.0
        self.momentum = 0.9 if discriminator is None else 0.5  # with 0.9 two adversaries would swing
        self.optimisers = []
        generator = generator.to(self.accelerator.device)
        self._average = torch.optim.swa_utils.AveragedModel(generator, multi_avg_fn=self._blend)
        self.generator = self._prepare(generator)
        self.discriminator = None if discriminator is None else self._prepare(discriminator)
        self.accelerator.register_for_checkpointing(self._average, self)

    def _prepare(self, network):
        import torch

        network = network.to(self.accelerator.device, memory_format=torch.channels_last)
        adam = torch.optim.Adam(network.parameters(), betas=(self.momentum, 0.99))
        network, adam = self.accelerator.prepare(network, adam)
        self.optimisers.append(adam)
        return network

    def _blend(self, averages, weights, n):
        """Move the averages towards the weights: quickly at first, then over a twelfth of the run."""
        import torch

        n = int(n)
        keep = min(1 - 12 / max(self.run.steps or 0, 24), (n + 2) / (n + 11))
        torch._foreach_lerp_(averages, weights, 1 - keep)

    @property
    def average(self):
        return self._average.module

    def bare(self, network):
        """Return a network without what Accelerate wrapped around it."""
        return self.accelerator.unwrap_model(network)

    def state_dict(self) -> dict:
        sums = {key: float(value) for key, value in self.sums.items()}
        return {"step": self.step, "sums": sums, "counted": self.counted, "elapsed": self.elapsed}

    def load_state_dict(self, state: dict) -> None:
        self.step, self.sums = state["step"], dict(state["sums"])
        self.counted, self.elapsed = state["counted"], state["elapsed"]

    # ------------------------------------------------------------ checkpoints
    def save(self) -> None:
        """Write everything aside, rename it, and remove the one before: a kill leaves the last whole one."""
        folder, main = self.run.folder, self.accelerator.is_main_process
        if main:
            shutil.rmtree(folder / "next", ignore_errors=True)
        self.accelerator.wait_for_everyone()
        self.accelerator.save_state(str(folder / "next"))
        self.accelerator.wait_for_everyone()
        if main:
            old = list(folder.glob("step-*"))
            os.replace(folder / "next", folder / f"step-{self.step:09d}")
            for path in old:
                shutil.rmtree(path)
        self.accelerator.wait_for_everyone()  # nobody looks for the folder before it has its name

    def load(self) -> None:
        """Go back to the last whole checkpoint, if there is one."""
        self.accelerator.wait_for_everyone()
        if whole := sorted(self.run.folder.glob("step-*")):
            self.accelerator.load_state(str(whole[-1]))

    # ------------------------------------------------------------ steps
    def descend(self, network, optimiser, loss, limit: float) -> None:
        """Take one step of Adam down the gradient, which is shortened where it is longer than `limit`."""
        optimiser.zero_grad()
        self.accelerator.backward(loss)
        self.accelerator.clip_grad_norm_(network.parameters(), limit)
        optimiser.step()

    def take(self, update: Callable, batch) -> None:
        """Take one step of ``update(trainer, lr, hr)``, which returns what is to be recorded."""
        steps, device = self.run.steps or 10**9, self.accelerator.device
        for optimiser, rate in zip(self.optimisers, self.rates, strict=True):
            for group in optimiser.param_groups:
                group["lr"] = rate * rate_factor(self.step, steps)
        mine = slice(self.accelerator.process_index, None, self.accelerator.num_processes)
        figures = update(self, *(to_torch(images[mine], device) for images in batch))
        self._average.update_parameters(self.bare(self.generator))
        self.sums = {key: self.sums.get(key, 0) + value.detach() for key, value in figures.items()}
        self.step, self.counted = self.step + 1, self.counted + 1

    def train(self, feed, update: Callable, validate: Callable) -> None:
        """Take the run's remaining steps; keep a record and a checkpoint at every tenth of them at least.

        Parameters
        ----------
        feed : Feed
        update : callable
            ``update(trainer, lr, hr)`` takes one step of each network.
        validate : callable
            From the averaged network to figures for the record, ``val_psnr`` among them.
        """
        from tqdm import tqdm

        run = self.run
        if feed.size % self.accelerator.num_processes:
            n = self.accelerator.num_processes
            raise ValueError(f"{n} processes cannot share a batch of {feed.size} evenly")
        self.load()
        self._plan(feed, update, validate)
        run.resume(self.step)
        feed.start, every = self.step, max(1, min(250, run.steps // 10))
        batches, began = iter(feed), time.perf_counter() - self.elapsed
        shown = {"total": run.steps, "initial": self.step, "desc": run.recipe.name, "file": sys.stderr}
        shown["disable"] = None if self.accelerator.is_main_process else True
        with run.interruptible() as asked, tqdm(**shown) as bar:
            while self.step < run.steps:
                self.take(update, next(batches))
                bar.update()
                self.elapsed = time.perf_counter() - began
                if self.step % every == 0 or self.step == run.steps:
                    self._record(validate, bar)
                    self.save()
                    began = time.perf_counter() - self.elapsed
                if asked.is_set():
                    self._stop()
        batches.close()

    def _agree(self, value):
        from accelerate.utils import broadcast_object_list

        return broadcast_object_list([value])[0]

    def _plan(self, feed, update, validate) -> None:
        """Let the run decide its steps; where it has to measure, forget what the measurement did."""
        if self.run.steps is not None:
            return
        folder, batches, began = self.run.folder / "trial", iter(feed), time.perf_counter()
        self.accelerator.save_state(str(folder))
        validate(self.average)
        pauses = 11 * (time.perf_counter() - began)  # `train` makes ten or eleven
        self.run.plan(lambda n: [self.take(update, next(batches)) for _ in range(n)], self._agree, pauses)
        batches.close()
        self.accelerator.wait_for_everyone()
        self.accelerator.load_state(str(folder))
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            shutil.rmtree(folder)

    def _record(self, validate, bar) -> None:
        began = time.perf_counter()
        row = {"step": self.step} | {key: float(self._mean(value)) for key, value in self.sums.items()}
        if self.accelerator.is_main_process:
            row |= validate(self.average)
        row["seconds"] = self.elapsed + time.perf_counter() - began
        row = self._agree(row)
        self.run.record(row)
        self.sums, self.counted, self.elapsed = {}, 0, 0.0
        if self.run.main:
            shown = [f"{key} {row[key]:.4g}" for key in row if key in ("pixel", "loss") or "val" in key]
            bar.write(f"step {self.step} of {self.run.steps}  " + "  ".join(shown), file=sys.stdout)

    def _mean(self, value):
        import torch

        value = torch.as_tensor(float(value), device=self.accelerator.device) / self.counted
        return self.accelerator.reduce(value, "mean")

    def _stop(self) -> None:
        if self.accelerator.num_processes == 1:
            if not (self.run.folder / f"step-{self.step:09d}").is_dir():  # its turn may just have come
                self.save()
            self.run.stopped(self.step)
        last = max((int(p.name[5:]) for p in self.run.folder.glob("step-*")), default=0)
        self.run.stopped(last)  # several processes have no common step at which they could save

    def finished(self):
        """Return the averaged network, on the CPU and ready to be written, once all processes are here."""
        self.accelerator.wait_for_everyone()
        return copy.deepcopy(self.average).to("cpu").eval()

    def facts(self) -> dict:
        """Return what a card says of the framework and the loop."""
        from srutils import course

        torch, accelerate = map(course.version_of, ("torch", "accelerate"))
        return {
            "framework": f"PyTorch {torch}, Accelerate {accelerate}",
            "precision": self.accelerator.mixed_precision.replace("no", "float32"),
            "processes": self.accelerator.num_processes,
            "method": "Adam; rate: warm-up, constant, linear to 0 in the last fifth; weights averaged",
        }

    def close(self) -> None:
        """Let the other processes go."""
        self.accelerator.wait_for_everyone()
        self.accelerator.end_training()
