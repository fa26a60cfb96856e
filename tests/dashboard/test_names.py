"""Names beside points: which are written, and on which side."""

from __future__ import annotations

import numpy as np

from views import names

SIZE = (640, 460)
HALF_LETTERS, HALF_LINE, GAP = 12 * 6.4 / 2, 7.5, 2  # of "four letters", in pixels


def boxes(points: np.ndarray, placed: dict[int, str], radius: float) -> dict[int, tuple[float, float, float, float]]:
    """left, bottom, right and top of the names "four letters" beside dots."""
    found = {}
    for index, side in placed.items():
        down, across = side.split(" ")
        x, y = points[index]
        y += {"top": 1, "middle": 0, "bottom": -1}[down] * (radius + GAP + HALF_LINE)
        x += {"left": -1, "center": 0, "right": 1}[across] * (radius + GAP + HALF_LETTERS)
        found[index] = (x - HALF_LETTERS, y - HALF_LINE, x + HALF_LETTERS, y + HALF_LINE)
    return found


def overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def place(points: np.ndarray, radius: float = 4, squares: np.ndarray | None = None) -> dict[int, str]:
    radii = np.full(len(points), radius)
    return names.place(points, ["four letters"] * len(points), range(len(points)), radii, SIZE, squares)


def test_names_do_not_overlap_and_stay_in_the_chart() -> None:
    points = np.random.default_rng(1).random((300, 2)) * SIZE
    squares = np.random.default_rng(2).random((5, 2)) * SIZE
    found = boxes(points, place(points, squares=squares), 4)
    assert len(found) > 60
    taken = [(x - 7.4, y - 7.4, x + 7.4, y + 7.4) for x, y in squares]
    for box in found.values():
        assert not any(overlap(box, other) for other in taken)
        assert box[0] >= 0 <= box[1]
        assert box[2] <= SIZE[0]
        assert box[3] <= SIZE[1]
        taken.append(box)


def test_a_name_that_comes_first_has_its_place() -> None:
    points = np.array([[100.0, 100.0]] * 5)
    placed = names.place(points, list("abcde"), [4, 2, 0, 1, 3], np.full(5, 4.0), SIZE)
    assert placed == {4: "top center", 2: "bottom center", 0: "middle right", 1: "middle left"}


def test_a_name_is_on_a_side_without_dots() -> None:
    point = np.array([300.0, 200.0])
    above, below, right = (point + offset for offset in ((0, 14), (0, -14), (30, 0)))
    assert place(np.stack([point, above]))[0] == "bottom center"
    assert place(np.stack([point, above, below]))[0] == "middle right"
    assert place(np.stack([point, above, below, right]))[0] == "middle left"
    around = np.stack([above, below, right, point - (30, 0)])
    assert place(np.stack([point, *around]))[0] == "top right"
    corners = np.array([(300 + x, 200 + y) for x in (-30.0, 30.0) for y in (-14.0, 14.0)])
    full = np.stack([point, *around, *corners])
    assert place(full)[0] == "top center"  # over a dot rather than not at all
    few = names.place(full, ["four letters"] * 9, [1, 0, *range(2, 9)], np.full(9, 4.0), SIZE, over_dots=1)
    assert 0 not in few
    assert place(point[None], squares=np.concatenate([around, corners])) == {}


def test_a_name_is_beside_the_line_that_joins_the_squares() -> None:
    point = np.array([[300.0, 200.0]])
    assert place(point, squares=np.array([[100.0, 214.0], [500.0, 214.0]])) == {0: "bottom center"}
    rising = np.array([[100.0, 10.0], [500.0, 410.0]])  # 10 pixels above the dot
    assert place(point, squares=rising) == {0: "middle right"}
    assert place(point, squares=rising[:1]) == {0: "top center"}


def test_a_large_dot_keeps_its_name_at_a_distance() -> None:
    points = np.array([[300.0, 200.0], [300.0, 230.0]])
    assert place(points, radius=4)[0] == "top center"
    assert place(points, radius=10)[0] == "bottom center"


def test_a_long_name_is_written_in_short() -> None:
    apart = np.array([[100.0, 100.0], [260.0, 100.0]])
    assert names.place(apart, ["x" * 300] * 2, [0, 1], np.full(2, 4.0), SIZE) == dict.fromkeys([0, 1], "top center")
