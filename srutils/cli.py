"""The command line, ``srutils``: upscale, evaluate, scoreboard, train, models, simulate, fetch.

Exit status: 0 on success, 2 on bad usage or input, with one line on stderr that says what came and what was
expected.
"""

from __future__ import annotations

import json
import math
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from srutils.files.atomic import aside
from srutils.recipes.command import train
from srutils.streams import forgiving_streams

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Seed = Annotated[int, typer.Option(help="Which lenses are drawn: the same seed gives the same bytes.")]


@app.callback()
def about() -> None:
    """Image super-resolution on photographs and strong gravitational lenses."""


@app.command()
def upscale(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A picture, .npy, FITS file, or a folder.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="The file, or folder, to make.")],
    model: Annotated[
        str | None, typer.Option(help="Of `srutils models`, or an .onnx file; else one that suits the image.")
    ] = None,
    scale: Annotated[
        float | None, typer.Option(help="How many times larger, 1 to 8 (FITS: whole); else a network's own.")
    ] = None,
    width: Annotated[int | None, typer.Option(help="Of the result, instead of a scale.")] = None,
    height: Annotated[
        int | None, typer.Option(help="Of the result; beside --width it must fit the proportions.")
    ] = None,
    blend: Annotated[float, typer.Option(help="Share of bicubic: 0 (the model alone) to 1.")] = 0.0,
    tile: Annotated[
        int | None, typer.Option(help="Pixels a side that a network sees at once; else as memory allows.")
    ] = None,
    engine: Annotated[
        str, typer.Option(help="auto, onnxruntime, openvino, or openvino-bf16, which rounds.")
    ] = "auto",
    ensemble: Annotated[
        bool, typer.Option("--ensemble", help="Mean of 8 views; writes their spread, a quarter of the error.")
    ] = False,
    samples: Annotated[
        int | None, typer.Option(help="Posterior models: mean of so many that fit; writes their spread, too.")
    ] = None,
    keep_samples: Annotated[
        bool, typer.Option("--keep-samples", help="Write the samples: FITS extension, or OUT_samples.npy.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of the samples: the same seed gives the same ones.")] = 0,
    limits: Annotated[
        str | None, typer.Option("--range", metavar="LOW,HIGH", help="FITS, floats: seen as 0 and 1.")
    ] = None,
    hdu: Annotated[str | None, typer.Option(help="Extension of FITS files: 1, SCI, or SCI,2.")] = None,
    values: Annotated[
        str | None, typer.Option(help="FITS: amount (smaller pixels share it) or intensity; else by BUNIT.")
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
        "samples": samples,
        "keep_samples": keep_samples,
        "seed": seed,
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
            _complain(sentence)
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


@app.command()
def evaluate(
    model: Annotated[
        str, typer.Argument(help="A model's name (see `srutils models`) or the path of a .onnx file.")
    ],
    data: Annotated[
        str, typer.Option(help="deeplense, telescope, or a folder of HR images (classifier: by class).")
    ],
    scale: Annotated[int | None, typer.Option(help="How many times larger; else a network's own.")] = None,
    n: Annotated[
        int | None, typer.Option(help="Number of lenses (300; 1500 for a classifier), or of files (all).")
    ] = None,
    seed: Seed = 0,
    protocol: Annotated[
        str | None, typer.Option(help="Photographs: luma or rgb8; each kind of model has its own.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Score an upscaler on test images, beside bicubic on the same images; or a classifier of lenses."""
    from srutils.model_files.cards import draws_samples, is_classifier
    from srutils.scoring import classifiers, posterior, upscalers

    if is_classifier(model):
        if (scale, protocol) != (None, None):
            raise ValueError(f"{model} tells classes of lenses apart; it has neither a scale nor a protocol")
        result, table = classifiers.evaluate(model, data, n, seed), _classes_table
    elif draws_samples(model):
        result = posterior.evaluate(model, data, scale, n=n, seed=seed, protocol=protocol)
        table = posterior.table
    else:
        result = upscalers.evaluate(model, data, scale, n=n, seed=seed, protocol=protocol)
        table = _upscaler_table
    print(json.dumps(_strict(result)) if as_json else table(result).rstrip())


def _upscaler_table(result: dict) -> str:
    judged = result["lpips"] is not None
    lines = [
        f"{result['n']} images of {result['data']}, x{result['scale']}",
        f"{'':24}{'PSNR [dB]':>16}{'SSIM':>18}{'MSE':>11}" + f"{'LPIPS':>9}" * judged,
    ]
    for name, row in {result["model"]: result, result["bicubic"]["method"]: result["bicubic"]}.items():
        psnr = f"{row['psnr']:.2f} ± {row['psnr_std']:.2f}"
        ssim = f"{row['ssim']:.4f} ± {row['ssim_std']:.4f}"
        lpips = f"{row['lpips']:9.4f}" if judged else ""
        lines.append(f"{name:24}{psnr:>16}{ssim:>18}{row['mse']:>11.2e}{lpips}")
    return "\n".join(lines)


def _classes_table(result: dict) -> str:
    lines = [f"{result['n']} images of {result['data']}; {100 * result['accuracy']:.1f} % right"]
    for name, value in {"mean of the three": result["auc_macro"], **result["auc"]}.items():
        lines.append(f"{name:20} AUC {value:.4f}")
    return "\n".join(lines)


@app.command()
def scoreboard(
    data: Annotated[
        list[str] | None, typer.Option(help="deeplense, telescope, photos, or a folder; repeatable (all).")
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="An upscaler's name or an .onnx file; repeatable (all).")
    ] = None,
    scale: Annotated[int | None, typer.Option(help="Only this one.")] = None,
    n: Annotated[int | None, typer.Option(help="Lenses (300), or photographs (all), a test set.")] = None,
    seed: Seed = 0,
    cost: Annotated[bool, typer.Option(help="Measure speed and memory as well.")] = True,
    out: Annotated[Path | None, typer.Option(help="Write the table to this new file.")] = None,
    as_json: Json = False,
) -> None:
    """Score every upscaler on every test set that it fits: one Markdown table for each."""
    from srutils.scoring.table import markdown
    from srutils.scoring.table import scoreboard as build

    if out is not None and (out.exists() or not out.parent.is_dir()):  # said before the work, not after it
        raise FileExistsError(f"{out} exists already, or its folder does not; expected a new file")
    rows = build(data, model, scale=scale, n=n, seed=seed, costs=cost, progress=True)
    text = json.dumps([_strict(row) for row in rows]) + "\n" if as_json else markdown(rows)
    if out is None:
        print(text, end="")
        return
    with aside(out) as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(f"{len(rows)} rows in {out}")


def _strict(value):
    """Infinity (the PSNR of equal images) and NaN as None: JSON has no numbers for them."""
    if isinstance(value, dict):
        return {key: _strict(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


app.command()(train)


@app.command()
def models(as_json: Json = False) -> None:
    """List what can enlarge an image or classify one, what each is for, and how well it does."""
    from srutils.scoring import models

    print(json.dumps(models.entries()) if as_json else models.table().rstrip())


@app.command()
def simulate(
    n: Annotated[int, typer.Option(help="Number of lenses.")],
    out: Annotated[Path, typer.Option(help="Folder to make; it must not hold anything yet.")],
    track: Annotated[str, typer.Option(help="telescope or deeplense.")] = "telescope",
    classes: Annotated[str | None, typer.Option(help="Such as no_substructure,subhalo,vortex.")] = None,
    scale: Annotated[int, typer.Option(help="2 or 4 (deeplense: 2).")] = 2,
    seed: Seed = 0,
) -> None:
    """Simulate strong lenses, laid out as the DeepLense files: HR/, LR/ and truth/, each sampleN.npy."""
    from srutils.lensing.folders import save_pairs
    from srutils.lensing.simulator import simulate as run

    if out.exists() and (not out.is_dir() or any(out.iterdir())):  # said before the work, not after it
        raise FileExistsError(f"{out} exists already; expected a new or an empty folder")
    names = [name.strip() for name in classes.split(",")] if classes else None
    save_pairs(run(track, n, scale=scale, classes=names, seed=seed, progress=True), out)
    print(f"{n} lenses in {out}")


@app.command()
def fetch(
    dataset: Annotated[str | None, typer.Argument(help="Its name; without one, the list.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the data set's own folder (the cache).")
    ] = None,
    source: Annotated[
        Path | None, typer.Option("--from", help="An archive or a folder that you have; nothing is fetched.")
    ] = None,
) -> None:
    """Download a public data set: resumed where it broke off, verified before it is used."""
    from srutils.fetch.dataset import fetch_dataset, overview

    if dataset is None:
        if source is not None:
            raise ValueError(f"{source} may be one of several data sets; name the one that it is")
        print(overview(out))
        return
    print(fetch_dataset(dataset, out, source))


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    main_thread = threading.current_thread() is threading.main_thread()
    if main_thread and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        # a batch queue's end is as clean as Ctrl-C
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with forgiving_streams() as output:
        status = _run(arguments)
        output.flush()
        if output.failure:
            status = _complain(f"cannot print: {output.failure.strerror}")
    sys.exit(status)


def _run(arguments: list[str]) -> int:
    """Do what the arguments say; return the exit status, with one line on stderr if it is 2."""
    try:
        status = app(arguments or ["--help"], prog_name="srutils", standalone_mode=False)
    except ImportError as error:
        return _complain(f"{error}; pip install 'srutils[lens]' brings what lens simulations need")
    except (ValueError, OSError) as error:
        return _complain(error)
    except (KeyboardInterrupt, typer.Abort):  # some versions of Typer turn the first into the second
        return 130
    except Exception as error:
        # not one of the parser's own: a bug, and it should look like one
        if not hasattr(error, "format_message"):
            raise
        return _complain(error.format_message())
    return status if isinstance(status, int) else 0


def _complain(error: Exception | str) -> int:
    print("srutils:", " ".join(str(error).split()), file=sys.stderr)
    return 2
