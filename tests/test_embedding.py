import torch

from cnnrnn.embedding import nearest

POINTS = torch.tensor([[1.0, 0.0], [2.0, 0.1], [0.0, 1.0], [-1.0, 0.0]])
LABELS = ["cat", "dog", "car", "sky"]


def test_neighbours_by_angle_and_by_inner_product() -> None:
    cosine = nearest(POINTS, LABELS, k=2)
    assert [name for name, _ in cosine["cat"]] == ["dog", "car"]
    assert cosine["dog"][0][1] == torch.cosine_similarity(POINTS[1], POINTS[0], dim=0).item()
    inner = nearest(POINTS, LABELS, k=1, measure="inner")
    assert inner["cat"] == [("dog", 2.0)]
    assert all(label not in dict(near) for label, near in cosine.items())


def test_more_neighbours_than_labels_are_all_the_others() -> None:
    assert all(len(near) == 3 for near in nearest(POINTS, LABELS, k=10).values())
