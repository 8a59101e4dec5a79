"""The pictures of scikit-image, folders of pictures, tiles and splits."""

import socket

import numpy as np
import pytest
from PIL import Image

from srutils import photos
from srutils.files.images import pixels_sha256


@pytest.fixture
def picture():
    """A small RGB picture without symmetry."""
    return np.random.default_rng(3).integers(0, 256, (11, 17, 3), dtype=np.uint8)


# --- collections


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    def refuse(*args, **kwargs):
        raise AssertionError("a network connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_builtin_photographs_come_from_the_wheel_alone(no_network):
    everything = photos.builtin()
    assert list(everything) == sorted(photos.CREDITS) and len(everything) == 11
    for name, image in everything.items():
        assert image.dtype == np.float32 and image.ndim == 3 and min(image.shape[:2]) >= 300
        assert image.shape[-1] == (3 if name in photos.COLOUR else 1)
        assert image.min() >= 0 and image.max() <= 1 and image.std() > 0.05
    assert set(photos.builtin(colour=True)) == set(photos.COLOUR)
    assert set(photos.builtin(colour=False)) == set(everything) - set(photos.COLOUR)


def test_builtin_values_are_those_of_scikit_image():
    import skimage.data

    np.testing.assert_array_equal(np.rint(photos.builtin()["coffee"] * 255), skimage.data.coffee())


def test_folder_reads_everything_in_order(tmp_path, picture):
    (tmp_path / "sub").mkdir()
    for name in ("b.png", "a.jpg", "a.png", "sub/c.bmp"):
        Image.fromarray(picture).save(tmp_path / name)
    np.save(tmp_path / "d.npy", np.zeros((4, 4)))
    (tmp_path / "._b.png").write_bytes(b"macOS leaves these")
    (tmp_path / "notes.txt").write_text("not a picture", encoding="utf-8")
    assert [name for name, _ in photos.folder(tmp_path)] == ["a.jpg", "a.png", "b", "d"]
    assert [name for name, _ in photos.folder(tmp_path, recursive=True)][-1] == "sub/c"


def test_folder_says_what_is_wrong(tmp_path):
    with pytest.raises(FileNotFoundError, match="no image"):
        photos.folder(tmp_path)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        photos.folder(tmp_path / "absent")
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(ValueError, match=r"bad\.png"):
        photos.folder(tmp_path)


@pytest.mark.parametrize("pattern", ["{}.png", "{}.bmp", "{}_GT.bmp"])
def test_set5_is_found_under_any_of_its_names_and_refused_if_it_is_another_picture(
    tmp_path, monkeypatch, picture, pattern
):
    monkeypatch.setenv("SR_DATA", str(tmp_path))
    monkeypatch.setenv("SR_CACHE", str(tmp_path / "cache"))
    Image.fromarray(picture).save(tmp_path / "picture.tif")
    monkeypatch.setattr(photos, "SET5", dict.fromkeys(photos.SET5, pixels_sha256(tmp_path / "picture.tif")))
    with pytest.raises(FileNotFoundError, match="srutils fetch set5"):
        photos.set5()
    (tmp_path / "Set5").mkdir()
    for name in list(photos.SET5)[:-1]:
        Image.fromarray(picture).save(tmp_path / "Set5" / pattern.format(name))
    with pytest.raises(FileNotFoundError, match="woman"):
        photos.set5()
    Image.fromarray(picture).save(tmp_path / "Set5" / pattern.format("woman"))
    found = photos.set5()
    assert [name for name, _ in found] == list(photos.SET5)
    np.testing.assert_array_equal(np.rint(found[0][1] * 255), picture)
    Image.fromarray(picture[:, ::-1]).save(tmp_path / "Set5" / pattern.format("head"))
    with pytest.raises(
        ValueError, match=rf"{pattern.format('head')} is not the published .*srutils fetch set5"
    ):
        photos.set5()


# --- splits and tiles


def test_no_photograph_is_in_two_parts_and_none_is_lost():
    everything = photos.builtin()
    for seed in range(20):
        parts = photos.photo_split(seed, everything)
        names = [name for part in parts for name in part]
        assert sorted(names) == sorted(everything) and len(set(names)) == len(names)
        assert all(any(image.shape[-1] == c for image in part.values()) for part in parts for c in (1, 3))


def test_no_tile_is_in_two_parts():
    train, val, test = (photos.tiles(part) for part in photos.photo_split(0))
    seen = [{tile.tobytes() for tile in part} for part in (train, val, test)]
    assert not seen[0] & seen[1] and not seen[0] & seen[2] and not seen[1] & seen[2]
    assert all(len(part) > 0 for part in seen)


def test_split_depends_on_names_and_seed_not_on_order():
    pictures = [(f"p{i}", np.zeros((2, 2, 3), np.float32)) for i in range(40)]
    parts = photos.photo_split(0, pictures)
    assert [list(p) for p in parts] == [list(p) for p in photos.photo_split(0, reversed(pictures))]
    assert [len(p) for p in parts] == [28, 6, 6]
    assert any(list(photos.photo_split(seed, pictures)[2]) != list(parts[2]) for seed in range(1, 4))
    with pytest.raises(ValueError, match="twice"):
        photos.photo_split(0, [*pictures, pictures[0]])
    with pytest.raises(ValueError, match="fractions"):
        photos.photo_split(0, pictures, (0.5, 0.1, 0.1))


def test_tiles_are_a_partition_of_the_centre():
    image = np.random.default_rng(0).random((133, 200, 3), dtype=np.float32)
    cut = photos.tiles({"a": image}, size=32, order="random", seed=4)
    assert cut.shape == (4 * 6, 32, 32, 3) and cut.dtype == np.float32
    centre = image[2:130, 4:196]
    np.testing.assert_array_equal(np.sort(cut.ravel()), np.sort(centre.ravel()))


def test_the_most_textured_tiles_come_first():
    image = np.zeros((32, 96, 1), np.float32)
    image[:, 32:64, 0] = np.indices((32, 32)).sum(0) % 2  # checks in the middle tile
    image[:, 64:, 0] = np.linspace(0, 1, 32)  # a ramp in the last one
    cut = photos.tiles([("a", image)], size=32)
    np.testing.assert_array_equal(cut[0, ..., 0], image[:, 32:64, 0])
    np.testing.assert_array_equal(cut[1, ..., 2], image[:, 64:, 0])
    assert photos.tiles([("a", image)], size=32, n_per_image=1).shape == (1, 32, 32, 3)


def test_random_tiles_follow_the_seed_and_small_pictures_are_left_out():
    rng = np.random.default_rng(0)
    pictures = {"a": rng.random((64, 64, 3)), "small": rng.random((10, 64, 3)), "b": rng.random((64, 64, 1))}
    one = photos.tiles(pictures, size=16, n_per_image=5, seed=1, order="random")
    assert one.shape == (10, 16, 16, 3)
    np.testing.assert_array_equal(one, photos.tiles(pictures, 16, 5, 1, "random"))
    assert not np.array_equal(one, photos.tiles(pictures, 16, 5, 2, "random"))
    with pytest.raises(ValueError, match="as large as one tile"):
        photos.tiles({"small": pictures["small"]}, size=16)
    for wrong in ({"size": 0}, {"n_per_image": 0}, {"order": "best"}):
        with pytest.raises(ValueError, match="expected size"):
            photos.tiles(pictures, **{"size": 16, **wrong})
    with pytest.raises(ValueError, match="shape"):
        photos.tiles({"a": np.zeros((4, 4))})
