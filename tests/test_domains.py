"""The data of StarGAN v2: layouts, balance, references and latents."""

import itertools

import numpy as np
import pytest
from conftest import noise_image, real_data

from data_reader import Domains, InputError, Loader, transforms
from data_reader.images import write_image
from data_reader.layout import domains


def write(root, **counts):
    """Folders of plain images of 12 x 12; each image of a tree has a level of its own."""
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for i in range(count):
            level = 20 * list(counts).index(name) + i
            image = np.full((12, 12, 3), level, "uint8")
            write_image(root / name / f"{i}.png", image)
    return root


def domains_of(root, **settings):
    sources, references, what = domains(root, train=True)
    return Domains(sources, references, image_size=12, latent_dim=4, what=what, **settings)


def levels(images):
    """The levels of plain images in [-1, 1]."""
    return np.rint((np.asarray(images)[..., 0, 0, 0] + 1) * 127.5).astype(int).tolist()


# ------------------------------------------------------------------------- layouts


def test_folders_for_training_and_for_testing(tmp_path):
    write(tmp_path / "train", dog=3, cat=2, owl10=1, owl9=1)
    write(tmp_path / "val", cat=1, owl9=1, owl10=2, dog=1)
    sources, references, what = domains(tmp_path, train=True)
    assert [(name, len(found)) for name, found in sources.items()] == [
        ("cat", 2), ("dog", 3), ("owl9", 1), ("owl10", 1)]  # fmt: skip
    assert references == sources
    assert what == "train/"
    sources, references, what = domains(tmp_path, train=False)
    assert [path.name for path in sources["owl10"]] == ["0.png", "1.png"]
    assert list(sources) == ["cat", "dog", "owl9", "owl10"]
    assert (references, what) == (sources, "val/")


def test_folders_without_splits_have_no_test_set(tmp_path):
    write(tmp_path, b=2, a=1)
    (tmp_path / ".thumbnails").mkdir()
    (tmp_path / "notes.txt").write_text("hello")
    sources, references, _ = domains(tmp_path, train=True)
    assert list(sources) == list(references) == ["a", "b"]
    assert domains(tmp_path, train=False) is None
    write(tmp_path / "split" / "train", b=2, a=1)
    assert domains(tmp_path / "split", train=False) is None


def test_a_folder_around_them_will_do(tmp_path):
    write(tmp_path / "data42681" / "afhq" / "train", cat=1, dog=1)
    assert domains(tmp_path, train=True)[2] == "train/"
    assert domains(tmp_path / "data42681", train=False) is None


def test_sources_beside_references(tmp_path):
    write(tmp_path / "src", cat=2, dog=1)
    write(tmp_path / "ref", cat=1, dog=3)
    sources, references, what = domains(tmp_path, train=True)
    assert {name: len(found) for name, found in sources.items()} == {"cat": 3, "dog": 4}
    assert references == sources
    assert what == "src/ and ref/"
    sources, references, _ = domains(tmp_path, train=False)
    assert {path.parent.parent.name for path in sources["dog"]} == {"src"}
    assert [path.parent.parent.name for path in references["dog"]] == ["ref"] * 3


def test_published_samples_are_read_as_they_are():
    root = real_data("afhq_representative")
    sources, references, what = domains(root, train=True)
    dataset = Domains(sources, references, image_size=64, what=what)
    assert dataset.describe() == ("43 images of 3 domains: cat 15, dog 13, wild 15, src/ and ref/")
    assert dataset.warnings() == []
    item = dataset.item(0, np.random.default_rng(0))
    assert item["x_real"].shape == (3, 64, 64)
    assert item["x_real"].std() > 0.1
    sources, references, _ = domains(root, train=False)
    assert [len(found) for found in (*sources.values(), *references.values())] == [
        5, 5, 5, 10, 8, 10]  # fmt: skip


def test_what_is_no_set_of_domains_is_named(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        domains(tmp_path / "nowhere", train=True)
    with pytest.raises(InputError, match=r"one a domain.*it is empty"):
        domains(tmp_path, train=True)
    write(tmp_path, cat=1)
    with pytest.raises(InputError, match=r"two folders or more.*contains: cat/"):
        domains(tmp_path, train=True)
    (tmp_path / "dog").mkdir()
    with pytest.raises(InputError, match="dog has no images, and each folder"):
        domains(tmp_path, train=True)


def test_folders_that_belong_together_have_the_same_domains(tmp_path):
    write(tmp_path / "a" / "train", cat=1, dog=1, wild=1)
    write(tmp_path / "a" / "test", cat=1, dog=1)
    with pytest.raises(InputError, match=r"train has wild, and .*test does not"):
        domains(tmp_path / "a", train=False)
    write(tmp_path / "b" / "src", cat=1, dog=1)
    with pytest.raises(InputError, match="ref is missing"):
        domains(tmp_path / "b", train=True)
    write(tmp_path / "b" / "ref", cat=1, cow=1)
    with pytest.raises(InputError, match=r"src has dog, and .*ref does not"):
        domains(tmp_path / "b", train=True)
    write(tmp_path / "c" / "test", cat=1, dog=1)
    with pytest.raises(InputError, match="train is missing"):
        domains(tmp_path / "c", train=True)
    assert list(domains(tmp_path / "c", train=False)[0]) == ["cat", "dog"]


# ------------------------------------------------------------------------- items


def test_an_item_has_a_source_and_two_references_of_one_domain(tmp_path):
    dataset = domains_of(write(tmp_path, cat=4, dog=3, wild=1))
    for index, seed in itertools.product(range(len(dataset)), range(8)):
        item = dataset.item(index, np.random.default_rng(seed))
        assert item["x_real"].shape == item["x_ref2"].shape == (3, 12, 12)
        assert item["x_real"].dtype == item["z_trg"].dtype == np.float32
        assert item["y_org"].shape == item["y_trg"].shape == ()
        assert item["y_org"].dtype == item["y_trg"].dtype == np.int64
        real, first, second = levels([item["x_real"], item["x_ref"], item["x_ref2"]])
        assert real // 20 == item["y_org"]
        assert first // 20 == second // 20 == item["y_trg"]
        assert (first != second) == (item["y_trg"] < 2)  # there is one image of `wild`


def test_targets_and_references_are_drawn_evenly_and_latents_are_normal(tmp_path):
    dataset = domains_of(write(tmp_path, cat=2, dog=4))
    rng = np.random.default_rng(0)
    items = [dataset.item(0, rng) for _ in range(600)]
    share = np.mean([item["y_trg"] for item in items])
    assert abs(share - 0.5) < 0.1
    dogs = np.bincount(
        levels([item["x_ref"] for item in items if item["y_trg"] == 1]), minlength=24
    )
    assert min(dogs[20:24]) > 40  # 75 are to be expected of each
    latents = np.array([[item["z_trg"], item["z_trg2"]] for item in items])
    assert latents.shape == (600, 2, 4)
    assert abs(latents.mean()) < 0.06
    assert abs(latents.var() - 1) < 0.1
    assert abs((latents[:, 0] * latents[:, 1]).mean()) < 0.1


def test_the_same_random_numbers_give_the_same_item_and_its_files(tmp_path):
    dataset = domains_of(write(tmp_path, cat=4, dog=5))
    for seed in range(10):
        first, again = (dataset.item(3, np.random.default_rng([1, seed])) for _ in range(2))
        assert all((first[key] == again[key]).all() for key in first)
        names = dataset.files(3, np.random.default_rng([1, seed]))
        found = [20 * ("dog" in name) + int(name[-5]) for name in names]
        assert found == levels([first[key] for key in ("x_real", "x_ref", "x_ref2")])


def test_a_test_set_does_not_depend_on_random_numbers(tmp_path):
    root = write(tmp_path, cat=4, dog=3, wild=5)
    write_image(root / "cat" / "0.png", noise_image(0, 30, 20))
    dataset = domains_of(root, augment=False)
    for index in range(len(dataset)):
        first, again = (dataset.item(index, np.random.default_rng(s)) for s in (1, 2))
        assert all((first[key] == again[key]).all() for key in first)
        real, *refs = dataset.files(index)
        assert len({real, *refs}) == 3  # never the source itself
    middle = transforms.resize(noise_image(0, 30, 20)[5:25], 12, 12)
    np.testing.assert_array_equal(
        dataset.item(0, None)["x_real"], transforms.normalise(middle)
    )  # nothing is squeezed
    orders = [(int(i["y_org"]), int(i["y_trg"])) for i in map(dataset.item, range(9), [None] * 9)]
    assert sorted(orders) == sorted(itertools.product(range(3), repeat=2))
    assert len({dataset.item(i, None)["z_trg"].tobytes() for i in range(12)}) == 12


def test_training_without_augmentation_still_draws_latents_and_references(tmp_path):
    root = write(tmp_path, cat=4, dog=4)
    write_image(root / "cat" / "0.png", noise_image(0, 12, 12))
    dataset = domains_of(root, augment=False, fixed=False)
    items = [dataset.item(0, np.random.default_rng(seed)) for seed in range(30)]
    assert len({item["z_trg"].tobytes() for item in items}) == 30
    assert len({item["x_ref"].tobytes() for item in items}) == 8
    assert len({item["x_real"].tobytes() for item in items}) == 1


def test_training_images_are_mirrored_half_the_time_and_cut_half_the_time(tmp_path):
    root = write(tmp_path, cat=0, dog=0)
    ramp = np.repeat(np.arange(40, dtype="uint8")[None, :, None] * 6, 3, axis=2).repeat(40, 0)
    for name in ("cat", "dog"):
        write_image(root / name / "0.png", ramp)
    sources, references, _ = domains(root, train=True)
    dataset = Domains(sources, references, image_size=40)
    rng = np.random.default_rng(0)
    rows = [dataset.item(0, rng)["x_real"][0, 20] for _ in range(400)]
    mirrored = [row[0] > row[-1] for row in rows]
    whole = [bool(np.ptp(row) > 234 / 127.5 - 1e-6) for row in rows]
    assert 0.4 < np.mean(mirrored) < 0.6
    assert 0.4 < np.mean(whole) < 0.6


def test_random_parts_have_the_area_and_the_shape_that_are_asked_for():
    rng = np.random.default_rng(0)
    boxes = np.array([transforms.random_box(400, 400, rng) for _ in range(2000)])
    top, left, height, width = boxes.T
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (top + height <= 400).all()
    assert (left + width <= 400).all()
    area, shape = height * width / 160_000, width / height
    assert area.min() > 0.797  # a pixel of rounding
    assert area.min() < 0.81
    assert area.max() > 0.98
    assert 0.897 < shape.min() < 0.91
    assert 1.09 < shape.max() < 1.103
    assert abs(np.log(shape).mean()) < 0.005
    slack = (400 - height) > 20
    assert abs((top[slack] / (400 - height[slack])).mean() - 0.5) < 0.05


def test_where_no_random_part_fits_in_the_middle_is_taken():
    rng = np.random.default_rng(0)
    assert transforms.random_box(10, 100, rng) == (0, 44, 10, 11)
    assert transforms.random_box(100, 10, rng) == (44, 0, 11, 10)


# ------------------------------------------------------------------------- epochs and batches


def test_every_epoch_shows_all_domains_equally_often(tmp_path):
    dataset = domains_of(write(tmp_path, cat=2, dog=3, wild=12))
    numbers = np.array([int(dataset.item(i, np.random.default_rng(0))["y_org"]) for i in range(17)])
    assert np.bincount(numbers).tolist() == [2, 3, 12]
    orders = [dataset.order(np.random.default_rng(seed)) for seed in range(30)]
    favoured = set()
    for order in orders:
        assert len(order) == 17
        counts = np.bincount(numbers[order])
        assert sorted(counts) == [5, 6, 6]
        favoured.add(int(counts.argmin()))
        uses = np.bincount(order, minlength=17)
        for y, most in ((0, 3), (1, 2), (2, 1)):  # images of a domain differ by one use at most
            assert np.ptp(uses[numbers == y]) <= 1
            assert uses[numbers == y].max() <= most
    assert favoured == {0, 1, 2}  # no domain is always the one that comes less often
    assert len({order.tobytes() for order in orders}) == 30
    assert set(np.concatenate(orders)) == set(range(17))
    # They are mixed: the first six are of different domains.
    assert np.mean([len(set(numbers[order[:6]])) for order in orders]) > 2.2
    again = dataset.order(np.random.default_rng(3))
    np.testing.assert_array_equal(again, orders[3])


def test_the_loader_collates_numbers_of_domains(tmp_path):
    dataset = domains_of(write(tmp_path, cat=3, dog=5))
    whole = Loader(dataset, 4, seed=1).batch(2)
    assert whole["y_org"].shape == whole["y_trg"].shape == (4,)
    assert whole["y_org"].dtype == whole["y_trg"].dtype == np.int64
    assert whole["x_ref"].shape == (4, 3, 12, 12)
    assert whole["z_trg2"].shape == (4, 4)
    halves = [Loader(dataset, 4, seed=1, rank=rank, world_size=2).batch(2) for rank in (0, 1)]
    for key, values in whole.items():
        np.testing.assert_array_equal(np.concatenate([half[key] for half in halves]), values)
    names = Loader(dataset, 4, seed=1).files(2)
    real = [20 * ("dog" in name) + int(name[-5]) for name in names[::3]]
    assert real == levels(whole["x_real"])


def test_limited_takes_the_domains_in_turn(tmp_path):
    dataset = domains_of(write(tmp_path, cat=5, dog=1, wild=4))
    few = dataset.limited(6)
    names = [few.files(i)[0] for i in range(len(few))]
    assert [name.split("/")[-2] for name in names] == ["cat", "dog", "wild", "cat", "wild", "cat"]
    rng = np.random.default_rng(0)
    seen = {name for i in range(6) for _ in range(20) for name in few.files(i, rng)}
    assert seen == set(names)  # the references are limited too
    assert few.describe().startswith("6 images of 3 domains: cat 3, dog 1, wild 2")
    assert len(few.paths()) == few.fingerprint()["items"] == 6
    assert len(dataset) == 10
    assert few.fingerprint() != dataset.fingerprint()
    one = dataset.limited(1)
    assert len(one) == 1
    assert one.order(rng).tolist() == [0]
    assert {int(one.item(0, rng)["y_trg"]) for _ in range(40)} == {0, 1, 2}
    assert one.domains == ["cat", "dog", "wild"]


def test_chosen_domains_are_numbered_as_they_are_named(tmp_path):
    dataset = domains_of(write(tmp_path, cat=2, dog=3, wild=4)).select(["wild", "cat"])
    assert dataset.domains == ["wild", "cat"]
    assert len(dataset) == 6
    item = dataset.item(1, np.random.default_rng(0))
    assert item["y_org"] == 1
    assert levels([item["x_real"]]) == [0]
    with pytest.raises(InputError, match=r"no domain 'cow'.*wild, cat"):
        dataset.select(["cow", "cat"])


def test_what_is_to_be_known_of_the_data_is_said(tmp_path):
    root = write(tmp_path, cat=2, dog=4)
    said = Domains(*domains(root, train=True)[:2], image_size=64).warnings()
    assert len(said) == 2
    assert "2 to 4 images" in said[0]
    assert "12 pixels are enlarged to 64" in said[1]
    write_image(root / "cat" / "2.png", noise_image(0, 12, 12))
    assert domains_of(root).warnings() == []
    (root / "dog" / "1.png").write_text("not an image")
    with pytest.raises(InputError, match=r"1\.png"):
        domains_of(root).item(3, np.random.default_rng(0))
