"""Figures: what they hold, that their panels can be compared, and that the slider is plain, safe HTML."""

import base64
import html.parser
import io

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import AsinhNorm, Normalize
from PIL import Image

matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")
from srutils import plotting  # noqa: E402

RNG = np.random.default_rng(0)
GREY, RGB = RNG.random((16, 12, 1)), RNG.random((16, 12, 3))


@pytest.fixture(autouse=True)
def close_figures():
    with matplotlib.rc_context():
        yield
    plt.close("all")


def panels(figure):
    return [ax for ax in figure.axes if ax.images]


def bars(figure):
    return [ax for ax in figure.axes if ax.get_label() == "<colorbar>"]


def test_style_sets_colours_that_differ_in_lightness():
    plotting.use_style()
    assert plt.rcParams["image.cmap"] == "inferno" and plt.rcParams["image.interpolation"] == "nearest"
    assert len(set(plotting.COLOURS)) == 8
    plt.figure().savefig(io.BytesIO())  # the settings are valid


def test_image_grid_puts_every_image_in_a_panel_on_one_scale():
    norm = Normalize(-1, 2)
    images = {f"image {i}": GREY + i for i in range(5)}
    figure = plotting.image_grid(images, columns=3, norm=norm, colorbar="counts")
    assert [ax.get_title() for ax in panels(figure)] == list(images)
    assert figure.axes[0].get_gridspec().get_geometry() == (2, 3)
    for ax, image in zip(panels(figure), images.values(), strict=True):
        np.testing.assert_allclose(ax.images[0].get_array(), image[..., 0], rtol=1e-6)
        assert ax.images[0].norm is norm
    (bar,) = bars(figure)
    assert bar.get_ylabel() == "counts" and bar.get_ylim() == (-1, 2)


def test_image_grid_of_rgb_and_of_a_list():
    figure = plotting.image_grid([RGB * 2 - 0.5, GREY])
    first, second = panels(figure)
    np.testing.assert_allclose(first.images[0].get_array(), np.clip(RGB * 2 - 0.5, 0, 1), rtol=1e-6)
    assert second.images[0].get_clim() == (0, 1)
    with pytest.raises(ValueError, match="image_grid got no images"):
        plotting.image_grid([])
    with pytest.raises(ValueError, match="wrong holds NaN"):
        plotting.image_grid({"wrong": np.full((4, 4, 1), np.nan)})


def test_zoom_grid_shows_image_zoom_and_residual():
    low, sr = RNG.random((8, 6, 1)), GREY + 0.25
    figure = plotting.zoom_grid({"LR": low, "SR": sr, "HR": GREY}, "HR", (4, 2, 5, 3), residual_range=0.5)
    axes = [ax for ax in figure.axes if ax.get_label() != "<colorbar>"]
    assert len(axes) == 9 and [ax.get_title() for ax in axes[:3]] == ["LR", "SR", "HR"]
    np.testing.assert_allclose(
        axes[0].images[0].get_array(), low[..., 0].repeat(2, 0).repeat(2, 1), rtol=1e-6
    )
    np.testing.assert_allclose(axes[4].images[0].get_array(), sr[4:9, 2:5, 0], rtol=1e-6)  # the zoom
    (box,) = axes[1].patches
    assert (*box.get_xy(), box.get_width(), box.get_height()) == (1.5, 3.5, 3, 5)
    assert not axes[6].images and not axes[8].images  # neither LR nor the reference has a residual
    np.testing.assert_allclose(axes[7].images[0].get_array(), 0.25, atol=1e-6)
    assert axes[7].images[0].get_clim() == (-0.5, 0.5)  # white is zero
    (bar,) = bars(figure)
    assert bar.get_ylabel() == "minus HR"


def test_residuals_share_one_symmetric_scale():
    figure = plotting.zoom_grid({"a": RGB + 0.1, "b": RGB - 0.4, "HR": RGB}, "HR", (0, 0, 4, 4))
    limits = {ax.images[0].get_clim() for ax in figure.axes[6:8]}
    assert len(limits) == 1
    low, high = limits.pop()
    assert low == -high and high == pytest.approx(0.4, abs=1e-6)


def test_zoom_grid_without_residuals_has_two_rows():
    figure = plotting.zoom_grid({"LR": RNG.random((8, 6, 3)), "HR": RGB}, "HR", (0, 0, 4, 4))
    assert len(figure.axes) == 4
    with pytest.raises(ValueError, match="the reference 'truth' is not among the images: HR"):
        plotting.zoom_grid({"HR": RGB}, "truth", (0, 0, 4, 4))


def test_stretch_is_one_scale_for_all_images():
    norm = plotting.stretch([GREY, GREY * 50])
    assert isinstance(norm, AsinhNorm) and norm.vmax == pytest.approx((GREY * 50).max())
    assert norm(norm.vmin) == pytest.approx(0, abs=1e-6) and norm(norm.vmax) == pytest.approx(1)
    middle = norm((norm.vmin + norm.vmax) / 2)
    assert middle > 0.6  # faint light is lifted
    fixed = plotting.stretch(GREY, limits=(-1, 3))
    assert (fixed.vmin, fixed.vmax) == (-1, 3)
    plotting.stretch(np.zeros((4, 4)))(0.0)  # a flat image is no error


def test_spectra_are_logarithmic_with_nyquist_marked():
    f = np.linspace(0.01, 0.5, 9)
    figure = plotting.spectra_figure(
        {f"s{i}": (f, 10.0**-i * f) for i in range(10)}, nyquist={"LR": 0.25}, title="T"
    )
    (ax,) = figure.axes
    assert ax.get_yscale() == "log" and ax.get_title() == "T"
    assert "cycles per HR pixel" in ax.get_xlabel() and "power" in ax.get_ylabel()
    assert [t.get_text() for t in ax.get_legend().get_texts()] == [
        f"s{i}" for i in range(10)
    ]  # none is dropped
    assert [line.get_xdata()[0] for line in ax.lines[10:]] == [0.25]
    assert [t.get_text().strip() for t in ax.texts] == ["LR"]


def test_loss_curves_stand_beside_their_baselines():
    curves = {f"c{i}": [3.0, 2, 1 + i] for i in range(9)}
    baselines = {f"b{i}": float(i) for i in range(4)}
    (ax,) = plotting.loss_curves(curves, baseline=baselines, ylabel="MSE").axes
    assert [t.get_text() for t in ax.get_legend().get_texts()] == [*curves, *baselines]
    np.testing.assert_array_equal(ax.lines[1].get_xydata(), [[1, 3], [2, 2], [3, 2]])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "MSE")
    (ax,) = plotting.loss_curves({"c": [1, 2]}, ylabel="y", x=[100, 200], xlabel="step").axes
    assert ax.lines[0].get_xdata().tolist() == [100, 200]


def test_show_stores_the_picture_with_its_alternative_text(monkeypatch):
    import IPython
    import IPython.display

    shown = []
    monkeypatch.setattr(IPython, "get_ipython", lambda: object())
    monkeypatch.setattr(IPython.display, "display", lambda data, **options: shown.append((data, options)))
    figure = plotting.image_grid([GREY])
    plotting.show(figure, alt="A grey noise field.")
    ((data, options),) = shown
    assert options["metadata"] == {"image/png": {"alt": "A grey noise field."}} and options["raw"] is True
    assert data["text/plain"] == "A grey noise field."
    assert Image.open(io.BytesIO(data["image/png"])).format == "PNG"
    assert not plt.fignum_exists(figure.number)


def test_show_in_a_script_only_closes(monkeypatch, capsys):
    import IPython

    monkeypatch.setattr(IPython, "get_ipython", lambda: None)
    figure = plotting.image_grid([GREY])
    plotting.show(figure, alt="A grey noise field.")
    assert not plt.fignum_exists(figure.number) and capsys.readouterr().out == ""


# ---------------------------------------------------------------- the slider
class Tags(html.parser.HTMLParser):
    """All tags of a piece of HTML with their attributes, and its text outside of <style>."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.open = [], "", []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag):
        while self.open.pop() != tag:
            pass

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data

    def pictures(self):
        sources = [attrs["src"] for tag, attrs in self.tags if tag == "img"]
        prefix = "data:image/png;base64,"
        assert all(source.startswith(prefix) for source in sources)
        return [Image.open(io.BytesIO(base64.b64decode(source.removeprefix(prefix)))) for source in sources]


def test_slider_holds_both_pictures_and_one_handle():
    page = Tags(plotting.compare_slider(GREY[:8, :6], RGB, ("LR", "HR"), width=300).data)
    after, before = page.pictures()
    assert after.size == (12, 16) and before.size == (6, 8)
    np.testing.assert_allclose(np.asarray(after.convert("RGB")) / 255, RGB, atol=1 / 255)
    np.testing.assert_allclose(np.asarray(before.convert("RGB"))[..., 0] / 255, GREY[:8, :6, 0], atol=2 / 255)
    (handle,) = [attrs for tag, attrs in page.tags if tag == "input"]
    assert handle["type"] == "range" and "LR" in handle["aria-label"]
    assert [attrs["alt"] for tag, attrs in page.tags if tag == "img"] == ["HR", "LR"]
    assert page.text.split() == ["LR", "HR"]


def test_slider_escapes_labels_and_loads_nothing():
    labels = ('<b onclick="x">1</b>', "\"><script>alert('2')</script>")
    data = plotting.compare_slider(GREY, GREY, labels).data
    page = Tags(data)
    assert {tag for tag, _ in page.tags} == {"style", "div", "img", "b", "input"}
    assert "script" not in data.lower().replace("&lt;script&gt;", "").replace("&lt;/script&gt;", "")
    assert "http" not in data and 'onclick="x"' not in data
    for label in labels:
        assert label in page.text
    assert [attrs["alt"] for tag, attrs in page.tags if tag == "img"] == [labels[1], labels[0]]


def test_slider_is_the_same_for_the_same_images_and_its_style_only_its_own():
    one, same = (plotting.compare_slider(GREY, RGB).data for _ in range(2))
    other = plotting.compare_slider(GREY * 0.5, RGB).data
    assert one == same and one != other
    names = [next(attrs["class"] for tag, attrs in Tags(page).tags if tag == "div") for page in (one, other)]
    assert names[0] != names[1] and f".{names[0]}" not in other


def test_slider_uses_the_given_colours():
    norm = Normalize(0, 2)
    picture = Tags(plotting.compare_slider(GREY, GREY, norm=norm, cmap="inferno").data).pictures()[0]
    expected = plt.get_cmap("inferno")(norm(GREY[..., 0]))[..., :3]
    np.testing.assert_allclose(np.asarray(picture.convert("RGB")) / 255, expected, atol=2 / 255)


def test_knob_holds_all_pictures_side_by_side_in_their_order():
    page = Tags(plotting.knob([RGB, RGB[::-1], RGB * 0], ("one", "two", "three"), start=1).data)
    (strip,) = page.pictures()
    expected = np.concatenate([RGB, RGB[::-1], RGB * 0], axis=1)
    np.testing.assert_allclose(np.asarray(strip.convert("RGB")) / 255, expected, atol=1 / 255)
    (handle,) = [attrs for tag, attrs in page.tags if tag == "input"]
    assert (handle["min"], handle["max"], handle["value"]) == ("0", "2", "1")
    assert page.text.split() == ["one", "two", "three"]


@pytest.mark.parametrize("frames, labels", [([RGB, RGB], ("one",)), ([RGB, RGB[1:]], ("one", "two"))])
def test_knob_wants_a_label_for_each_picture_and_one_shape(frames, labels):
    with pytest.raises(ValueError, match="expected as many, of one shape"):
        plotting.knob(frames, labels)
