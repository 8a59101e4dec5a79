"""`srutils upscale` on real picture files: how TIFF stores them, and what stands beside the pixels."""

import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from srutils import cli

SOME = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
RNG = np.random.default_rng(5)
RGB = RNG.integers(0, 256, (12, 20, 3), dtype=np.uint8)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><d xmp:Rating="5" tiff:Orientation="1"/></x:xmpmeta>'
SUFFIXES = (".png", ".jpg", ".jfif", ".webp", ".avif", ".tif")
MAKE, MODEL, DATE, COPYRIGHT, EXIF_IFD, GPS_IFD = 271, 272, 306, 33432, 0x8769, 0x8825


def enlarge(source, target):
    """Run the command; return its exit status."""
    with pytest.raises(SystemExit) as stop:
        cli.main(["upscale", str(source), str(target), "--model", "nearest", "--scale", "2", "--overwrite"])
    return stop.value.code or 0


def twice(pixels):
    return pixels.repeat(2, 0).repeat(2, 1)


# ---------------------------------------------------------------- how TIFF stores pixels
@SOME
@given(data=st.data())
def test_a_tiff_of_any_making_is_enlarged_as_tifffile_reads_it(tmp_path, data):
    kind = data.draw(st.sampled_from(["u1", "u2", "f2", "f4", "f8"]), "type")
    channels = data.draw(st.sampled_from([1, 2, 3, 4]), "channels")
    codec = data.draw(st.sampled_from([None, "lzw", "zlib", "zstd", "lzma", "packbits"]), "codec")
    predictor = codec not in (None, "packbits") and data.draw(st.booleans(), "predictor")
    shape = (*data.draw(st.tuples(st.integers(1, 40), st.integers(1, 40)), "size"), channels)
    numbers = np.random.default_rng(data.draw(st.integers(0, 99), "seed"))
    pixels = numbers.random(shape) if kind[0] == "f" else numbers.integers(1, 2 ** (8 * int(kind[1])), shape)
    layout = data.draw(st.sampled_from([{}, {"rowsperstrip": 7}, {"tile": (16, 16)}]), "layout")
    options = layout | {"byteorder": data.draw(st.sampled_from("<>"), "order")}
    options |= {"bigtiff": data.draw(st.booleans(), "big")}
    if channels % 2 == 0:
        options["extrasamples"] = ["unassalpha"]
    kind_of_picture = "rgb" if channels > 2 else "minisblack"
    pixels = pixels[..., 0] if channels == 1 else pixels
    source, target = tmp_path / "a.tif", tmp_path / "b.tif"
    planes = channels > 1 and data.draw(st.booleans(), "planes")
    stored = np.moveaxis(pixels, -1, 0) if planes else pixels
    options |= {"planarconfig": "separate" if planes else "contig"} if channels > 1 else {}
    tifffile.imwrite(
        source,
        stored.astype(kind),
        photometric=kind_of_picture,
        compression=codec,
        predictor=predictor,
        metadata=None,
        **options,
    )
    assert enlarge(source, target) == 0
    expected, made = tifffile.imread(source), tifffile.imread(target)
    expected = np.moveaxis(expected, 0, -1) if planes else expected
    seen = slice(None) if channels % 2 else slice(0, channels - 1)  # alpha is enlarged by bicubic
    assert made.dtype == (np.float32 if kind[0] == "f" else kind)
    np.testing.assert_array_equal(
        made.reshape(*made.shape[:2], -1)[..., seen],
        twice(expected.astype(made.dtype).reshape(*shape)[..., seen]),
    )


@pytest.mark.parametrize("kind", ["u1", "u2", "f4"])
def test_channels_without_a_meaning_are_told(tmp_path, capsys, kind):
    pixels = RNG.integers(0, 256, (12, 20, 5)).astype(kind)
    options = {"photometric": "rgb", "planarconfig": "contig", "extrasamples": ["unassalpha", "unspecified"]}
    tifffile.imwrite(tmp_path / "a.tif", pixels, **options)
    assert enlarge(tmp_path / "a.tif", tmp_path / "b.tif") == 0
    assert capsys.readouterr().err == "srutils: not kept in .tif: 1 more channel\n"


@pytest.mark.parametrize("codec", ["jpegxl", "webp", "jpeg2000"])
def test_a_tiff_that_only_imagecodecs_decodes(tmp_path, codec):
    options = {"webp": {"lossless": True}, "jpegxl": {"lossless": True}, "jpeg2000": {"level": 0}}[codec]
    source = tmp_path / "a.tif"
    tifffile.imwrite(source, RGB, photometric="rgb", compression=codec, compressionargs=options)
    assert enlarge(source, tmp_path / "b.tif") == 0
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "b.tif"), twice(tifffile.imread(source)))


def test_twelve_bits_reach_white(tmp_path):
    """Stored as 12 bits, 4095 is white, as 65535 is in 16."""
    values = np.array([[0, 4095], [2048, 1]], np.uint16)
    head = [(256, 4, 2), (257, 4, 2), (258, 3, 12), (259, 3, 1), (262, 3, 1), (273, 4, 200), (277, 3, 1)]
    head += [(278, 4, 2), (279, 4, 6)]
    file = b"II*\0\x08\0\0\0" + struct.pack("<H", len(head))
    file += b"".join(struct.pack("<HHII", tag, form, 1, value) for tag, form, value in head) + b"\0" * 4
    rows = b"".join(bytes([a >> 4, (a & 15) << 4 | b >> 8, b & 255]) for a, b in values.tolist())
    (tmp_path / "a.tif").write_bytes(file.ljust(200, b"\0") + rows)
    assert enlarge(tmp_path / "a.tif", tmp_path / "b.tif") == 0
    made = tifffile.imread(tmp_path / "b.tif")[::2, ::2]
    assert made.tolist() == [[0, 65535], [2048 * 65535 // 4095, 65535 // 4095]]


def test_without_imagecodecs_the_cure_is_named(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", RGB.astype(np.uint16), photometric="rgb", compression="lzw")
    code = "import sys; sys.modules['imagecodecs'] = None; from srutils import cli; cli.main()"
    command = [sys.executable, "-c", code, "upscale", str(tmp_path / "a.tif"), str(tmp_path / "b.tif")]
    done = subprocess.run([*command, "--model", "nearest"], capture_output=True, text=True)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert "LZW" in done.stderr and "python -m pip install imagecodecs" in done.stderr


@pytest.mark.parametrize("layout", [{"rowsperstrip": 4}, {"tile": (16, 16)}])
@pytest.mark.parametrize("kind", ["u1", "u2", "f4"])
@pytest.mark.parametrize("codec", [None, "zlib", "lzw"])
@pytest.mark.parametrize("spoilt", ["offset", "count", "beyond"])
def test_missing_strips_and_tiles_are_refused(tmp_path, capsys, layout, kind, codec, spoilt):
    """A program that failed while it wrote leaves 0 as a strip's place or length."""
    path, pixels = tmp_path / "a.tif", RNG.integers(1, 256, (40, 40, 3)).astype(kind)
    tifffile.imwrite(path, pixels, photometric="rgb", compression=codec, **layout)
    assert enlarge(path, tmp_path / "whole.tif") == 0
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        tags = file.pages[0].tags
        tag = tags[{"rowsperstrip": 273, "tile": 324}[next(iter(layout))] + 6 * (spoilt == "count")
                   - 5 * (spoilt == "count" and "tile" in layout)]  # fmt: skip
        form = {3: "<H", 4: "<I"}[int(tag.dtype)]
        value = min(len(data) - 1, 2 ** (8 * struct.calcsize(form)) - 1) if spoilt == "beyond" else 0
        struct.pack_into(form, data, tag.valueoffset + struct.calcsize(form), value)
    path.write_bytes(data)
    capsys.readouterr()
    assert enlarge(path, tmp_path / "b.tif") == 2 and not (tmp_path / "b.tif").exists()
    assert capsys.readouterr().err == f"srutils: cannot read {path}: the file is truncated\n"


def test_a_reduced_copy_is_no_second_picture(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(RGB, photometric="rgb")
        file.write(RGB[::2, ::2], photometric="rgb", subfiletype=1)
    assert enlarge(tmp_path / "a.tif", tmp_path / "b.tif") == 0
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "b.tif"), twice(RGB))


# ---------------------------------------------------------------- key colours, from the specification of PNG
def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(samples, depth, *chunks):
    """A grey or RGB PNG of any depth, with chunks before its pixels (ISO/IEC 15948)."""
    height, width, channels = samples.shape
    bits = np.unpackbits(samples.astype(">u2").view(np.uint8).reshape(height, -1, 2), axis=-1)
    rows = np.packbits(bits[..., 16 - depth :].reshape(height, -1), axis=-1)
    header = struct.pack(">IIBBBBB", width, height, depth, 2 if channels == 3 else 0, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    parts = (chunk(b"IHDR", header), *chunks, chunk(b"IDAT", pixels), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize(("depth", "channels"), [(1, 1), (2, 1), (4, 1), (8, 1), (16, 1), (8, 3), (16, 3)])
def test_a_key_colour_becomes_transparent_at_every_depth(tmp_path, depth, channels):
    """Every sample of the left half has the key's value, and none of the right half has."""
    top = 2**depth - 1
    samples = np.full((12, 20, channels), top, np.uint16)
    samples[:, 10:] = RNG.integers(0, top, (12, 10, channels))
    key = chunk(b"tRNS", np.full(channels, top, ">u2").tobytes())
    (tmp_path / "a.png").write_bytes(png(samples, depth, key))
    assert enlarge(tmp_path / "a.png", tmp_path / "b.tif") == 0
    made, full = tifffile.imread(tmp_path / "b.tif"), 65535 if depth == 16 else 255
    assert made.shape == (24, 40, channels + 1) and made.dtype == (np.uint16 if depth == 16 else np.uint8)
    assert (made[:, :14, -1] == 0).all() and (made[:, 26:, -1] == full).all()
    np.testing.assert_array_equal(made[:, 20:, :-1], twice(samples[:, 10:].astype(int)) * full // top)


# ---------------------------------------------------------------- what is damaged beside the pixels
BROKEN = {
    "EXIF (damaged)": chunk(b"eXIf", b"garbage"),
    "PNG chunk iCCP (damaged)": chunk(b"iCCP", b"profile\0\0no deflate"),
    "colour profile (damaged)": chunk(b"iCCP", b"profile\0\0" + zlib.compress(SRGB[:200])),
    "PNG chunk zTXt (damaged)": chunk(b"zTXt", b"Title\0\0no deflate"),
    "PNG chunk tEXt (damaged)": chunk(b"tEXt", b"Title\0noise")[:-1] + b"?",
    "PNG chunk pHYs (damaged)": chunk(b"pHYs", b"12"),
    "PNG chunk caBX": chunk(b"caBX", b"who made it"),
}


@pytest.mark.parametrize("named", BROKEN)
def test_one_bad_chunk_costs_only_itself(tmp_path, capsys, named):
    good = chunk(b"tEXt", b"Author\0me")
    (tmp_path / "a.png").write_bytes(png(RGB, 8, BROKEN[named], good))
    assert enlarge(tmp_path / "a.png", tmp_path / "b.png") == 0
    assert capsys.readouterr().err == f"srutils: not kept in .png: {named}\n"
    with Image.open(tmp_path / "b.png") as made:
        assert made.text == {"Author": "me"}
        np.testing.assert_array_equal(np.asarray(made), twice(RGB))


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_exif_that_is_none_is_left_out(tmp_path, capsys, suffix):
    source = tmp_path / f"a{suffix}"
    Image.fromarray(RGB).save(source, exif=b"Exif\0\0garbage" if suffix != ".webp" else b"garbage")
    assert enlarge(source, tmp_path / "b.png") == 0
    assert capsys.readouterr().err == "srutils: not kept in .png: EXIF (damaged)\n"
    assert "dpi" not in Image.open(tmp_path / "b.png").info  # Pillow invents one here


def test_a_damaged_pixel_chunk_is_refused_whatever_it_is_called(tmp_path):
    data = png(RGB, 8).replace(b"IDAT", b"iDAT")
    (tmp_path / "a.png").write_bytes(data)
    assert enlarge(tmp_path / "a.png", tmp_path / "b.png") == 2


# ---------------------------------------------------------------- what is kept, in every pair of formats
def a_camera_s_exif(orientation=1):
    exif = Image.Exif()
    exif.update({MAKE: "ACME", MODEL: "Camera", DATE: "2020:01:02 03:04:05", COPYRIGHT: "(c) me"})
    exif[274] = orientation
    exif.get_ifd(EXIF_IFD).update({0x9003: "2020:01:02 03:04:05", 0xA002: 20, 0xA003: 12, 0x829A: 0.01})
    exif.get_ifd(GPS_IFD).update({1: "N", 2: (47.0, 3.0, 30.0)})
    return exif


def a_source(folder, suffix, **options):
    """A picture whose top left quarter is white, with all that a camera and an editor write."""
    pixels = np.zeros((12, 20, 3), np.uint8)
    pixels[:6, :10] = 255
    if suffix == ".png":
        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", XMP.decode())
        options["pnginfo"] = info
    path = folder / f"a{suffix}"
    options |= {"exif": options.get("exif", a_camera_s_exif(6)), "icc_profile": SRGB, "xmp": XMP}
    if suffix == ".tif":  # Pillow takes XMP as a tag there
        parts = Image.Exif()
        parts.load(options["exif"].tobytes())  # else Pillow leaves the inner directories out
        parts[700] = options.pop("xmp")
        options["exif"] = parts
    Image.fromarray(pixels).save(path, dpi=(300, 300), **options)
    return path


@pytest.mark.parametrize("to", SUFFIXES)
@pytest.mark.parametrize("source", SUFFIXES)
def test_all_is_kept_from_any_format_to_any_other(tmp_path, capsys, source, to):
    target = tmp_path / f"b{to}"
    assert enlarge(a_source(tmp_path, source), target) == 0
    assert capsys.readouterr().err == ""
    with Image.open(target) as made:
        exif, info = made.getexif(), made.info
        pixels = np.asarray(made.convert("L"))
        assert [exif[tag] for tag in (MAKE, MODEL, DATE)] == ["ACME", "Camera", "2020:01:02 03:04:05"]
        assert exif[COPYRIGHT] == "(c) me" and exif.get(274, 1) == 1
        inner = exif.get_ifd(EXIF_IFD)
        assert inner[0x9003] == "2020:01:02 03:04:05" and float(inner[0x829A]) == 0.01
        assert exif.get_ifd(GPS_IFD)[2] == (47.0, 3.0, 30.0)
        assert (inner[0xA002], inner[0xA003]) == made.size == (24, 40)
        assert info["icc_profile"] == SRGB and b'xmp:Rating="5"' in info["xmp"]
        if source != ".webp" and source != ".avif":  # Pillow does not write their density
            dpi = info.get("dpi") or (exif[282], exif[283])
            np.testing.assert_allclose([float(side) for side in dpi], 300, atol=0.01)
        assert pixels[:20, 12:].min() > 230 and pixels[22:].max() < 25 and pixels[:, :10].max() < 25


@pytest.mark.parametrize("to", [".png", ".tif"])
def test_sixteen_bits_keep_all_too(tmp_path, capsys, to):
    assert enlarge(a_source(tmp_path, ".png"), tmp_path / "b.tif") == 0
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        tags = file.pages[0].tags
        assert tags["Make"].value == "ACME" and tags["ExifTag"].value["DateTimeOriginal"][:4] == "2020"
    chunks = [chunk(b"eXIf", a_camera_s_exif().tobytes()[6:]), chunk(b"tEXt", b"Title\0noise")]
    chunks.append(chunk(b"pHYs", struct.pack(">IIB", 11811, 5906, 1)))
    deep = png(RGB.astype(np.uint16) * 257, 16, *chunks)
    (tmp_path / "deep.png").write_bytes(deep)
    assert enlarge(tmp_path / "deep.png", tmp_path / f"c{to}") == 0
    with Image.open(tmp_path / f"c{to}") as made:
        assert made.getexif()[MAKE] == "ACME"
        np.testing.assert_allclose([float(side) for side in made.info["dpi"]], (300, 150), atol=0.02)
        assert made.info.get("Title") == ("noise" if to == ".png" else None)
    assert capsys.readouterr().err == ("" if to == ".png" else "srutils: not kept in .tif: text (Title)\n")


PARTS = {
    "EXIF": (chunk(b"eXIf", a_camera_s_exif().tobytes()[6:]), lambda im: im.getexif().get(MAKE) == "ACME"),
    "profile": (
        chunk(b"iCCP", b"s\0\0" + zlib.compress(SRGB)),
        lambda im: im.info.get("icc_profile") == SRGB,
    ),
    "XMP": (
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP),
        lambda im: b"Rating" in im.info.get("xmp", b""),
    ),
    "density": (
        chunk(b"pHYs", struct.pack(">IIB", 11811, 11811, 1)),
        lambda im: 299 < float((im.info.get("dpi") or [im.getexif().get(282, 0)])[0]) < 301,
    ),
    "Title": (chunk(b"tEXt", b"Title\0noise"), lambda im: im.info.get("Title") == "noise"),
    "Comment": (
        chunk(b"tEXt", b"Comment\0hello"),
        lambda im: "hello" in (im.info.get("Comment"), im.info.get("comment", b"").decode()),
    ),
    "gAMA": (chunk(b"gAMA", struct.pack(">I", 100_000)), lambda im: im.info.get("gamma") == 1.0),
    "cHRM": (
        chunk(b"cHRM", struct.pack(">8I", *range(30000, 38000, 1000))),
        lambda im: "chromaticity" in im.info,
    ),
    "pixels that are not square": (chunk(b"pHYs", struct.pack(">IIB", 2, 1, 0)), lambda im: False),
}


@SOME
@given(
    names=st.lists(st.sampled_from(sorted(PARTS)), unique=True),
    depth=st.sampled_from([8, 16]),
    suffix=st.sampled_from([*SUFFIXES, ".bmp"]),
)
def test_what_a_file_says_is_kept_or_its_loss_is_told(tmp_path, capfd, names, depth, suffix):
    assume(not {"density", "pixels that are not square"} <= set(names))  # one chunk has one or the other
    samples = RGB.astype(np.uint16) * (257 if depth == 16 else 1)
    (tmp_path / "a.png").write_bytes(png(samples, depth, *(PARTS[name][0] for name in names)))
    capfd.readouterr()
    assert enlarge(tmp_path / "a.png", tmp_path / f"b{suffix}") == 0
    told = [line for line in capfd.readouterr().err.splitlines() if "not kept in" in line]
    assert len(told) <= 1
    with Image.open(tmp_path / f"b{suffix}") as made:
        made.load()
        for name in names:
            if name in ("gAMA", "cHRM") and "profile" in names:
                continue  # the profile says it all
            assert PARTS[name][1](made) != any(name in line for line in told), name


def test_tags_of_a_tiff_that_are_not_kept_are_named(tmp_path, capsys):
    private = [(65000, "s", 0, "mine", True), (33723, "B", 4, b"\x1c\x02\x05\0", True)]
    tifffile.imwrite(tmp_path / "a.tif", RGB, photometric="rgb", extratags=private, description="a holiday")
    assert enlarge(tmp_path / "a.tif", tmp_path / "b.tif") == 0
    assert capsys.readouterr().err == "srutils: not kept in .tif: TIFF tag IptcNaaInfo, TIFF tag 65000\n"
    with tifffile.TiffFile(tmp_path / "b.tif") as file:  # not the shape that tifffile notes in a second one
        assert [t.value for t in file.pages[0].tags.getall(270)] == ["a holiday"]


def test_an_unknown_density_stays_unknown(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.png")
    for suffix in (".bmp", ".jpg", ".tif"):
        assert enlarge(tmp_path / "a.png", tmp_path / f"b{suffix}") == 0
        assert Image.open(tmp_path / f"b{suffix}").info.get("dpi", (0, 0)) == (0, 0)


def test_exif_too_long_for_jpeg_is_told(tmp_path, capsys):
    exif = a_camera_s_exif()
    exif.get_ifd(EXIF_IFD)[0x927C] = bytes(70_000)
    Image.fromarray(RGB).save(tmp_path / "a.png", exif=exif)
    assert enlarge(tmp_path / "a.png", tmp_path / "b.jpg") == 0
    assert capsys.readouterr().err == "srutils: not kept in .jpg: EXIF (longer than .jpg holds)\n"


def test_the_orientation_in_xmp_is_applied_once(tmp_path):
    turned = XMP.replace(b'Orientation="1"', b'Orientation="6"')
    Image.fromarray(RGB).save(tmp_path / "a.jpg", xmp=turned)
    assert enlarge(tmp_path / "a.jpg", tmp_path / "b.jpg") == 0
    with Image.open(tmp_path / "b.jpg") as made:
        assert made.size == (24, 40) and b'Orientation="1"' in made.info["xmp"]


@pytest.mark.parametrize(
    ("name", "start"), [("GIF", None), ("HEIC", b"\0\0\0\x18ftypheic"), ("PDF", b"%PDF-1.7\n")]
)
def test_other_kinds_of_file_are_named(tmp_path, capsys, name, start):
    file = io.BytesIO()
    Image.fromarray(RGB).save(file, "GIF", save_all=True, append_images=[Image.fromarray(RGB[::-1])])
    (tmp_path / "a.png").write_bytes(file.getvalue() if start is None else start + bytes(99))
    assert enlarge(tmp_path / "a.png", tmp_path / "b.png") == 2
    err = capsys.readouterr().err
    assert f"it is a {name} file, which is not read here; save it as PNG, JPEG" in err


def test_ten_bits_of_avif_that_become_eight_are_told(tmp_path, capsys):
    imagecodecs = pytest.importorskip("imagecodecs")
    deep = imagecodecs.avif_encode((RGB.astype(np.uint16) * 4), level=90, bitspersample=10)
    (tmp_path / "a.avif").write_bytes(deep)
    assert enlarge(tmp_path / "a.avif", tmp_path / "b.png") == 0
    assert "not kept in .png: all but 8 of its 10 bits a sample" in capsys.readouterr().err
