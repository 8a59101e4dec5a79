"""Image files in and out: every kind of file, damaged ones, and writes that fail."""

import io
import pickle
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pictures import save_picture
from PIL import Image, ImageCms, ImageFile

from srutils.files.encode import check_target
from srutils.files.images import read_image

SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3]))
PLAIN = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def picture():
    """A small RGB picture without symmetry."""
    return np.random.default_rng(3).integers(0, 256, (11, 17, 3), dtype=np.uint8)


def png16(samples, colour_type):
    """A big-endian 16-bit PNG without filters, assembled from the specification (ISO/IEC 15948)."""
    height, width, _ = samples.shape
    rows = samples.astype(">u2").reshape(height, -1)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0))]
    chunks += [(b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
    parts = [struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


# --- round trips


@PLAIN
@given(
    levels=SHAPES.flatmap(lambda s: hnp.arrays(np.uint8, s)), suffix=st.sampled_from([".png", ".tif", ".bmp"])
)
def test_8_bit_files_come_back_exactly(tmp_path, levels, suffix):
    save_picture(tmp_path / f"a{suffix}", levels.astype(np.float32) / 255)
    back = read_image(tmp_path / f"a{suffix}")
    assert back.dtype == np.float32 and back.shape == levels.shape
    np.testing.assert_array_equal(np.rint(back * 255), levels)


@PLAIN
@given(levels=SHAPES.flatmap(lambda s: hnp.arrays(np.uint16, s)), suffix=st.sampled_from([".png", ".tif"]))
def test_16_bit_files_come_back_exactly(tmp_path, levels, suffix):
    save_picture(tmp_path / f"a{suffix}", levels.astype(np.float32) / 65535, bits=16)
    back = read_image(tmp_path / f"a{suffix}")
    assert back.shape == levels.shape
    np.testing.assert_array_equal(np.rint(back.astype(np.float64) * 65535), levels)


@PLAIN
@given(
    values=SHAPES.flatmap(
        lambda s: hnp.arrays(
            np.float32, s, elements=st.floats(allow_nan=False, allow_infinity=False, width=32)
        )
    ),
    suffix=st.sampled_from([".npy", ".tif"]),
)
def test_floating_point_files_keep_every_value(tmp_path, values, suffix):
    save_picture(tmp_path / f"a{suffix}", values, bits=32)
    np.testing.assert_array_equal(read_image(tmp_path / f"a{suffix}"), values)


def test_lossless_webp_and_jpeg(tmp_path, picture):
    smooth = np.linspace(0, 1, 64 * 64 * 3, dtype=np.float32).reshape(64, 64, 3)
    save_picture(tmp_path / "a.webp", picture.astype(np.float32) / 255)
    save_picture(tmp_path / "a.jpg", smooth)
    np.testing.assert_array_equal(np.rint(read_image(tmp_path / "a.webp") * 255), picture)
    assert np.abs(read_image(tmp_path / "a.jpg") - smooth).max() < 4 / 255


def test_values_outside_0_1_are_clipped_and_rounded_to_the_nearest_level(tmp_path):
    save_picture(tmp_path / "a.png", np.array([[-0.3, 1.7, 0.499 / 255, 0.501 / 255]], dtype=np.float32))
    np.testing.assert_array_equal(np.rint(read_image(tmp_path / "a.png")[0, :, 0] * 255), [0, 255, 0, 1])


def test_16_bit_colour_png_is_read_alike_by_opencv(tmp_path):
    cv2 = pytest.importorskip("cv2")
    levels = np.random.default_rng(0).integers(0, 65536, (20, 30, 3), dtype=np.uint16)
    save_picture(tmp_path / "ours.png", levels / 65535.0, bits=16)
    np.testing.assert_array_equal(
        cv2.imread(str(tmp_path / "ours.png"), cv2.IMREAD_UNCHANGED)[..., ::-1], levels
    )
    assert cv2.imwrite(str(tmp_path / "theirs.png"), levels[..., ::-1])
    np.testing.assert_array_equal(np.rint(read_image(tmp_path / "theirs.png").astype(float) * 65535), levels)


# --- kinds of file


@pytest.mark.parametrize(("colour_type", "channels", "kept"), [(0, 1, 1), (2, 3, 3), (4, 2, 1), (6, 4, 3)])
def test_every_16_bit_png_keeps_its_low_bytes(tmp_path, colour_type, channels, kept):
    samples = np.random.default_rng(1).integers(0, 65536, (6, 7, channels), dtype=np.uint16)
    (tmp_path / "a.png").write_bytes(png16(samples, colour_type))
    back = read_image(tmp_path / "a.png").astype(np.float64)
    np.testing.assert_array_equal(np.rint(back * 65535), samples[..., :kept])


def test_alpha_is_dropped_and_colours_are_kept(tmp_path, picture):
    alpha = np.arange(11 * 17, dtype=np.uint8).reshape(11, 17, 1)
    Image.fromarray(np.concatenate([picture, alpha], -1)).save(tmp_path / "rgba.png")
    Image.fromarray(np.concatenate([picture[..., :1], alpha], -1)).save(tmp_path / "la.png")
    np.testing.assert_array_equal(np.rint(read_image(tmp_path / "rgba.png") * 255), picture)
    np.testing.assert_array_equal(np.rint(read_image(tmp_path / "la.png") * 255), picture[..., :1])


def test_palette_becomes_rgb(tmp_path, picture):
    image = Image.fromarray(picture).quantize(16)
    image.save(tmp_path / "a.png")
    expected = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(np.rint(read_image(tmp_path / "a.png") * 255), expected)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
def test_one_bit_is_0_or_1(tmp_path, suffix):
    bits = np.random.default_rng(2).random((9, 13)) > 0.5
    Image.fromarray(bits).save(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(read_image(tmp_path / f"a{suffix}")[..., 0], bits.astype(np.float32))


def test_cmyk_jpeg_becomes_rgb(tmp_path):
    flat = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # full magenta and yellow: red
    flat.save(tmp_path / "a.jpg", quality=95)
    back = read_image(tmp_path / "a.jpg")
    assert back.shape == (16, 16, 3)
    np.testing.assert_allclose(back.mean((0, 1)), [1, 0, 0], atol=0.02)


def test_a_phones_two_frame_jpeg_gives_its_first_frame(tmp_path):
    first, second = (Image.new("RGB", (16, 16), colour) for colour in ("white", "black"))
    first.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[second])
    np.testing.assert_allclose(read_image(tmp_path / "a.jpg"), np.ones((16, 16, 3)), atol=0.01)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", "16.tif"])
def test_exif_orientation_is_applied(tmp_path, orientation, suffix):
    upright = np.zeros((16, 32, 3), np.uint8)
    upright[:8, :8] = 255  # white corner, top left
    upright[:8, 24:] = 128  # grey corner, top right
    undo = {1: 0, 2: 1, 3: 3, 4: 2, 5: 6, 6: 5, 7: 7, 8: 4}  # how a camera held that way stores it
    methods = [None, "FLIP_LEFT_RIGHT", "FLIP_TOP_BOTTOM", "ROTATE_180"]
    methods += ["ROTATE_270", "ROTATE_90", "TRANSPOSE", "TRANSVERSE"]
    method = methods[undo[orientation]]
    stored = Image.fromarray(upright)
    stored = stored.transpose(Image.Transpose[method]) if method else stored
    path = tmp_path / f"a{suffix}"
    if suffix == "16.tif":
        deep = np.asarray(stored).astype(np.uint16) * 257
        tifffile.imwrite(path, deep, photometric="rgb", extratags=[(274, "H", 1, orientation, True)])
    else:
        exif = Image.Exif()
        exif[274] = orientation
        stored.save(path, exif=exif, **({"quality": 95} if suffix == ".jpg" else {}))
    back = read_image(path)
    assert back.shape == upright.shape
    np.testing.assert_allclose(back, upright / 255, atol=0.02)


def test_tiff_kinds(tmp_path):
    levels = np.random.default_rng(4).integers(0, 65536, (8, 9, 4), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "alpha.tif", levels, photometric="rgb", extrasamples=["unassalpha"])
    tifffile.imwrite(
        tmp_path / "planes.tif",
        np.moveaxis(levels[..., :3], -1, 0),
        photometric="rgb",
        planarconfig="separate",
    )
    tifffile.imwrite(tmp_path / "big.tif", levels[..., :3], photometric="rgb", byteorder=">")
    tifffile.imwrite(tmp_path / "grey.tif", levels[..., 0], byteorder=">")
    tifffile.imwrite(tmp_path / "inverse.tif", 65535 - levels[..., 0], photometric="miniswhite")
    tifffile.imwrite(
        tmp_path / "pages.tif", np.stack([levels[..., 0], levels[..., 1]]), photometric="minisblack"
    )
    for name, expected in [("alpha", levels[..., :3]), ("planes", levels[..., :3]), ("big", levels[..., :3])]:
        np.testing.assert_array_equal(np.rint(read_image(tmp_path / f"{name}.tif") * 65535.0), expected)
    for name in ("grey", "inverse", "pages"):
        np.testing.assert_array_equal(
            np.rint(read_image(tmp_path / f"{name}.tif") * 65535.0), levels[..., :1]
        )
    tifffile.imwrite(tmp_path / "double.tif", np.full((3, 4), -2.5))
    np.testing.assert_array_equal(read_image(tmp_path / "double.tif"), np.full((3, 4, 1), -2.5, np.float32))


def test_a_colour_profile_does_not_change_the_values(tmp_path, picture):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(picture).save(tmp_path / "a.png", icc_profile=profile)
    np.testing.assert_array_equal(np.rint(read_image(tmp_path / "a.png") * 255), picture)


def test_the_content_decides_not_the_suffix(tmp_path, picture):
    Image.fromarray(picture).save(tmp_path / "a.jpg", format="PNG")
    np.testing.assert_array_equal(np.rint(read_image(tmp_path / "a.jpg") * 255), picture)


# --- .npy


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((5, 6), (5, 6, 1)),
        ((5, 6, 1), (5, 6, 1)),
        ((5, 6, 3), (5, 6, 3)),
        ((1, 5, 6), (5, 6, 1)),
        ((3, 5, 6), (5, 6, 3)),
    ],
)
def test_npy_layouts(tmp_path, shape, expected):
    values = np.random.default_rng(5).normal(size=shape)
    np.save(tmp_path / "a.npy", values)
    back = read_image(tmp_path / "a.npy")
    assert back.shape == expected and back.dtype == np.float32 and back.flags["C_CONTIGUOUS"]
    kept = np.moveaxis(values, 0, -1) if shape[0] in (1, 3) else values.reshape(expected)
    np.testing.assert_array_equal(back, kept.astype(np.float32))


def test_npy_integers_are_scaled_by_their_type(tmp_path):
    for dtype, top in [(np.uint8, 255), (np.uint16, 65535), (bool, 1)]:
        np.save(tmp_path / "a.npy", np.array([[0, top]], dtype=dtype))
        np.testing.assert_array_equal(read_image(tmp_path / "a.npy")[0, :, 0], [0, 1])


@pytest.mark.parametrize(
    "array",
    [
        np.array([[0.0, np.nan]]),
        np.array([[0.0, np.inf]]),
        np.array([[1e300, 0.0]]),
        np.zeros(5),
        np.zeros((5, 6, 2)),
        np.zeros((2, 5, 6, 3)),
        np.zeros((0, 6)),
        np.zeros((3, 4), np.int64),
        np.zeros((3, 4), np.complex64),
        np.array([["a"]]),
    ],
    ids=["nan", "inf", "overflow", "rank1", "two channels", "rank4", "empty", "int64", "complex", "text"],
)
def test_unusable_npy_arrays_are_refused(tmp_path, array):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(ValueError, match=r"a\.npy"):
        read_image(tmp_path / "a.npy")


class Trap:
    """Unpickling it would be seen."""

    def __reduce__(self):
        return exec, ("raise SystemExit('a pickle was run')",)


def test_pickled_truncated_and_lying_npy_files_are_refused(tmp_path):
    path = tmp_path / "a.npy"
    whole = io.BytesIO()
    np.save(whole, np.zeros((40, 40)))
    huge = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        huge, {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**6)}
    )
    archive = io.BytesIO()
    np.savez(archive, a=np.zeros((3, 3)))
    objects = io.BytesIO()
    np.save(objects, np.array([[Trap()]]), allow_pickle=True)
    cases = [
        whole.getvalue()[:-9],
        huge.getvalue(),
        archive.getvalue(),
        objects.getvalue(),
        pickle.dumps(Trap()),
    ]
    for data in (*cases, b"", b"\x93NUMPY", b"not an array"):
        path.write_bytes(data)
        with pytest.raises(ValueError, match=r"a\.npy") as refused:
            read_image(path)
        assert "\n" not in str(refused.value)


# --- bad files


def encoded(picture, form, **options):
    buffer = io.BytesIO()
    Image.fromarray(np.kron(picture, np.ones((8, 8, 1), np.uint8))).save(buffer, form, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "BMP", "WEBP"])
@pytest.mark.parametrize("kept", [0.99, 0.7, 0.3, 0.02])
def test_truncated_files_are_refused_in_one_sentence(tmp_path, picture, form, kept, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)  # what some other library may have done
    data = encoded(picture, form, **({"lossless": True} if form == "WEBP" else {}))
    path = tmp_path / "cut.img"
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(ValueError, match=r"cut\.img") as refused:
        read_image(path)
    assert "\n" not in str(refused.value)
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


def test_truncated_deep_tiff_and_deep_png_are_refused(tmp_path):
    levels = np.random.default_rng(4).integers(0, 65536, (40, 40, 3), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", levels, photometric="rgb")
    (tmp_path / "a.png").write_bytes(png16(levels, 2))
    for path in (tmp_path / "a.tif", tmp_path / "a.png"):
        data = path.read_bytes()
        path.write_bytes(data[: len(data) - 2000])
        with pytest.raises(ValueError, match=path.name):
            read_image(path)


def test_one_flipped_bit_in_a_png_is_noticed(tmp_path, picture):
    data = bytearray(encoded(picture, "PNG"))
    data[data.index(b"IDAT") + 40] ^= 1
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(ValueError, match=r"a\.png"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("side", [20_000, 100_000, 2**31 - 1])
def test_huge_declared_sizes_are_refused_before_decoding(tmp_path, side):
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b"")]
    parts = [struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in chunks]
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    with pytest.raises(ValueError, match=r"bomb\.png.*pixels"):
        read_image(tmp_path / "bomb.png")


def test_a_huge_sparse_tiff_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "bomb.tif", np.zeros((4, 4, 3), np.uint16), photometric="rgb")
    data = bytearray((tmp_path / "bomb.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "bomb.tif") as file:
        for tag in (256, 257):
            found = file.pages[0].tags[tag]
            size = {3: "<H", 4: "<I"}[int(found.dtype)]
            struct.pack_into(size, data, found.valueoffset, 60_000)
    (tmp_path / "bomb.tif").write_bytes(data)
    with pytest.raises(ValueError, match=r"bomb\.tif.*pixels"):
        read_image(tmp_path / "bomb.tif")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_bytes_raise_ValueError_or_give_a_valid_picture(tmp_path, data):
    name, good = data.draw(st.sampled_from(sorted(FUZZ.items())))
    damaged = bytearray(good)
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / name
    path.write_bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    try:
        image = read_image(path)
    except ValueError as error:
        assert name in str(error) and "\n" not in str(error)
    else:
        assert image.dtype == np.float32 and image.ndim == 3 and np.isfinite(image).all()


def _fuzz_files():
    small = np.random.default_rng(7).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    files = {f"a.{form.lower()}": encoded(small, form) for form in ("PNG", "JPEG", "TIFF", "BMP", "WEBP")}
    deep = io.BytesIO()
    tifffile.imwrite(deep, small.astype(np.uint16) * 257, photometric="rgb")
    array = io.BytesIO()
    np.save(array, small)
    return {
        **files,
        "deep.tif": deep.getvalue(),
        "deep.png": png16(small.astype(np.uint16), 2),
        "a.npy": array.getvalue(),
    }


FUZZ = _fuzz_files()


def test_damaged_files_print_nothing(tmp_path):
    """Pillow and tifffile log to stderr where no logging is set up, which a test runner hides."""
    data = bytearray(FUZZ["deep.tif"])
    first = struct.unpack_from("<I", data, 4)[0]
    for tag in range(struct.unpack_from("<H", data, first)[0]):
        struct.pack_into("<H", data, first + 2 + 12 * tag + 2, 0x7F03)  # a field type that does not exist
    (tmp_path / "a.tif").write_bytes(data)
    code = "import sys; from srutils.files.images import read_image\n"
    code += "try: read_image(sys.argv[1])\nexcept ValueError: sys.exit(7)"
    command = [sys.executable, "-c", code, str(tmp_path / "a.tif")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (7, "", "")


def test_missing_folder_and_text_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.png"):
        read_image(tmp_path / "nothing.png")
    with pytest.raises(ValueError, match="folder"):
        read_image(tmp_path)
    (tmp_path / "note.png").write_text("hello", encoding="utf-8")
    with pytest.raises(ValueError, match=r"note\.png"):
        read_image(tmp_path / "note.png")


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("packing", [None, "zlib"])
def test_a_tiff_that_declares_more_rows_than_it_lists(tmp_path, kind, channels, packing):
    """Decoders fill the missing strips with zeros, and say nothing."""
    pixels = np.ones((8, 9, channels), kind)
    kind = "rgb" if channels == 3 else "minisblack"
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric=kind, rowsperstrip=4, compression=packing)
    read_image(tmp_path / "a.tif")
    data = bytearray((tmp_path / "a.tif").read_bytes())
    i = data.index(struct.pack("<HHII", 257, 4, 1, 8))  # the tag ImageLength
    data[i + 8 : i + 12] = struct.pack("<I", 4000)
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(ValueError, match="a.tif: (the file is truncated|it is damaged)"):
        read_image(tmp_path / "a.tif")


# --- bad writes


@pytest.mark.parametrize(
    ("name", "bits", "size", "transparent"),
    [
        ("a.xyz", 8, (3, 3), False),
        ("a.jpg", 16, (3, 3), False),
        ("a.png", 32, (3, 3), False),
        ("a.jfif", 8, (3, 3), True),
        ("a.webp", 8, (3, 16_384), False),
    ],
)
def test_what_cannot_be_written_is_said_before_the_work(name, bits, size, transparent):
    with pytest.raises(ValueError, match=f"cannot write {name}: "):
        check_target(name, bits, size, transparent)
    check_target("a.tif", bits, size, transparent)
