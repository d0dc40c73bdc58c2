"""Data: parts that never overlap nor change, batches that depend on numbers alone."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from archdsl.evaluate.data import open_data
from archdsl.evaluate.sources import split
from archdsl.syntax.errors import ArchError

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="module")
def digits():
    return open_data("digits", shape=(3, 16, 16), classes=10)


def test_digits_are_cut_by_class(digits):
    parts = {"train": digits.train, "validation": digits.validation, "test": digits.test}
    assert {name: len(part) for name, part in parts.items()} == {
        "train": 897,
        "validation": 450,
        "test": 450,
    }
    whole = Counter(int(label) for part in parts.values() for label in part.labels)
    for part in parts.values():
        counts = Counter(part.labels.tolist())
        assert all(abs(counts[k] / len(part) - whole[k] / 1797) < 0.003 for k in range(10))


def test_digits_are_disjoint_and_complete(digits):
    """By their pixels: scikit-learn's digits have no doubles."""
    seen = [
        image.numpy().tobytes()
        for part in (digits.train, digits.validation, digits.test)
        for image in part.images
    ]
    assert len(seen) == len(set(seen)) == 1797


def test_digits_fit_the_network(digits):
    images, labels = digits.training_batch(1, 0, 0)
    assert images.shape == (128, 3, 16, 16)
    assert images.dtype == torch.float32
    assert 0 <= images.min() < 0.01 < 0.9 < images.max() <= 1
    assert labels.dtype == torch.int64
    grey = open_data("digits", shape=(1, 8, 8), classes=10)
    assert torch.equal(grey.train.labels, digits.train.labels)
    from sklearn.datasets import load_digits

    real = {(image / 16).astype(np.float32).tobytes() for image in load_digits().images}
    assert all(image.numpy().tobytes() in real for image in grey.test.images)


def test_the_split_is_fixed_for_ever(digits):
    assert digits.validation.labels[:12].tolist() == [2, 8, 2, 4, 8, 9, 0, 2, 1, 3, 6, 8]
    labels = [0, 0, 0, 0, 1, 1, 1, 1] * 5
    parts = split(labels, (0.5, 0.25, 0.25), "digits")
    assert sorted(sum(parts, ())) == list(range(40))
    assert [len(part) for part in parts] == [20, 10, 10]


def test_an_epoch_is_every_image_once(digits):
    """But for the 897th: a batch of one image has no batch statistics."""
    assert digits.steps == 7
    pixels = [
        image.numpy().tobytes()
        for step in range(digits.steps)
        for image in digits.training_batch(5, 3, step)[0]
    ]
    assert len(set(pixels)) == len(pixels) == 896
    assert set(pixels) < {image.numpy().tobytes() for image in digits.train.images}


def test_batches_depend_on_seed_epoch_and_step(digits):
    batch = digits.training_batch(5, 3, 2)
    torch.rand(3)  # the global generator plays no part
    again = open_data("digits", shape=(3, 16, 16), classes=10).training_batch(5, 3, 2)
    assert all(torch.equal(a, b) for a, b in zip(batch, again, strict=True))
    for other in ((6, 3, 2), (5, 4, 2), (5, 3, 1)):
        assert not torch.equal(batch[0], digits.training_batch(*other)[0])


def test_validation_is_prepared_once(digits):
    batches = digits.validation_batches
    assert [len(labels) for _, labels in batches] == [128, 128, 128, 66]
    assert digits.validation_batches is batches
    assert [b[0].data_ptr() for b in digits.reward_batches] == [
        b[0].data_ptr() for b in batches[:3]
    ]
    assert all(len(set(labels.tolist())) == 10 for _, labels in batches)  # shuffled


def test_calibration_uses_training_images_only(digits):
    images, _ = digits.calibration_batches(2)[1]
    train = {image.numpy().tobytes() for image in digits.train.images}
    assert all(image.numpy().tobytes() in train for image in images)
    assert digits.calibration_batches(2)[1][0] is images
    assert len(digits.calibration_batches(100)) == digits.steps


# ---- what goes wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shape", "classes", "code", "words"),
    [
        ("mnist", (1, 8, 8), 10, "E0802", "no data called 'mnist'"),
        ("digits:somewhere", (1, 8, 8), 10, "E0802", "no data called"),
        ("cifar10", (3, 32, 32), 10, "E0802", "needs the folder"),
        ("cifar10:nowhere", (3, 32, 32), 10, "E0803", "cifar10 is not in nowhere"),
        ("cifar100:nowhere", (3, 32, 32), 100, "E0803", "cifar100 is not in nowhere"),
        ("flowers102:nowhere", (3, 64, 64), 102, "E0803", "flowers102 is not in nowhere"),
        ("folder:nowhere", (3, 64, 64), 17, "E0803", "folder is not in nowhere"),
        ("digits", (1, 8, 8), 102, "E0804", "digits has 10 classes, the network tells 102"),
        ("digits", (64,), 10, "E0804", "channels, height and width"),
        ("folder:nowhere", (1, 64, 64), 17, "E0804", "colour images"),
    ],
)
def test_what_is_wrong_is_said(text, shape, classes, code, words):
    with pytest.raises(ArchError, match=words) as caught:
        open_data(text, shape=shape, classes=classes)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == code
    if code == "E0803":
        assert "nothing is downloaded" in diagnostic.hint


# ---- files ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def flowers(tmp_path_factory):
    """Oxford Flowers-17 as a folder of classes, ten images each."""
    if not (SHARED / "flowers17_96px.npz").exists():
        pytest.skip("the image packs beside the repository are not here")
    pack = np.load(SHARED / "flowers17_96px.npz")
    stream, offsets, labels = pack["jpeg"].tobytes(), pack["offsets"], pack["labels"]
    root = tmp_path_factory.mktemp("flowers")
    counts: Counter[int] = Counter()
    for number, label in enumerate(labels.tolist()):
        if counts[label] < 10:
            counts[label] += 1
            place = root / f"class{label:02}" / f"{number}.jpg"
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(stream[offsets[number] : offsets[number + 1]])
    return root


def test_a_folder_of_classes_is_cut(flowers):
    data = open_data(f"folder:{flowers}", shape=(3, 32, 32), classes=17, batch_size=16)
    rows = [set(part.rows) for part in (data.train, data.validation, data.test)]
    assert set.union(*rows) == set(range(170))
    assert sum(len(part) for part in rows) == 170
    assert all(len(part) >= 34 for part in rows)
    images, _ = data.training_batch(1, 0, 0)
    assert images.shape == (16, 3, 32, 32)
    assert 0 <= images.min() < images.max() <= 1
    again = data.training_batch(1, 0, 0)
    assert torch.equal(images, again[0])
    plain = data.train.plain(range(16))[0]
    assert torch.equal(plain, data.train.plain(range(16))[0])
    assert not torch.equal(plain, data.train.augmented(range(16), 1)[0])


def test_a_folder_of_parts_is_taken_as_it_is(flowers, tmp_path):
    for part, classes in (("train", 3), ("test", 3)):
        (tmp_path / part).mkdir()
        for k in range(classes):
            (tmp_path / part / f"class{k:02}").symlink_to(flowers / f"class{k:02}")
    data = open_data(f"folder:{tmp_path}", shape=(3, 32, 32), classes=3)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [27, 3, 30]
    (tmp_path / "val").mkdir()
    (tmp_path / "val" / "class00").symlink_to(flowers / "class00")
    with pytest.raises(ArchError, match="different classes"):
        open_data(f"folder:{tmp_path}", shape=(3, 32, 32), classes=3)
    for k in (1, 2):
        (tmp_path / "val" / f"class{k:02}").symlink_to(flowers / f"class{k:02}")
    data = open_data(f"folder:{tmp_path}", shape=(3, 32, 32), classes=3)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [30, 30, 30]


def cifar_images(name):
    """Lossless WebP mosaics of 40 x 50 tiles, as (N, 3072) planar bytes, and labels."""
    import tarfile

    from PIL import Image

    tiles, labels = [], None
    with tarfile.open(SHARED / name) as tar:
        for member in sorted(tar.getnames()):
            content = tar.extractfile(member).read()
            if member == "labels.npy":
                labels = np.load(io.BytesIO(content))
                continue
            mosaic = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
            grid = mosaic.reshape(mosaic.shape[0] // 32, 32, 50, 32, 3).transpose(0, 2, 4, 1, 3)
            tiles.append(grid.reshape(-1, 3072))
    return np.concatenate(tiles), labels


def test_cifar_is_read_with_its_official_test(tmp_path, monkeypatch):
    """Real images: the fifth batch cut in five, and the first thousand of the test. They are not
    the official files, so torchvision's checksums are left out."""
    if not (SHARED / "cifar10_test1k.tar").exists():
        pytest.skip("the image packs beside the repository are not here")
    import pickle

    from torchvision.datasets import CIFAR10

    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    train, train_labels = cifar_images("cifar10_data_batch_5.tar")
    test, test_labels = cifar_images("cifar10_test1k.tar")
    for number in range(1, 6):
        rows = slice(2000 * (number - 1), 2000 * number)
        entry = {"data": train[rows], "labels": train_labels[rows].tolist()}
        (folder / f"data_batch_{number}").write_bytes(pickle.dumps(entry))
    entry = {"data": test, "labels": test_labels.tolist()}
    (folder / "test_batch").write_bytes(pickle.dumps(entry))
    names = {"label_names": [str(k) for k in range(10)]}
    (folder / "batches.meta").write_bytes(pickle.dumps(names))
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
    assert CIFAR10.base_folder == folder.name
    data = open_data(f"cifar10:{tmp_path}", shape=(3, 32, 32), classes=10)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [9001, 999, 1000]
    first, _ = next(data.test_batches())
    assert torch.equal(first[0], torch.tensor(test[0].reshape(3, 32, 32)).float() / 255)
    images, _ = data.training_batch(1, 0, 0)
    assert images.shape == (128, 3, 32, 32)
    assert torch.equal(images, data.training_batch(1, 0, 0)[0])
    assert not torch.equal(images, data.training_batch(1, 0, 1)[0])
    small = open_data(f"cifar10:{tmp_path}", shape=(3, 16, 16), classes=10)
    assert small.test.images.shape == (1000, 3, 16, 16)
