"""A training step of SRResNet by its recipe, and of SRCNN, against plain loops over the same networks."""

from __future__ import annotations

import itertools
import os
import statistics
from dataclasses import replace

import numpy as np

from tools.bench.race import Row, race

ABOUT = (
    "**Training step**: forward, backward, update. The recipe's way is Accelerate, channels last, bfloat16 "
    "where the hardware computes with it, and averaged weights; the plain loop is NCHW in float32, without "
    "the average. Both cut the gradient and use Adam. Lesson 03's is Keras with bfloat16 numbers, as in the "
    "full runs on photographs, against the same in float32. All losses are compared. A step counts as three "
    "forward passes where the remarks give its share of a matrix product's speed."
)
RATE, SHORTEN = 5e-4, 0.1  # of Adam; to what length the gradient is cut
ROUNDING = {"no": 1e-4, "bf16": 0.02, "fp16": 0.02}  # by how much the two losses may differ


def rows(rounds: int = 5) -> list[Row]:
    """Race both networks' steps, at the sizes of their recipes, with 16 blocks in SRResNet."""
    return srresnet_rows(rounds) + srcnn_rows(rounds)


def srresnet_rows(
    rounds: int = 5, precision=None, width=64, blocks=16, batch=16, patch=32, side=2048
) -> list[Row]:
    """Race one training step at x4 on RGB both ways, and the matrix products that are the yardstick.

    Parameters
    ----------
    precision : {"no", "bf16", "fp16"}, optional
        The recipe's own by default.
    width, blocks, batch, patch : int
        Maps and blocks of the network, patches a step, LR pixels a side.
    side : int
        Rows and columns of the matrices.

    Raises
    ------
    RuntimeError
        If the losses of any step disagree beyond rounding.
    """
    import torch

    from srutils import course, pairs
    from srutils.networks.srresnet import SRResNet

    torch.manual_seed(0)
    network = SRResNet(4, 3, width, blocks)
    hr = pairs.resize(np.random.default_rng(0).random((batch, patch, patch, 3), np.float32), (4 * patch,) * 2)
    lr = pairs.resize(hr, (patch, patch))
    work = 3 * forward_flops(network, lr)
    plain = plain_step(network, lr, hr, course.device())  # it copies the network
    ours, precision = recipe_step(network, lr, hr, precision)
    used = {"no": "float32", "bf16": "bfloat16", "fp16": "float16"}[precision]
    products = {name: (2e-9 * side**3, matmul(side, getattr(torch, name))) for name in ("float32", used)}
    yardstick = race(f"product of {side} x {side} matrices", "GFLOP/s", products, rounds)
    what = f"training step of SRResNet x4, {blocks} blocks, {width} maps, {batch} patches of {patch} px"
    steps = race(
        what,
        "patches/s",
        {  # reading the number waits for a GPU
            "PyTorch, plain loop, float32": (batch, lambda: float(plain().detach())),
            f"recipe, {used}": (batch, lambda: float(ours().detach())),
        },
        rounds,
        lambda a, b: abs(b / a - 1),
        {f"recipe, {used}": ROUNDING[precision]},
    )
    return yardstick + [
        replace(step, note=share(step, peak, work / batch))
        for step, peak in zip(steps, (yardstick[0], yardstick[-1]), strict=True)
    ]


def share(step: Row, peak: Row, work: float) -> str:
    """Say what part of a matrix product's best speed a step reaches; `work` is in operations a patch."""
    return f"{statistics.median(step.speeds) * work * 1e-9 / max(peak.speeds):.0%} of a product's speed"


def recipe_step(network, lr, hr, precision=None):
    """Return the recipe's training step, a function that returns the loss, and its precision."""
    from types import SimpleNamespace

    import torch

    from srutils import course
    from srutils.recipes import torch_loop
    from srutils.recipes.register import find
    from srutils.recipes.settings import Settings

    settings = Settings("srresnet-photo-x4", precision=precision, device=course.device())
    precision = torch_loop.precision_for(settings, find(settings.recipe))
    endless = SimpleNamespace(settings=settings, steps=None)
    trainer, losses = torch_loop.Trainer(endless, precision, network, (RATE,), clip=SHORTEN), []

    def update(trainer, lr, hr):
        losses[:] = [torch.nn.functional.l1_loss(trainer.generator(lr), hr)]
        trainer.descend(trainer.generator, trainer.optimisers[0], losses[0], trainer.clip)
        return {"loss": losses[0]}

    def step():
        trainer.take(update, (lr, hr))
        return losses[0]

    return step, precision


def plain_step(network, lr, hr, device):
    """The loop that one would write first, over a copy of the network; a function that returns the loss."""
    import copy

    import torch

    from srutils.recipes.torch_loop import rate_factor

    network, taken = copy.deepcopy(network).to(device), itertools.count()
    adam = torch.optim.Adam(network.parameters(), RATE, betas=(0.9, 0.99))
    lr, hr = (torch.from_numpy(x).permute(0, 3, 1, 2).contiguous() for x in (lr, hr))

    def step():
        adam.param_groups[0]["lr"] = RATE * rate_factor(next(taken), 10**9)  # the recipe's
        adam.zero_grad()
        loss = torch.nn.functional.l1_loss(network(lr.to(device)), hr.to(device))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), SHORTEN)
        adam.step()
        return loss

    return step


def matmul(side, dtype):
    """A product of two square matrices, as a function."""
    import torch

    from srutils import course

    a, b = torch.rand(2, side, side, dtype=dtype, device=course.device())
    return lambda: float((a @ b)[0, 0])


def forward_flops(network, lr) -> int:
    """Floating point operations of one forward pass."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(torch.from_numpy(lr).permute(0, 3, 1, 2))
    return counter.get_total_flops()


def srcnn_rows(rounds: int = 5, batch=16, patch=64) -> list[Row]:
    """Race Keras's step for lesson 03's network in bfloat16 against float32."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    from srutils.networks.srcnn import three_layers
    from srutils.recipes import keras_loop

    rng = np.random.default_rng(0)
    x, y = (rng.random((batch, patch, patch, 1), np.float32) for _ in range(2))
    start, models, before = None, {}, keras.mixed_precision.global_policy()
    for name, policy in (("Keras, float32", "float32"), ("Keras, bfloat16", "mixed_bfloat16")):
        keras.mixed_precision.set_global_policy(policy)
        try:
            models[name] = three_layers()
            adam = keras.optimizers.Adam(keras_loop.cosine(2e-3, 1000))
            models[name].compile(adam, "mse", jit_compile=False)
        finally:
            keras.mixed_precision.set_global_policy(before)
        start = start or models[name].get_weights()
        models[name].set_weights(start)

    def step(model):
        model.reset_metrics()  # else the loss is the mean of all steps so far
        return float(model.train_on_batch(x, y))

    ways = {name: (batch, lambda model=model: step(model)) for name, model in models.items()}
    what = f"training step of SRCNN, {batch} patches of {patch} px"
    limits = {"Keras, bfloat16": ROUNDING["bf16"]}
    return race(what, "patches/s", ways, rounds, lambda a, b: abs(b / a - 1), limits)
