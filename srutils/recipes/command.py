"""The command ``srutils train``: its options, and what they hand over."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from srutils.recipes.settings import Settings


def train(
    recipe: Annotated[str | None, typer.Argument(help="Its name, see --list.")] = None,
    show: Annotated[bool, typer.Option("--list", help="What can be trained, of what, in how long.")] = False,
    data: Annotated[Path | None, typer.Option(help="Your own folder instead of the recipe's data.")] = None,
    start: Annotated[
        str | None, typer.Option("--from", help="Weights to start from: a model's name, or a file.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="How many steps to take.")] = None,
    minutes: Annotated[float | None, typer.Option(help="How long to train, instead of --steps.")] = None,
    out: Annotated[Path | None, typer.Option(help="The model file to write (./RECIPE.onnx).")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Do not go on from this run's checkpoint.")] = False,
    seed: Annotated[int, typer.Option(help="Of the first weights, the patches and the split.")] = 0,
    tracker: Annotated[str | None, typer.Option(help="wandb or tensorboard.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")] = None,
    precision: Annotated[str | None, typer.Option(help="auto, no (float32), bf16 or fp16.")] = None,
    batch: Annotated[int | None, typer.Option(help="Images, or patches, a step.")] = None,
    patch: Annotated[int | None, typer.Option(help="Side of a patch, in LR pixels.")] = None,
    arch: Annotated[str | None, typer.Option(help="Classifier: compact or inception-resnet-v2.")] = None,
    classes: Annotated[
        str | None, typer.Option(help="Classifier: your folders' names, as no_sub=no_substructure,...")
    ] = None,
    ship: Annotated[bool, typer.Option("--ship", help="Write data/models (for maintainers).")] = False,
) -> int:
    """Train a model as the course's was, or on your own data; it goes on where it was interrupted.

    It ends in RECIPE.onnx and its card, which `upscale` and `evaluate` take, in the current folder.
    """
    from srutils.recipes import register

    if show or recipe is None:
        print(register.table(), end="")
        return 0
    given = {name: value for name, value in locals().items() if name in Settings.__dataclass_fields__}
    settings = Settings(**given | {"data": data and data.expanduser()})
    try:
        register.train(settings)
    except ImportError as error:
        extra = {"PyTorch": "torch,lens", "Keras": "tf,lens"}[register.find(recipe).framework]
        raise ValueError(f"{error}; pip install 'srutils[{extra}]' brings what this recipe needs") from None
    except KeyboardInterrupt as error:
        said = str(error) or "stopped; the same command goes on from the last checkpoint"
        print(f"srutils: {said}", file=sys.stderr)
        return 130
    return 0
