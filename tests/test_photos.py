"""Photographs for colorization: items, grey ones, layouts."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from conftest import noise_image, real_data

from data_reader import InputError, Loader, Photos
from data_reader.colour import chroma, decode, encode, lab_to_rgb, rgb_to_lab
from data_reader.datasets import ImageDataset
from data_reader.images import read_image, write_image
from data_reader.layout import MAX_VALIDATION, choose_validation, photos
from data_reader.photos import colour_stats, read_colour_stats
from draw_demo.photos import colour_scene


def rng():
    return np.random.default_rng(0)


def saved(folder, *images, suffix=".png"):
    """Write the images as 0, 1, ... and return their paths."""
    paths = [folder / f"{i}{suffix}" for i in range(len(images))]
    for path, image in zip(paths, images):
        write_image(path, image)
    return paths


def grey_photo(seed, quality=60, tint=(255, 255, 255)):
    """What a scanner makes of a print: grey, noise of its three sensors, a tint, and JPEG."""
    scene = cv2.cvtColor(colour_scene(seed, 256), cv2.COLOR_RGB2GRAY)[..., None]
    noisy = scene + np.random.default_rng(seed).normal(0, 4, (256, 256, 3))
    levels = np.clip(noisy * np.array(tint) / 255, 0, 255).astype(np.uint8)
    jpeg = cv2.imencode(".jpg", levels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(jpeg, cv2.IMREAD_COLOR)[..., ::-1].copy()


# ------------------------------------------------------------------------- items


def test_an_item_is_lightness_and_colour_of_one_window(tmp_path):
    image = noise_image(1, 20, 30)
    data = Photos(saved(tmp_path, image), load_size=0, crop_size=12, crop_type="Center", flip=False)
    item = data.item(0, rng())
    assert {key: (v.shape, v.dtype) for key, v in item.items()} == {
        "l": ((1, 12, 12), np.float32),
        "ab": ((2, 12, 12), np.float32),
    }
    np.testing.assert_array_equal(lab_to_rgb(decode(item["l"], item["ab"])), image[4:16, 9:21])
    l, ab = encode(rgb_to_lab(image))  # noqa: E741
    np.testing.assert_allclose(item["l"], l[:, 4:16, 9:21], atol=1e-3)
    np.testing.assert_allclose(item["ab"], ab[:, 4:16, 9:21], atol=1e-3)


def test_random_windows_and_flips_follow_from_the_numbers_given(tmp_path):
    image = noise_image(2, 9, 8)
    data = Photos(saved(tmp_path, image), load_size=0, crop_size=8)
    seen = set()
    for seed in range(40):
        item = data.item(0, np.random.default_rng(seed))
        again = data.item(0, np.random.default_rng(seed))
        assert item["l"].tobytes() == again["l"].tobytes()
        seen.add(lab_to_rgb(decode(**item)).tobytes())
    windows = [image[:8], image[1:]]
    assert seen == {w.tobytes() for w in windows} | {w[:, ::-1].tobytes() for w in windows}


def test_the_short_side_is_brought_to_load_size(tmp_path):
    paths = saved(tmp_path, noise_image(3, 20, 40), noise_image(4, 6, 5))
    item = Photos(paths, load_size=10, crop_size=10, crop_type="None", flip=False).item(0, rng())
    assert item["ab"].shape == (2, 10, 20)
    enlarged = Photos(paths, load_size=10, crop_size=10).item(1, rng())
    assert enlarged["l"].shape == (1, 10, 10)
    with pytest.raises(InputError, match=r"1\.png is 5x6, smaller than the crop of 10.*load-size"):
        Photos(paths, load_size=0, crop_size=10).item(1, rng())


def test_a_grey_file_is_a_image_without_colour(tmp_path):
    path = tmp_path / "grey.png"
    cv2.imwrite(str(path), noise_image(5)[..., 0])
    item = Photos([path], load_size=0, crop_size=40).item(0, rng())
    assert np.abs(item["ab"]).max() < 1e-5
    assert np.ptp(item["l"]) > 1.5


def test_data_is_known_by_its_files(tmp_path):
    data = Photos(saved(tmp_path, noise_image(1), noise_image(2)), what="photographs of x/")
    assert data.files(1) == [str(tmp_path / "1.png")]
    assert [name for name, _ in data.paths()] == [
        f"{tmp_path.name}/0.png",
        f"{tmp_path.name}/1.png",
    ]
    assert data.describe() == "photographs of x/"
    assert data.fingerprint() == Photos(data.items, crop_size=8, what="others").fingerprint()
    assert data.fingerprint() != data.limited(1).fingerprint()
    assert len(data.limited(1)) == 1
    batch = Loader(Photos(data.items, load_size=0, crop_size=32), 2).batch(0)
    assert batch["ab"].shape == (2, 2, 32, 32)


# ------------------------------------------------------------------------- grey images


@pytest.mark.parametrize("tint", [(255, 255, 255), (255, 250, 238), (255, 243, 218)])
def test_grey_images_are_known_for_what_they_are(tint):
    assert all(colour_stats(grey_photo(seed, 40 + 10 * seed, tint)).grey for seed in range(6))


def test_coloured_images_are_not_grey():
    assert not any(colour_stats(colour_scene(index, 64)).grey for index in range(30))
    sky = np.linspace((90, 140, 210), (200, 220, 245), 64)[:, None].repeat(64, 1).astype(np.uint8)
    assert not colour_stats(sky).grey  # its colour follows from its lightness, but it is no tint
    grey = np.full((64, 64, 3), 128, np.uint8)
    assert colour_stats(grey) == (pytest.approx(0, abs=1e-3), True)
    poppy = grey.copy()
    poppy[20:40, 20:40] = (200, 30, 40)
    assert not colour_stats(poppy).grey


def test_chroma_is_measured_on_small_and_large_files(tmp_path):
    flat = np.full((300, 400, 3), (178, 90, 60), np.uint8)
    expected = float(chroma(rgb_to_lab(flat[:1, :1]).transpose(2, 0, 1)[1:]).mean())
    small, large = saved(tmp_path, flat[:20, :30], flat, suffix=".jpg")
    for path in (small, large):
        assert read_colour_stats(path).chroma == pytest.approx(expected, abs=1)


@pytest.fixture
def mixed(tmp_path):
    """Two coloured images, two grey ones, a damaged one and one that is not there."""
    images = [colour_scene(0, 64), grey_photo(1), colour_scene(1, 64), grey_photo(2)]
    paths = saved(tmp_path / "mixed", *images, suffix=".jpg")
    broken = tmp_path / "mixed" / "broken.jpg"
    broken.write_bytes(paths[0].read_bytes()[:400])
    return [*paths, broken, tmp_path / "mixed" / "gone.jpg"]


def test_grey_images_are_found_and_files_that_cannot_be_read_are_passed_over(mixed):
    stats = [read_colour_stats(path) for path in mixed]
    assert [found and found.grey for found in stats] == [False, True, False, True, None, None]


def test_grey_images_are_counted_and_an_option_leaves_them_out(mixed):
    kept = Photos(mixed, load_size=0, crop_size=32)
    assert len(kept) == 6
    (warning,) = kept.warnings()
    assert warning.startswith("2 of 4 scanned images")
    assert "--grey skip" in warning
    skipped = Photos(mixed, load_size=0, crop_size=32, grey="skip", what="photographs of mixed/")
    assert [path.name for path in skipped.items] == ["0.jpg", "2.jpg", "broken.jpg", "gone.jpg"]
    assert skipped.describe() == "photographs of mixed/, 2 grey ones skipped"
    assert skipped.warnings() == []
    with pytest.raises(InputError, match=r"broken\.jpg is truncated"):
        skipped.item(2, rng())
    with pytest.raises(InputError, match="gone"):
        skipped.item(3, rng())
    assert Photos(skipped.items[:1], grey="skip").describe() == "photographs"
    with pytest.raises(InputError, match="all 2 photographs are grey; --grey keep"):
        Photos([mixed[1], mixed[3]], grey="skip")
    with pytest.raises(InputError, match="keep or skip"):
        Photos(mixed, grey="drop")


def test_chroma_statistics_are_those_of_the_images(tmp_path, mixed):
    levels = ((200, 40, 40), (60, 120, 200), (128, 128, 128))
    flat = [np.full((40, 40, 3), level, np.uint8) for level in levels]
    paths = saved(tmp_path / "flat", *flat)
    each = [np.hypot(*rgb_to_lab(image)[0, 0, 1:]) for image in flat]
    found = Photos([*paths, mixed[-1]]).chroma_statistics()
    expected = dict(zip(("p5", "p50", "p95"), np.percentile(each, (5, 50, 95))))
    expected.update(mean=np.mean(each), grey=1 / 3, scanned=3)
    assert found == pytest.approx(expected, abs=1e-3)
    unreadable = Photos([mixed[-1]])
    assert unreadable.chroma_statistics()["scanned"] == 0
    assert unreadable.warnings() == []


def test_a_large_set_is_sampled(tmp_path, monkeypatch):
    data = Photos(range(1001))
    seen = []
    monkeypatch.setattr("data_reader.photos.read_colour_stats", seen.append)
    data.warnings()
    data.statistics()  # the second one scans nothing again
    assert len(seen) == len(set(seen)) == 200
    assert {0, 1000} <= set(seen)
    assert np.ptp(np.diff(sorted(seen))) <= 1
    few = data.limited(10)
    seen.clear()
    few.warnings()
    assert len(seen) == 10


def test_a_dry_run_prints_the_statistics(mixed):
    from paddle_gans.training.dry_run import describe_data

    data = Photos(mixed[:4], load_size=0, crop_size=32)
    text = "\n".join(describe_data(SimpleNamespace(loader=Loader(data, 2))))
    assert "50.0% grey, of 4 scanned images" in text
    assert f"mean chroma {data.chroma_statistics()['mean']:.1f};" in text
    assert ImageDataset().statistics() == []


# ------------------------------------------------------------------------- layouts


def test_folders_that_are_named_for_it(tmp_path):
    for folder in ("train/a", "train/b", "val", "other"):
        saved(tmp_path / folder, noise_image(1), noise_image(2))
    paths, what = photos(tmp_path, train=True)
    assert len(paths) == 4
    assert what == "photographs of train/"
    assert photos(tmp_path, train=False) == (
        [tmp_path / "val" / "0.png", tmp_path / "val" / "1.png"],
        "photographs of val/",
    )
    (tmp_path / "val").rename(tmp_path / "test")
    assert photos(tmp_path, train=False)[1] == "photographs of test/"
    (tmp_path / "test").rename(tmp_path / "elsewhere")
    assert photos(tmp_path, train=False) == ([], "")


def test_coco_as_it_is_unpacked(tmp_path):
    saved(tmp_path / "train2017", noise_image(1))
    saved(tmp_path / "val2017", noise_image(2))
    assert photos(tmp_path, train=True)[0] == [tmp_path / "train2017" / "0.png"]
    assert photos(tmp_path, train=False)[0] == [tmp_path / "val2017" / "0.png"]


def test_any_other_tree_is_split_the_same_way_every_time(tmp_path):
    for folder, count in (("holidays", 30), ("holidays/sea", 20), ("home", 10)):
        saved(tmp_path / folder, *[noise_image(0, 4, 4)] * count)
    train, what = photos(tmp_path, train=True)
    test, what_test = photos(str(tmp_path), train=False)
    assert len(train) + len(test) == 60
    assert 1 <= len(test) <= 8
    assert not set(train) & set(test)
    assert what == f"photographs of {tmp_path.name}/, {len(test)} of 60 kept for the validation set"
    assert what_test == f"photographs of {tmp_path.name}/, {len(test)} of 60 in the validation set"
    assert photos(tmp_path, train=True)[0] == train
    splits = {tuple(photos(tmp_path, train=False, seed=seed)[0]) for seed in range(5)}
    assert len(splits) == 5
    moved = tmp_path.with_name("moved")
    tmp_path.rename(moved)
    again, _ = photos(moved, train=False)
    assert [p.relative_to(moved) for p in again] == [p.relative_to(tmp_path) for p in test]


def test_more_images_do_not_move_the_others():
    names = [f"{i:05}.jpg" for i in range(6000)]
    few, many = (dict(zip(names, choose_validation(names[:n], 0))) for n in (2000, 6000))
    assert all(many[name] == few[name] for name in few)
    assert 70 < sum(few.values()) < 130
    shuffled = dict(zip(names[::-1], choose_validation(names[::-1], 0)))
    assert shuffled == many


@pytest.mark.parametrize("seed", range(4))
def test_size_of_the_validation_set(seed):
    names = [f"image {i}" for i in range(30_000)]
    assert choose_validation(names[:4], seed) == [False] * 4
    assert all(sum(choose_validation(names[:count], seed)) >= 1 for count in range(5, 60))
    assert sum(choose_validation(names, seed)) == MAX_VALIDATION == 500


def test_few_images_are_all_for_training(tmp_path):
    saved(tmp_path, *[noise_image(0)] * 4)
    assert len(photos(tmp_path, train=True)[0]) == 4
    assert photos(tmp_path, train=False)[0] == []


def test_what_is_no_folder_of_photographs_is_said(tmp_path):
    with pytest.raises(
        InputError, match="nowhere does not exist; --data takes a folder of images, or `demo`"
    ):
        photos(tmp_path / "nowhere", train=True)
    with pytest.raises(InputError, match="has no images"):
        photos(tmp_path, train=True)
    with pytest.raises(InputError, match="2 paths"):
        photos(["a", "b"], train=True)


# ------------------------------------------------------------------------- real photographs


def test_real_photographs():
    root = real_data("bsds500")
    train, test = (photos(root, train=part)[0] for part in (True, False))
    assert (len(train), len(test)) == (200, 100)
    assert len(photos(root / "train", train=False)[0]) == 10
    data = Photos(train, load_size=72, crop_size=64)
    found = data.chroma_statistics()
    assert found["scanned"] == 200
    assert found["grey"] == 0
    assert 10 < found["p50"] < 25
    image = read_image(train[0])
    np.testing.assert_array_equal(lab_to_rgb(rgb_to_lab(image)), image)
    batch = Loader(data, 4).batch(0)
    assert batch["l"].shape == (4, 1, 64, 64)
    assert np.abs(batch["ab"]).max() < 1
