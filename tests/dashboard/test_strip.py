"""The strip of small maps, and the image whose locations can be clicked."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from views import location_chart, strip


@pytest.mark.parametrize("size", [(640, 480), (300, 3000), (1024, 40)])
def test_a_bar_below_the_image_is_filled_by_the_strength(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, (10, 200, 30))
    shapes = set()
    for strength in (0.0, 0.25, 1.0):
        pixels = np.asarray(strip.thumbnail(image, strength)).astype(int)
        shapes.add(pixels.shape)
        bar = pixels[-1]
        filled = (bar == bar[0]).all(axis=-1) if strength else np.zeros(len(bar), dtype=bool)
        assert filled.mean() == pytest.approx(strength, abs=0.01)
        assert (filled[:-1] >= filled[1:]).all()  # from the left
        middle = pixels[len(pixels) // 2 - 5, pixels.shape[1] // 2]
        assert middle.tolist() == [10, 200, 30]
    plain = np.asarray(strip.thumbnail(image))
    shapes.add(plain.shape)
    assert len(shapes) == 1  # the buttons below stand in one line


def test_every_location_has_a_point_with_its_value_on_the_image() -> None:
    Image.new("RGB", (200, 100), (1, 2, 3)).save(file := io.BytesIO(), "JPEG")
    values = np.array([[0.5, -1.0, 0.0, 2.0], [1.0, 0.25, 0.0, 0.0]])
    figure = location_chart.figure(file.getvalue(), (200, 100), values, 400)
    assert (figure.layout.width, figure.layout.height) == (400, 200)
    points = figure.data[0]
    assert list(points.customdata) == list(range(8))
    assert [text.split()[0] for text in points.hovertext[:2]] == ["+0.500", "-1.000"]
    assert (points.x[3], points.y[3]) == (0.875, 0.25)  # the last of the upper row
    assert list(figure.layout.yaxis.range) == [1, 0]  # row 0 is on top
    assert points.marker.size == 100  # as wide and high as a location
    assert not figure.layout.shapes
    framed = location_chart.figure(file.getvalue(), (200, 100), values, 400, 0.25, chosen=(1, 2))
    edges = {(shape.x0, shape.x1, shape.y0, shape.y1) for shape in framed.layout.shapes}
    assert edges == {(2.25 / 4, 3.25 / 4, 1.25 / 2, 2.25 / 2)}
    assert [shape.line.color for shape in framed.layout.shapes] == ["black", "white"]
    moved = location_chart.figure(file.getvalue(), (200, 100), values, 400, 0.5).data[0]
    assert (moved.x[3], moved.y[3]) == (1.0, 0.5)  # half a location to the right and down
    source = figure.layout.images[0].source
    assert base64.b64decode(source.removeprefix("data:image/jpeg;base64,")) == file.getvalue()


@pytest.mark.parametrize("size", [(600, 100), (100, 600)])
def test_all_of_a_long_image_is_shown(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, (1, 2, 3))
    for corner in ((0, 0), (size[0] - 20, size[1] - 20)):
        image.paste((200, 0, 0), (*corner, corner[0] + 20, corner[1] + 20))
    pixels = np.asarray(strip.thumbnail(strip.reduced(image))).astype(int)
    red = (pixels[..., 0] > 150) & (pixels[..., 1] < 90)
    rows, columns = np.nonzero(red)
    assert np.ptp(rows if size[1] > size[0] else columns) > 0.6 * max(pixels.shape[:2]) * 0.7  # both ends are there
    assert pixels.shape == np.asarray(strip.thumbnail(Image.new("RGB", (400, 300)))).shape


def test_a_tiny_image_is_enlarged_before_a_map_is_drawn_over_it() -> None:
    assert strip.reduced(Image.new("RGB", (48, 40))).size == (184, 154)
    assert strip.reduced(Image.new("RGB", (1, 40))).size == (5, 184)  # by its longer side
    assert strip.reduced(Image.new("RGB", (1, 2000))).size == (1, 2000)
    assert strip.reduced(Image.new("RGB", (1000, 1000))).size == (184, 184)


def test_an_image_of_usual_shape_fills_its_small_map() -> None:
    for size in ((400, 300), (300, 300), (480, 270)):
        assert (np.asarray(strip.thumbnail(Image.new("RGB", size, (1, 2, 3)))) == (1, 2, 3)).all()
