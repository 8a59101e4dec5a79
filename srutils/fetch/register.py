"""The register of public data sets; `srutils.fetch.dataset` gets them."""

from srutils.fetch.checks import Dataset, Remote
from srutils.photos import SET5

_SET5_COMMIT = "78be1a24697935fc39a3a8cf59a6632264afade7"
_SET5_URL = f"https://raw.githubusercontent.com/tegg89/SRCNN-Tensorflow/{_SET5_COMMIT}/Test/Set5/"
_DIV2K_URL = "https://data.vision.ee.ethz.ch/cvl/DIV2K/"
_DIV2K_LICENCE = (
    "DIV2K (Agustsson and Timofte, CVPR Workshops 2017): for academic research only; the photographs were "
    "collected from the web and their copyright stays with their owners. Terms: " + _DIV2K_URL
)
# name, title, folder under DIV2K/, images, file, bytes, sha256 (the checksum list of TensorFlow Datasets)
_DIV2K = """
div2k-valid    | validation: 100 photographs | DIV2K_valid_HR           | 100 | DIV2K_valid_HR.zip            |  448993893 | 20dd31fd84d777bc1cf5d6b7654a3f569c0aec74458ae094122ad1d0489900fc
div2k-train    | training: 800 photographs   | DIV2K_train_HR           | 800 | DIV2K_train_HR.zip            | 3530603713 | 9d0b9c463f6e35b6c62cc6a930ee2224f670b34c1df841a57670f9acf0f6c335
div2k-valid-x4 | validation, bicubic x4 LR   | DIV2K_valid_LR_bicubic/X4 | 100 | DIV2K_valid_LR_bicubic_X4.zip |   31505881 | a50a5d1c4b88de4e8d300d8fb2b904c52fe93b2b298a4899697760d7cbb6d553
div2k-train-x4 | training, bicubic x4 LR     | DIV2K_train_LR_bicubic/X4 | 800 | DIV2K_train_LR_bicubic_X4.zip |  246914039 | f006b837f4eb52b82909aa01478e6d6d199eefce932179491d0c9dbb706dde3a
"""  # noqa: E501


def _div2k(row: str) -> Dataset:
    name, title, folder, images, file, size, sha256 = (cell.strip() for cell in row.split("|"))
    remote = Remote(_DIV2K_URL + file, file, int(size), sha256)
    title, folder, parts = f"DIV2K {title}", f"DIV2K/{folder}", {"": (int(images), None)}
    return Dataset(name, title, folder, f"{int(size) / 1e6:,.0f} MB", parts, (remote,), _DIV2K_LICENCE)


_SET5 = Dataset(
    name="set5",
    title="Set5: the five test photographs of super-resolution papers (for scoring only)",
    folder="Set5",
    size="1.7 MB",
    parts={"": (5, None)},
    files=tuple(Remote(f"{_SET5_URL}{n}_GT.bmp", f"{n}.bmp", pixels=h) for n, h in SET5.items()),
    licence="Set5 (Bevilacqua et al., BMVC 2012): no licence is stated for the photographs; they are used "
    "throughout the literature for measuring. Fetched from a public repository, not redistributed here.",
    archive=False,
)
_L5 = "Linnaeus 5 128X128"
_L5_URL = "http://chaladze.com/l5/img/Linnaeus%205%20128X128.rar"
_LINNAEUS5 = Dataset(
    name="linnaeus5",
    title="Linnaeus 5: 8,000 photographs of 128 x 128 px in five classes",
    folder=_L5,
    size="size not published",
    parts={
        f"{part}/{name}": (count, None)
        for part, count in (("train", 1200), ("test", 400))
        for name in ("berry", "bird", "dog", "flower", "other")
    },
    files=(Remote(_L5_URL, f"{_L5}.rar", limit=512 << 20),),
    licence="Linnaeus 5 (Chaladze and Kalatozishvili, 2017): for terms see http://chaladze.com/l5/; none are "
    "recorded here.",
)
_DRIVE = "https://drive.google.com/uc?export=download&id="
_DEEPLENSE_LICENCE = (
    "DeepLense (ML4SCI; Alexander et al. 2020, arXiv:1909.07346): no licence is stated for the files. "
    "Fetched from Google Drive, where their authors keep them, not redistributed here."
)
_DEEPLENSE_SR = Dataset(
    name="deeplense-sr",
    title="DeepLense super-resolution test: 10,000 pairs of simulated lenses, 75 and 150 px",
    folder="deeplense",
    size="533 MB",
    parts={"HR": (10_000, (1, 150, 150)), "LR": (10_000, (1, 75, 75))},
    files=(Remote(_DRIVE + "1nm_4qEHQ0iSKnpPT3hu1i0fNuTpUx-J8", "deeplense-sr.zip", limit=1 << 30),),
    licence=_DEEPLENSE_LICENCE,
    also=("lensing/deeplense", "Dataset"),
)
_DEEPLENSE_CLASSES = Dataset(
    name="deeplense-classes",
    title='DeepLense "Common Test I": 37,500 simulated lenses of 150 px in three classes of dark matter',
    folder="deeplense_cls",
    size="about 1 GB; 6.8 GB unpacked",  # judged by what 15 of its files pack to; not published
    parts={
        f"{part}/{name}": (count, (1, 150, 150))
        for part, count in (("train", 10_000), ("val", 2500))
        for name in ("no", "sphere", "vort")
    },
    files=(Remote(_DRIVE + "1ZEyNMEO43u3qhJAwJeBZxFBEYc_pVYZQ", "deeplense-classes.zip", limit=8 << 30),),
    licence=_DEEPLENSE_LICENCE,
    also=("lensing/deeplense_cls", "dataset"),
)
_LPIPS_URL = (
    "https://raw.githubusercontent.com/lusoris/vmaf/0267dfbe83b28366fcad56268d74d351f3b42db7/model/tiny/"
)
_LPIPS_SHA256 = "1402626680d5b69a793e647edda2c32f04e192f5cf1e7837bec8bde14187a261"
_LPIPS = Dataset(
    name="lpips",
    title="LPIPS v0.1 with SqueezeNet, the network behind the perceptual distance of `srutils evaluate`",
    folder="lpips",
    size="3 MB",
    parts={},
    files=(Remote(_LPIPS_URL + "lpips_sq.onnx", "lpips_sq.onnx", 3_268_579, _LPIPS_SHA256),),
    licence="LPIPS (Zhang et al., CVPR 2018): BSD-2; weights of SqueezeNet (torchvision): BSD-3.",
    archive=False,
)
_PHOTOGRAPHS = (_SET5, *map(_div2k, _DIV2K.strip().splitlines()), _LINNAEUS5)
_ALL = (*_PHOTOGRAPHS, _DEEPLENSE_SR, _DEEPLENSE_CLASSES, _LPIPS)
DATASETS: dict[str, Dataset] = {data.name: data for data in _ALL}
GROUPS = {"div2k": ("div2k-valid", "div2k-valid-x4")}  # what lessons use; the training set is 3.5 GB more
