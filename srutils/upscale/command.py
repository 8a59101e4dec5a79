"""The command ``srutils upscale``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def upscale(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A picture, .npy, FITS file, or a folder.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="The file, or folder, to make.")],
    model: Annotated[
        str | None,
        typer.Option(
            help="See `srutils models`; without it, one that suits the image. Or the path of an .onnx file."
        ),
    ] = None,
    scale: Annotated[
        float | None,
        typer.Option(
            help="How many times larger, 1 to 8, such as 1.5 (FITS: whole numbers); else a network's own."
        ),
    ] = None,
    width: Annotated[int | None, typer.Option(help="Of the result, instead of a scale.")] = None,
    height: Annotated[
        int | None, typer.Option(help="Of the result; together with --width it must fit the proportions.")
    ] = None,
    blend: Annotated[
        float, typer.Option(help="Share of bicubic: 0 is the model alone, 1 bicubic alone.")
    ] = 0.0,
    tile: Annotated[
        int | None,
        typer.Option(help="Side, in pixels, of the squares a network sees; else as memory allows."),
    ] = None,
    engine: Annotated[
        str, typer.Option(help="auto, onnxruntime, openvino, or openvino-bf16, which rounds.")
    ] = "auto",
    ensemble: Annotated[
        bool,
        typer.Option(
            "--ensemble",
            help="Mean of eight flips and turns; their spread is written beside OUT, or into the FITS.",
        ),
    ] = False,
    limits: Annotated[
        str | None,
        typer.Option("--range", metavar="LOW,HIGH", help="FITS, floats: what a network sees as 0 and 1."),
    ] = None,
    hdu: Annotated[str | None, typer.Option(help="Extension of FITS files: 1, SCI, or SCI,2.")] = None,
    values: Annotated[
        str | None,
        typer.Option(help="FITS: amount (shared by smaller pixels) or intensity, whatever BUNIT says."),
    ] = None,
    skip_existing: Annotated[bool, typer.Option("--skip-existing", help="Leave what is there.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
) -> int:
    """Enlarge a picture, an array, a FITS image, or a folder of them, in bounded memory and without seams.

    Without --model, a photograph gets the networks with the best scores, to --scale (4). FITS and one-channel
    arrays of floats get bicubic x2, since the networks for lenses know two simulated telescopes only.
    """
    from srutils.upscale.files import upscale_file, upscale_folder
    from srutils.upscale.messages import messages_on_stderr

    bar = sys.stderr.isatty()
    options = {
        "width": width,
        "height": height,
        "blend": blend,
        "tile": tile,
        "engine": engine,
        "ensemble": ensemble,
        "limits": _two_numbers(limits),
        "hdu": hdu,
        "values": values,
        "progress": bar,
        "overwrite": overwrite,
    }
    if source.is_dir():
        with messages_on_stderr(bar):
            result = upscale_folder(source, target, model, scale, skip=skip_existing, **options)
        for sentence in result["failed"]:
            print("srutils:", " ".join(sentence.split()), file=sys.stderr)
        print(", ".join(f"{len(paths)} {word}" for word, paths in result.items()) + f", in {target}")
        return 2 if result["failed"] else 0
    if skip_existing and target.exists():
        print(f"{target}: skipped, it exists")
        return 0
    with messages_on_stderr(bar):
        report = upscale_file(source, target, model, scale, **options)
    rows, columns = report.size
    print(f"{target}: {columns} x {rows} pixels, {report.model}, {report.seconds:.1f} s")
    if report.uncertainty:
        print(f"uncertainty: {report.uncertainty}")
    return 0


def _two_numbers(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        raise ValueError(f"--range is {text!r}; expected two numbers, such as 0,1") from None
    return low, high
