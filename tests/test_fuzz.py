"""Hundreds of spoilt files at the command line: each costs one line and status 2, or gives a whole result."""

import gzip
import io
import random
import re
import struct
import subprocess
import sys
import time
import zlib

import numpy as np
import pytest
import tifffile
from astropy.io import fits
from pictures import write_picture
from PIL import Image, ImageCms
from tiny_models import random_model

from srutils import cli
from srutils.files.decode import read_picture
from srutils.files.picture import Metadata, Picture
from srutils.upscale.fits_image import is_fits, read_fits

N = 400
SUFFIXES = (".png", ".jpg", ".webp", ".tif", ".bmp", ".avif", ".npy", ".fits", ".fits.gz", ".fits.fz")
SIDES = (100_000, 65_535, 16_384, 2**31 - 1, 2**20)
MEMORY = 400 << 20  # bytes by which the process may grow


# ---------------------------------------------------------------- whole files, a dozen pixels a side
def pillow(image, form, **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def fits_bytes(*hdus):
    file = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(file)
    return file.getvalue()


def npy(array, **options):
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def tiff(array, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, array, **options)
    return file.getvalue()


def whole_files(folder):
    """Whole files by name, at least one of each kind that can be read."""
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 256, (11, 13, 4), dtype=np.uint8)
    rgb, rgba = Image.fromarray(levels[..., :3]), Image.fromarray(levels)
    exif = Image.Exif()
    exif[274], exif[271] = 6, "camera"
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    deep = rng.integers(0, 65536, (11, 13, 4), dtype=np.uint16)
    meta = Metadata(icc, exif.tobytes(), b"<x:xmpmeta/>", (300, 300), [("Title", "noise")])
    write_picture(folder / "deep.png", Picture(deep[..., :3], deep[..., 3:], meta))
    write_picture(folder / "tags.tif", Picture(levels[..., :3], None, meta))
    sky = rng.normal(5, 2, (11, 13)).astype(np.float32)
    header = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CDELT1": 0.1, "CDELT2": 0.1})
    header["CRPIX1"], header["BUNIT"] = 3.5, "adu"
    integers = fits.PrimaryHDU((sky * 10).astype(np.int16))
    integers.header["BLANK"] = 30
    extensions = [fits.PrimaryHDU(), fits.ImageHDU(sky, header, name="SCI"), fits.ImageHDU(sky, name="ERR")]
    plane = fits_bytes(fits.PrimaryHDU(sky, header))
    return {
        "rgb.png": pillow(rgb, "PNG", icc_profile=icc),
        "rgba.png": pillow(rgba, "PNG"),
        "palette.png": pillow(rgb.quantize(8), "PNG", transparency=3),
        "bits.png": pillow(Image.fromarray(levels[..., 0] > 99), "PNG"),
        "deep.png": (folder / "deep.png").read_bytes(),
        "photo.jpg": pillow(rgb, "JPEG", exif=exif),
        "cmyk.jpg": pillow(Image.merge("CMYK", rgba.split()), "JPEG"),
        "lossy.webp": pillow(rgb, "WEBP", exif=exif),
        "lossless.webp": pillow(rgba, "WEBP", lossless=True),
        "lzw.tif": pillow(rgb, "TIFF", compression="tiff_lzw"),
        "deep.tif": tiff(deep, photometric="rgb", extrasamples=["unassalpha"], compression="zlib"),
        "lzw16.tif": tiff(deep[..., 0], compression="lzw", predictor=True, rowsperstrip=4),
        "tiles.tif": tiff(deep[..., :3], photometric="rgb", compression="zstd", tile=(16, 16)),
        "tags.tif": (folder / "tags.tif").read_bytes(),
        "float.tif": tiff(sky),
        "photo.avif": pillow(rgb, "AVIF", exif=exif),
        "a.bmp": pillow(rgb, "BMP"),
        "float.npy": npy(sky),
        "levels.npy": npy(np.moveaxis(levels[..., :3], -1, 0)),
        "plane.fits": plane,
        "integers.fits": fits_bytes(integers),
        "cube.fits": fits_bytes(fits.PrimaryHDU(np.stack([sky, sky]).astype(np.float64))),
        "extensions.fits": fits_bytes(*extensions),
        "packed.fits.gz": gzip.compress(plane, mtime=0),
        "tiles.fits.fz": fits_bytes(fits.PrimaryHDU(), fits.CompImageHDU(sky, header)),
    }


# ---------------------------------------------------------------- what is done to them
def suffix_of(name):
    return name[name.index(".") :]


def truncated(rng, name, data):
    return suffix_of(name), data[: rng.randrange(len(data))]


def flipped(rng, name, data):
    data = bytearray(data)
    head = 1600 if ".fits" in name else 300  # headers are the tender part
    head = min(len(data), len(data) if rng.random() < 0.5 else head)
    for _ in range(rng.choice([1, 2, 5, 20])):
        data[rng.randrange(head)] ^= 1 << rng.randrange(8)
    return suffix_of(name), bytes(data)


def renamed(rng, name, data):
    return rng.choice([s for s in SUFFIXES if s != suffix_of(name)]), data


def noise(rng, name, data):
    """Random bytes, half of them behind the beginning of a whole file."""
    keep = rng.choice([0, 4, 16, 64])
    return suffix_of(name), data[:keep] + rng.randbytes(rng.choice([0, 1, 50, 3000]))


def huge(rng, name, data):
    """A header that promises more pixels than there can be."""
    w, h = rng.choice(SIDES), rng.choice(SIDES)
    suffix = suffix_of(name)
    if suffix == ".png":
        ihdr = b"IHDR" + struct.pack(">II", w, h) + data[24:29]
        data = data[:12] + ihdr + struct.pack(">I", zlib.crc32(ihdr)) + data[33:]
    elif suffix == ".bmp":
        data = data[:18] + struct.pack("<ii", w, h) + data[26:]
    elif suffix == ".jpg":
        i = re.search(rb"\xff[\xc0\xc2]\x00", data).start()
        data = data[: i + 5] + struct.pack(">HH", min(h, 65_535), min(w, 65_535)) + data[i + 9 :]
    elif suffix == ".webp":
        i = data.find(b"VP8L")
        size = struct.pack("<I", 16_383 | 16_383 << 14)
        if i >= 0:
            data = data[: i + 9] + size + data[i + 13 :]
        else:
            i = data.find(b"VP8 ")
            data = data[: i + 14] + struct.pack("<HH", 16_383, 16_383) + data[i + 18 :]
    elif suffix == ".tif":
        first = struct.unpack_from("<I", data, 4)[0]
        entry = {tag: data.find(struct.pack("<H", tag), first) for tag in (256, 257)}
        for tag, side in ((256, w), (257, h)):
            new = struct.pack("<HHII", tag, 4, 1, side)
            data = data[: entry[tag]] + new + data[entry[tag] + 12 :]
    elif suffix == ".avif":
        i = data.find(b"ispe")
        data = data[: i + 8] + struct.pack(">II", w, h) + data[i + 16 :]
    elif suffix == ".npy":
        file = io.BytesIO()
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (h, w)})
        data = file.getvalue() + data[128:]
    else:
        plain = gzip.decompress(data) if suffix.endswith("gz") else data
        for axis, side in ((1, w), (2, h)):
            card = re.compile(rb"(Z?NAXIS%d *= *)(\d+)" % axis)
            plain = card.sub(lambda m, n=side: (m[1].rstrip() + b" %d" % n).ljust(len(m[0])), plain)
        data = gzip.compress(plain, mtime=0) if suffix.endswith("gz") else plain
    return suffix, data


def strange_values(rng, name, data):
    """Arrays with NaN, infinities, the ends of a type, odd types and odd shapes."""
    numbers = np.random.default_rng(rng.randrange(2**32))
    kind = rng.choice(["f2", "f4", "f8", "i4", "i8", "u1", "u2", "c8", "?", "U3", "O"])
    shapes = [(5, 6), (1, 7), (4, 5, 3), (3, 4, 5), (1, 1), (0, 3), (5,), (2, 3, 4, 3)]
    values = numbers.normal(size=rng.choice(shapes)) * 10 ** rng.uniform(-30, 37)
    with np.errstate(all="ignore"):
        array = values.astype(kind)
        if array.dtype.kind == "f" and array.size:
            for special in rng.sample([np.nan, np.inf, -np.inf, 3e38, -3e38, 1e300, 1e-40], 3):
                array.flat[rng.randrange(array.size)] = special
            if rng.random() < 0.2:
                array[:] = rng.choice([np.nan, np.inf, 0, -1e30, 3.4e38])
    if array.dtype.kind not in "fiu" or rng.random() < 0.4:
        return ".npy", npy(array)
    if array.dtype.kind == "f" and array.dtype != np.float16 and rng.random() < 0.6:
        return ".fits", fits_bytes(fits.PrimaryHDU(array))
    array = np.atleast_2d(array) if array.size else np.zeros((1, 1), array.dtype)
    return ".tif", tiff(array, photometric="rgb" if array.ndim > 2 and array.shape[-1] == 3 else "minisblack")


WAYS = (truncated, flipped, flipped, flipped, renamed, noise, huge, strange_values, truncated, flipped)


@pytest.fixture
def files(tmp_path):
    return whole_files(tmp_path)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "results").mkdir()
    return tmp_path


def spoilt(files, n, seed):
    """`n` files, as (how, suffix, bytes)."""
    rng = random.Random(seed)
    for i in range(n):
        way, name = WAYS[i % len(WAYS)], rng.choice(sorted(files))
        yield f"{i}: {way.__name__} {name}", *way(rng, name, files[name])


def target_for(rng, source, folder):
    if is_fits(source):
        return folder / "results" / f"out{rng.choice(['.fits', '.fits.gz'])}"
    return folder / "results" / f"out{rng.choice(['.png', '.tif', '.npy', '.jpg', '.webp'])}"


def check(status, out, err, source, target):
    """Either a complaint and nothing else, or a whole result of twice the size."""
    left = [p.name for p in target.parent.iterdir()]
    lines = err.splitlines()
    assert "Traceback" not in err and all(line.startswith("srutils: ") for line in lines), err
    if status == 2:
        assert out == "" and len(lines) == 1 and left == [], (out, err, left)
        return
    assert status == 0 and left == [target.name], (status, err, left)
    if is_fits(target):
        assert read_fits(target).data.shape[-1] == 2 * read_fits(source).data.shape[-1]
    else:
        height, width = read_picture(source).pixels.shape[:2]
        if target.suffix == ".npy":
            assert np.load(target).size in (4 * height * width, 12 * height * width)
        else:
            assert read_picture(target).pixels.shape[:2] == (2 * height, 2 * width)
    target.unlink()


def peak_memory():
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def test_hundreds_of_spoilt_files(files, folder, capfd):
    network = str(random_model(folder))
    rng, done = random.Random(1), 0
    before = peak_memory()
    for i, (how, suffix, data) in enumerate(spoilt(files, N, seed=0)):
        source = folder / f"in{suffix}"
        source.write_bytes(data)
        target = target_for(rng, source, folder)
        model = ["--model", network] if i % 4 == 0 else ["--model", "bicubic", "--scale", "2"]
        began = time.process_time()
        with pytest.raises(SystemExit) as stop:
            cli.main(["upscale", str(source), str(target), *model])
        seconds = time.process_time() - began
        try:
            check(stop.value.code, *capfd.readouterr(), source, target)
        except Exception as error:
            raise AssertionError(f"{how} {suffix} to {target.name}: {error}") from error
        assert seconds < 10, how
        done += stop.value.code == 0
        source.unlink()
    assert N / 20 < done < N / 2  # most are refused; harmless damage is not
    assert peak_memory() - before < MEMORY


def test_ten_spoilt_files_in_processes_of_their_own(files, folder):
    rng = random.Random(2)
    for _, suffix, data in spoilt(files, 10, seed=3):
        source = folder / f"in{suffix}"
        source.write_bytes(data)
        target = target_for(rng, source, folder)
        command = [sys.executable, "-m", "srutils", "upscale", source, target, "--model", "bicubic"]
        done = subprocess.run([*command, "--scale", "2"], capture_output=True, text=True, timeout=300)
        check(done.returncode, done.stdout, done.stderr, source, target)


def test_a_folder_of_spoilt_files(files, folder, capfd):
    (folder / "in").mkdir()
    for i, (_, suffix, data) in enumerate(spoilt(files, 40, seed=4)):
        (folder / "in" / f"{i}{suffix}").write_bytes(data)
    with pytest.raises(SystemExit) as stop:
        cli.main(["upscale", str(folder / "in"), str(folder / "out"), "--model", "bicubic", "--scale", "2"])
    out, err = capfd.readouterr()
    done, skipped, failed = (int(n) for n in re.findall(r"(\d+) (?:done|skipped|failed)", out))
    assert stop.value.code == 2 and done + failed == 40 and skipped == 0 and done > 0
    assert len([line for line in err.splitlines() if str(folder / "in") in line]) == failed
    assert len(list((folder / "out").iterdir())) == done


def test_a_file_that_is_whole_passes_the_check(files, folder, capfd):
    """What the fuzz takes for whole is enlarged, so its refusals are due to the damage."""
    for name, data in files.items():
        source = folder / f"in{suffix_of(name)}"
        source.write_bytes(data)
        target = folder / "results" / ("out.fits" if is_fits(source) else "out.tif")
        with pytest.raises(SystemExit) as stop:
            cli.main(["upscale", str(source), str(target), "--model", "bicubic", "--scale", "2"])
        assert stop.value.code == 0, name
        check(0, *capfd.readouterr(), source, target)
