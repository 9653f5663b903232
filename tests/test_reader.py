"""The paired reader: the paper's interface, layouts, windows, batches."""

import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import ROOT, noise_image, real_data

from data_reader import InputError, Loader, Paired, data_reader, framework, layout
from data_reader.images import left_out, list_images, write_image
from data_reader.layout import ListFile, Pair, paired, read_list


def listed(tmp_path, count=5, size=16):
    """A data set as the paper has it: a list file of A<TAB>B pairs; B is A's negative."""
    root = tmp_path / "data" / "city"
    lines = []
    for i in range(count):
        image = noise_image(i, size, size)
        write_image(root / "A" / f"{i}.png", image)
        write_image(root / "B" / f"{i}.png", 255 - image)
        lines.append(f"A/{i}.png\tB/{i}.png")
    (root / "train.txt").write_text("\n".join(lines) + "\n")
    (root / "test.txt").write_text("\n".join(lines[:2]) + "\n")
    return root


def paper_cfg(root, **changes):
    settings = {
        "data_dir": str(root.parent), "shuffle": True, "dataset": root.name,
        "model_net": "Pix2pix", "train_list": str(root / "train.txt"), "batch_size": 1,
        "drop_last": False, "run_test": False, "load_size": 16, "crop_size": 12,
        "crop_type": "Random",
    }  # fmt: skip
    return SimpleNamespace(**{**settings, **changes})


def test_paper_interface_gives_pairs_of_one_window(tmp_path):
    train_reader, test_reader, batch_num = data_reader(paper_cfg(listed(tmp_path))).make_data()
    data = np.array(next(train_reader()))
    assert data.shape == (2, 1, 3, 12, 12)
    assert data.dtype == np.float32
    np.testing.assert_allclose(data[0], -data[1], atol=1e-6)  # the same window of both
    assert test_reader is None
    assert batch_num == 5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"dataset": "."},
            r"train\.txt names A/0\.png, which is not in .*data; choose data_dir and",
        ),
        ({"train_list": "nowhere"}, "cannot read the list nowhere: No such file"),
        ({"crop_type": "Midle"}, "unknown crop_type 'Midle'; use 'Random', 'Center' or None"),
    ],
)
def test_what_is_wrong_with_a_configuration(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        data_reader(paper_cfg(listed(tmp_path), **changes)).make_data()


def test_a_pass_covers_every_pair_once_and_passes_differ(tmp_path):
    train_reader, _, _ = data_reader(paper_cfg(listed(tmp_path), crop_size=16)).make_data()
    passes = [[a.tobytes() for a, _ in train_reader()] for _ in range(2)]
    assert len(passes[0]) == 5
    assert sorted(passes[0]) == sorted(passes[1])
    assert passes[0] != passes[1]


@pytest.mark.parametrize(("drop_last", "sizes"), [(False, [2, 2, 1]), (True, [2, 2])])
def test_drop_last_and_batch_num(tmp_path, drop_last, sizes):
    cfg = paper_cfg(listed(tmp_path), batch_size=2, drop_last=drop_last)
    train_reader, _, batch_num = data_reader(cfg).make_data()
    assert [len(a) for a, _ in train_reader()] == sizes
    assert batch_num == len(sizes)


def test_test_reader_shows_whole_images_at_crop_size_in_order(tmp_path):
    root = listed(tmp_path)
    cfg = paper_cfg(root, run_test=True, crop_size=16)
    _, test_reader, _ = data_reader(cfg).make_data()
    first, second = list(test_reader())
    expected = noise_image(0, 16, 16).transpose(2, 0, 1) / 127.5 - 1
    np.testing.assert_allclose(first[0][0], expected, atol=1e-6)
    assert len(second) == 2
    smaller = paper_cfg(root, run_test=True, crop_size=8)
    assert next(data_reader(smaller).make_data()[1]())[0].shape == (1, 3, 8, 8)


@pytest.mark.parametrize("spelling", ["Centor", "Center"])
def test_centre_crop_in_either_spelling(tmp_path, spelling):
    cfg = paper_cfg(listed(tmp_path, 1), crop_type=spelling)
    a, _ = next(data_reader(cfg).make_data()[0]())
    expected = noise_image(0, 16, 16)[2:14, 2:14].transpose(2, 0, 1) / 127.5 - 1
    np.testing.assert_allclose(a[0], expected, atol=1e-6)


def test_no_crop_keeps_the_loaded_image(tmp_path):
    cfg = paper_cfg(listed(tmp_path), crop_type=None)
    assert next(data_reader(cfg).make_data()[0]())[0].shape == (1, 3, 16, 16)


def test_a_missing_setting_is_named(tmp_path):
    cfg = paper_cfg(listed(tmp_path))
    del cfg.load_size
    with pytest.raises(InputError, match="load_size"):
        data_reader(cfg)


def test_the_papers_reader_draws_as_the_loader_of_training(tmp_path):
    reader, _, _ = data_reader(paper_cfg(listed(tmp_path), batch_size=2)).make_data()
    loader = Loader(reader.dataset, 2)
    for step, (a, _) in enumerate(list(reader())[:2]):
        np.testing.assert_array_equal(a, loader.batch(step)["a"])
        assert reader.files(step) == loader.files(step)


def test_load_size_equal_to_crop_size_and_the_last_window():
    """The old reader failed on the first and never drew the second."""
    from data_reader.transforms import crop

    image = np.arange(5 * 5).reshape(5, 5, 1).astype("uint8")
    rng = np.random.default_rng(0)
    assert crop([image], 5, "Random", rng, "x")[0].tobytes() == image.tobytes()
    corners = {int(crop([image], 3, "Random", rng, "x")[0][0, 0, 0]) for _ in range(400)}
    assert corners == {r * 5 + c for r in range(3) for c in range(3)}  # 3 = 5 - 3 + 1 of each


def test_resizing_only_when_the_size_differs(tmp_path):
    root = listed(tmp_path, 1)
    pairs = read_list(root / "train.txt", root)
    rng = np.random.default_rng(0)
    same = Paired(pairs, load_size=16, crop_size=16).item(0, rng)["a"]
    exact = noise_image(0, 16, 16).transpose(2, 0, 1) / 127.5 - 1
    np.testing.assert_allclose(same, exact, atol=1e-6)
    smaller = Paired(pairs, load_size=8, crop_size=8).item(0, rng)["a"]
    # Halving by area averages 2x2 pixels.
    mean = noise_image(0, 16, 16).reshape(8, 2, 8, 2, 3).mean((1, 3)).transpose(2, 0, 1)
    assert np.abs(smaller - (mean / 127.5 - 1)).max() < 0.01


def test_label_maps_keep_their_colours_when_resized(tmp_path):
    labels = np.zeros((40, 40, 3), "uint8")
    labels[:, 17:] = (128, 64, 128)
    labels[23:] = (70, 130, 180)
    write_image(tmp_path / "a" / "x.png", noise_image(0))
    write_image(tmp_path / "b" / "x.png", labels)
    pairs, _ = paired(tmp_path, train=True)
    item = Paired(pairs, load_size=30, crop_size=30).item(0, np.random.default_rng(0))
    colours = {tuple(c) for c in np.rint((item["b"] + 1) * 127.5).astype(int).reshape(3, -1).T}
    assert colours == {(0, 0, 0), (128, 64, 128), (70, 130, 180)}
    assert len({tuple(c) for c in item["a"].reshape(3, -1).T}) > 100


def test_flip_mirrors_both():
    from data_reader.transforms import flip

    images = [
        np.arange(6, dtype="uint8").reshape(1, 3, 2),
        np.arange(3, dtype="uint8")[None, :, None],
    ]
    seen = {tuple(i.tobytes() for i in flip(images, np.random.default_rng(s))) for s in range(20)}
    mirrored = tuple(np.ascontiguousarray(i[:, ::-1]).tobytes() for i in images)
    assert seen == {tuple(i.tobytes() for i in images), mirrored}


# Layouts


def test_side_by_side_images_split_in_the_middle(tmp_path):
    both = noise_image(0, 8, 20)
    write_image(tmp_path / "train" / "1.png", both)
    write_image(tmp_path / "val" / "2.png", both)
    for train in (True, False):
        pairs, what = paired(tmp_path, train=train)
        assert len(pairs) == 1
        assert "side by side" in what
    left, right = Paired(pairs).read(0)
    np.testing.assert_array_equal(left, both[:, :10])
    np.testing.assert_array_equal(right, both[:, 10:])
    np.testing.assert_array_equal(Paired(pairs, a_side="right").read(0)[0], right)


def test_equal_names_may_differ_in_suffix(tmp_path):
    for i in (2, 10, 1):
        write_image(tmp_path / "trainA" / f"{i}.png", noise_image(i))
        write_image(tmp_path / "trainB" / f"{i}.jpg", noise_image(i))
    pairs, _ = paired(tmp_path, train=True)
    assert [p.a.stem for p in pairs] == ["1", "2", "10"]
    assert all(p.a.stem == p.b.stem for p in pairs)
    assert paired(tmp_path, train=False) == ([], "")


def test_half_a_pair_is_named(tmp_path):
    write_image(tmp_path / "trainA" / "x.png", noise_image(0))
    write_image(tmp_path / "trainA" / "y.png", noise_image(0))
    write_image(tmp_path / "trainB" / "x.png", noise_image(0))
    with pytest.raises(InputError, match="y has no partner in trainB/"):
        paired(tmp_path, train=True)
    (tmp_path / "trainB" / "x.png").unlink()
    with pytest.raises(InputError, match="trainB has no images"):
        paired(tmp_path, train=True)
    (tmp_path / "trainB").rmdir()
    with pytest.raises(InputError, match="trainB is missing"):
        paired(tmp_path, train=True)


def test_missing_empty_and_foreign_folders_say_what_was_looked_for(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        paired(tmp_path / "nowhere", train=True)
    with pytest.raises(InputError, match="it is empty"):
        paired(tmp_path, train=True)
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(InputError, match=r"trainA/ and trainB/.*notes.txt"):
        paired(tmp_path, train=True)


def test_lists_are_relative_and_stay_inside(tmp_path):
    listing = tmp_path / "list.txt"
    for line, word in [("/etc/a.png\tb.png", "outside"), ("../a.png\tb.png", "outside"),
                       ("a\tb\tc", "3 columns"), ("", "names no images")]:  # fmt: skip
        listing.write_text(line + "\n")
        with pytest.raises(InputError, match=word):
            read_list(listing, tmp_path)
    listing.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not a text file"):
        read_list(listing, tmp_path)
    listing.write_text("a.png\tb.png\n")
    assert read_list(listing, tmp_path) == [Pair(tmp_path / "a.png", tmp_path / "b.png")]


CITY = "data10830/cityscapes/cityscapes"
LIST = "data10830/cityscapes/pix2pix_train_list"
NAMES = ["train/A/0_A.jpg", "train/B/0_B.jpg", "train/A/1_A.jpg", "train/B/1_B.jpg"]


def listing_of(names, separator="\t", ending="\n"):
    return "".join(f"{a}{separator}{b}{ending}" for a, b in zip(names[::2], names[1::2]))


def city(tmp_path, names=NAMES, listing=None):
    """The pix2pix article's data set, with its list where the article has it."""
    for name in names:
        write_image(tmp_path / CITY / name, noise_image(0, 8, 8))
    if listing is not None:
        content = listing if isinstance(listing, bytes) else listing.encode()
        (tmp_path / LIST).write_bytes(content)
        test = tmp_path / LIST.replace("train", "test")
        test.write_text(listing_of(names[:2]))


@pytest.mark.parametrize("given", [LIST, CITY, "data10830/cityscapes", "data10830", "."])
def test_the_articles_own_data_set_is_read(tmp_path, given):
    city(tmp_path, listing=listing_of(NAMES))
    pairs, _ = paired(tmp_path / given, train=True)
    expected = [tmp_path / CITY / name for name in NAMES]
    assert [path for pair in pairs for path in pair] == expected
    if given != CITY:
        assert len(paired(tmp_path / given, train=False)[0]) == 1  # pix2pix_test_list


@pytest.mark.parametrize(
    "listing",
    [
        b"\xef\xbb\xbf" + listing_of(NAMES).encode(),  # a byte-order mark
        listing_of(NAMES).encode("utf-16"),
        listing_of(NAMES, ending="\r\n"),
        listing_of(NAMES).replace("/", "\\"),
        *[listing_of(NAMES, separator) for separator in (",", " ", "; ", "  ", "|")],
        listing_of([f'"{name}"' for name in NAMES], ","),
        listing_of([f"cityscapes/{name}" for name in NAMES]),
        listing_of([f"cityscapes/cityscapes/{name}" for name in NAMES]),
        listing_of([f"data10830/cityscapes/cityscapes/{name}" for name in NAMES]),
    ],
)
def test_lists_as_others_write_them(tmp_path, listing):
    city(tmp_path, listing=listing)
    pairs, _ = paired(tmp_path / LIST, train=True)
    expected = [tmp_path / CITY / name for name in NAMES]
    assert [path.resolve() for pair in pairs for path in pair] == expected


@pytest.mark.parametrize("separator", ["\t", " "])
def test_a_list_in_gbk_that_is_valid_utf8_too(tmp_path, separator):
    names = ["图/A/0.jpg", "图/B/0.jpg"]
    listing = listing_of(names, separator).encode("gbk")
    assert "图" not in listing.decode("utf-8")
    city(tmp_path, names, listing)
    expected = [Pair(*(tmp_path / CITY / name for name in names))]
    assert paired(tmp_path / LIST, train=True)[0] == expected
    assert paired(ListFile(tmp_path / LIST, tmp_path / CITY), train=True)[0] == expected
    (tmp_path / LIST).write_bytes(listing.replace(b"/", b"\\"))
    assert paired(tmp_path / LIST, train=True)[0] == expected


def test_a_list_in_gbk_and_one_of_single_images_with_spaces(tmp_path):
    names = ["train/A/街 景.jpg", "train/B/街 景.jpg"]
    city(tmp_path, names, listing_of(names, " ").encode("gbk"))
    assert paired(tmp_path / LIST, train=True)[0] == [Pair(*(tmp_path / CITY / n for n in names))]
    (tmp_path / LIST).write_text("train/A/街 景.jpg\n", encoding="utf-8")
    assert paired(tmp_path / LIST, train=True)[0] == [Pair(tmp_path / CITY / names[0])]


def test_a_list_apart_from_its_images_needs_their_folder(tmp_path):
    city(tmp_path)
    (tmp_path / "lists").mkdir()
    listing = tmp_path / "lists" / "train.txt"
    listing.write_text(listing_of(NAMES))
    with pytest.raises(InputError, match=r"0_A.jpg, which is not in .*lists/; give --data-root"):
        paired(listing, train=True)
    pairs, _ = paired(ListFile(listing, tmp_path / CITY), train=True)
    assert pairs[0].a == tmp_path / CITY / NAMES[0]
    with pytest.raises(InputError, match=r"--data-root .* is not a folder"):
        ListFile(listing, tmp_path / "nowhere")
    with pytest.raises(InputError, match="is for a list file"):
        ListFile(tmp_path, tmp_path)


@pytest.mark.parametrize("read", ["paired", "images"])
def test_a_missing_data_set_that_can_be_downloaded(tmp_path, read):
    command = "python -m data_reader.download facades"
    for given, expected in [
        ("data/facades", f"{command} downloads"),
        (tmp_path / "facades", f"{command} --to {tmp_path}/facades downloads"),
    ]:
        with pytest.raises(InputError, match=expected):
            getattr(layout, read)(given, train=True)
    with pytest.raises(InputError, match=r"`demo`$"):
        getattr(layout, read)(tmp_path / "photos", train=True)


def test_the_home_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write_image(tmp_path / "data" / "a.png", noise_image(0, 8, 8))
    assert layout.images("~/data", train=True) == [tmp_path / "data" / "a.png"]


@pytest.mark.parametrize("read", ["paired", "unpaired", "domains", "images", "photos"])
@pytest.mark.parametrize(("name", "command"), [("afhq.zip", "unzip -q"), ("afhq.tar.gz", "tar xf")])
def test_an_archive_is_to_be_unpacked_first(tmp_path, read, name, command):
    (tmp_path / name).write_bytes(b"PK")
    expected = rf"; unpack \S+/{name} first: {command} \S+/{name} -[dC] {tmp_path}$"
    for given in (tmp_path, tmp_path / name):
        with pytest.raises(InputError, match=expected):
            getattr(layout, read)([given] if read == "unpaired" else given, train=True)
    (tmp_path / "afhq").mkdir()
    with pytest.raises(InputError) as error:
        getattr(layout, read)([tmp_path] if read == "unpaired" else tmp_path, train=True)
    assert "unpack" not in str(error.value)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("A/x_A.png A/y_A.png", "B/x_B.png B/y_B.png"),
        ("A/x-real.png A/y-real.png", "B/x-label.png B/y-label.png"),
        ("A/x-photo.png A/y-photo.png", "B/x-mask-v2.png B/y-mask-v2.png"),
        ("A/real_x.png A/real_y.png", "B/seg_x.png B/seg_y.png"),
        ("A/real1.png A/real20.png", "B/label01.png B/label20.png"),
        ("A/0_A.png", "B/0_B.png"),
        (
            "leftImg8bit/train/ulm/u_1_leftImg8bit.png",
            "gtFine/train/ulm/u_1_gtFine_color.png gtFine/train/ulm/u_1_gtFine_labelIds.png",
        ),
        ("A/train/1.png A/train/2.png", "B/train/1.png B/train/2.png"),
        ("x_A.png y_A.png", "x_B.png y_B.png"),
        ("x-real.png", "x-label.png"),
        ("x.jpg y.jpg", "x.png y.png"),
    ],
)
def test_pairs_whose_names_differ(tmp_path, a, b):
    for name in f"{a} {b}".split():
        write_image(tmp_path / name, noise_image(0, 8, 8))
    pairs, _ = paired(tmp_path, train=True)
    expected = zip(*([tmp_path / name for name in side.split()] for side in (a, b)))
    assert pairs == [Pair(*pair) for pair in expected]


def test_names_that_are_partly_equal_are_not_matched_otherwise(tmp_path):
    for name in ("a/1.png", "a/x2.png", "b/1.png", "b/y2.png"):
        write_image(tmp_path / name, noise_image(0, 8, 8))
    with pytest.raises(InputError, match=r"x2 has no partner .*tried equal names, a common part"):
        paired(tmp_path, train=True)


def test_two_data_sets_in_a_folder_are_named(tmp_path):
    for name in ("one/trainA/1.png", "one/trainB/1.png", "two/train/1.png"):
        write_image(tmp_path / name, noise_image(0, 8, 8))
    with pytest.raises(InputError, match=r"contains 2 data sets: .*one, .*two; give one"):
        paired(tmp_path, train=True)


def test_sizes_that_do_not_fit_are_named_with_numbers(tmp_path):
    write_image(tmp_path / "a" / "x.png", noise_image(0, 20, 30))
    write_image(tmp_path / "b" / "x.png", noise_image(0, 20, 28))
    pairs, _ = paired(tmp_path, train=True)
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="30x20 and 28x20"):
        Paired(pairs, load_size=0, crop_size=8).item(0, rng)
    same = [Pair(pairs[0].a, pairs[0].a)]
    with pytest.raises(InputError, match=r"30x20, smaller than the crop of 24"):
        Paired(same, load_size=0, crop_size=24).item(0, rng)
    odd = tmp_path / "odd.png"
    write_image(odd, noise_image(0, 8, 9))
    with pytest.raises(InputError, match="9 pixels wide"):
        Paired([Pair(odd)]).read(0)


def test_facades_are_read_as_they_are():
    pairs, _ = paired(real_data("facades"), train=True)
    assert len(pairs) == 400
    assert len(paired(real_data("facades"), train=False)[0]) == 100
    photo, labels = Paired(pairs).read(0)
    assert photo.shape == labels.shape == (256, 256, 3)


def test_which_side_holds_labels_can_be_said(tmp_path):
    """Labels saved as JPEG are no longer flat; `labels` says what cannot be seen."""
    blocks = np.kron(noise_image(0, 4, 4), np.ones((10, 10, 1), "uint8"))
    write_image(tmp_path / "x.png", np.concatenate([blocks, noise_image(1)], axis=1))
    rng, pairs = np.random.default_rng(0), [Pair(tmp_path / "x.png")]

    def colours(labels, side):
        item = Paired(pairs, load_size=30, crop_size=30, labels=labels).item(0, rng)
        return len({tuple(c) for c in item[side].reshape(3, -1).T})

    assert colours("auto", "a") == colours("a", "a") == 16
    assert colours("none", "a") > 20


# The loader


class Numbers:
    """Item i is the number i beside a random one; stands for any data set of images."""

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def order(self, rng):
        return rng.permutation(self.count)

    def item(self, index, rng):
        return {"i": np.array(index), "r": np.array(rng.random())}

    def files(self, index, rng):
        return [f"{index}.png"]


def stream(count=10, steps=12, **settings):
    import itertools

    batches = Loader(Numbers(count), **settings).batches(settings.pop("start", 0))
    return [(b["i"].tolist(), b["r"].tolist()) for b in itertools.islice(batches, steps)]


def test_an_epoch_covers_all_items_and_epochs_differ():
    batches = [i for i, _ in stream(10, 6, batch_size=3, seed=1)]
    first, second = np.concatenate(batches[:3]).tolist(), np.concatenate(batches[3:]).tolist()
    assert len(set(first)) == len(set(second)) == 9  # the incomplete batch is dropped
    assert first != second


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_workers_and_start_do_not_change_the_stream(workers):
    whole = stream(10, 12, batch_size=3, seed=5, workers=2)
    assert stream(10, 12, batch_size=3, seed=5, workers=workers) == whole
    loader = Loader(Numbers(10), 3, seed=5, workers=workers)
    late = loader.batches(start=7)
    assert next(late)["r"].tolist() == whole[7][1]
    assert stream(10, 12, batch_size=3, seed=6) != whole


def test_two_ranks_together_read_what_one_process_reads():
    alone = stream(10, 6, batch_size=4, seed=2)
    ranks = [stream(10, 6, batch_size=4, seed=2, rank=r, world_size=2) for r in (0, 1)]
    joined = [(a[0] + b[0], a[1] + b[1]) for a, b in zip(*ranks)]
    assert joined == alone


def test_a_set_smaller_than_a_batch_repeats_its_items():
    for indices, randoms in stream(3, 4, batch_size=8):
        assert len(indices) == 8
        assert set(indices) == {0, 1, 2}
        assert len(set(randoms)) == 8  # each with its own crop


def test_files_behind_a_batch():
    loader = Loader(Numbers(10), 3, seed=5)
    assert loader.files(4) == [f"{i}.png" for i in loader.batch(4)["i"]]


@pytest.mark.parametrize("workers", [0, 2])
def test_an_unreadable_file_is_named_in_its_turn(pairs, workers):
    (pairs / "trainA" / "3.png").write_text("not an image")
    found, _ = paired(pairs, train=True)
    loader = Loader(Paired(found, load_size=0, crop_size=32), 1, seed=0, workers=workers)
    turn = [str(pairs / "trainA" / "3.png") in loader.files(step) for step in range(6)].index(True)
    batches = loader.batches()
    for _ in range(turn):
        next(batches)
    with pytest.raises(InputError, match=r"3\.png"):
        next(batches)


def test_batches_that_cannot_be_shared_are_refused():
    with pytest.raises(InputError, match="multiple of 2"):
        Loader(Numbers(10), 3, world_size=2)
    with pytest.raises(InputError, match="no items"):
        Loader(Numbers(0), 3)


def test_paddle_reads_the_same_data_sets(pairs):
    from paddle.io import DataLoader

    found, _ = paired(pairs, train=True)
    loader = DataLoader(Paired(found, load_size=0, crop_size=32), batch_size=3, drop_last=True)
    batch = next(iter(loader))
    assert batch["a"].shape == [3, 3, 32, 32]


UNTOUCHED = """
import os, sys, warnings, zlib
import cv2, matplotlib
before = dict(os.environ), list(warnings.filters), cv2.getNumThreads()
import data_reader, paddle_gans
from data_reader import layout, photos, video
paths, _ = layout.photos(data_reader.demo_path("colours"), train=True)
data_reader.Photos(paths[:1], load_size=0, crop_size=64)[0]
paddle_gans.train("dcgan", steps=1, batch_size=2, base_dim=4, out=sys.argv[1])
changed = {name for name in os.environ if before[0].get(name) != os.environ[name]}
prefixes = ("OMP_", "KMP_", "FLAGS_", "OPENCV_", "MPL")
assert not [name for name in changed if name.startswith(prefixes)], changed
assert warnings.filters == before[1], warnings.filters
assert cv2.getNumThreads() == before[2]
"""


def test_the_library_leaves_the_process_as_it_was(tmp_path):
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OMP_", "KMP_", "FLAGS_", "OPENCV_"))
    }
    command = [sys.executable, "-c", UNTOUCHED, str(tmp_path / "run")]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_command_sets_threads_before_paddle_is_imported():
    script = (
        "from data_reader import framework; framework.prepare(); import os, cv2; "
        "print(os.environ['OMP_NUM_THREADS'], os.environ['FLAGS_paddle_num_threads'], "
        "cv2.getNumThreads())"
    )
    environment = {**os.environ, "FLAGS_paddle_num_threads": "3"}
    environment.pop("OMP_NUM_THREADS", None)
    environment.pop("OPENCV_FOR_THREADS_NUM", None)
    command = [sys.executable, "-c", script]
    output = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert output.split() == [str(framework.cores()), "3", "1"]


def test_every_image_that_can_be_read_is_found_and_the_rest_is_counted(tmp_path):
    for name in ("a.jfif", "b.GIF", "c.avif", "d.heic", "e.jp2", "f.pbm", "sub/g.png"):
        write_file(tmp_path / name)
    for name in ("h.psd", "i.json", "j.json", "k", ".hidden.png", ".git/l.png"):
        write_file(tmp_path / name)
    for name in ("@eaDir/a.jfif/SYNO.jpg", "#recycle/a.png", "__MACOSX/a.png", "Thumbs/a.jpg"):
        write_file(tmp_path / name)
    found = [path.name for path in list_images(tmp_path)]
    assert found == ["a.jfif", "b.GIF", "c.avif", "d.heic", "e.jp2", "f.pbm", "g.png"]
    assert left_out([tmp_path, tmp_path / "sub"]) == (
        "left out, since they are not images that can be read: 2 .json, 1 .psd, "
        "1 in #recycle/, 1 in @eaDir/, 1 in Thumbs/, 1 in __MACOSX/, 1 without a suffix"
    )
    assert left_out([tmp_path / "sub"]) == ""


def write_file(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")


def test_folders_of_the_system_are_no_domains(tmp_path):
    for name in ("cat/1.png", "dog/1.png", "@eaDir/1.png", "__MACOSX/1.png"):
        write_file(tmp_path / name)
    assert list(layout.domains(tmp_path, train=True)[0]) == ["cat", "dog"]


def test_equal_names_of_several_suffixes(tmp_path):
    for name in ("a/1.jpg", "a/1.png", "b/1.jpg", "b/1.png"):
        write_file(tmp_path / name)
    pairs, _ = layout.paired(tmp_path, train=True)
    assert [(pair.a.name, pair.b.name) for pair in pairs] == [("1.jpg",) * 2, ("1.png",) * 2]
    (tmp_path / "b" / "1.png").unlink()
    with pytest.raises(InputError, match=r"a has 1\.jpg and 1\.png: which"):
        layout.paired(tmp_path, train=True)


def make_pairs(folder, a, b):
    for i, images in enumerate(zip(a, b)):
        for side, image in zip("ab", images):
            write_image(folder / side / f"{i}.png", image)
    return Paired(layout.paired(folder, train=True)[0], load_size=32, crop_size=32)


def label_map(seed):
    return np.kron(noise_image(seed, 4, 4), np.ones((10, 10, 1), np.uint8))


def test_several_images_decide_whether_a_side_holds_label_maps(tmp_path):
    blank = np.full((40, 40, 3), 255, np.uint8)
    photos = [blank, label_map(3), *(noise_image(i) for i in range(4))]
    items = make_pairs(tmp_path, photos, [blank, *(label_map(i) for i in range(5))])
    assert items.label_votes() == [(1, 5), (5, 5)]
    assert items.label_sides() == "b"
    said = " ".join(items.warnings())
    assert "JPEG" not in said
    assert "side A is taken for photographs, resized smoothly: 1 of 5" in said
    assert "side B is taken for label maps, resized by nearest neighbour: 5 of 5" in said
    for labels, sides in (("a", "a"), ("none", "")):
        items.labels = labels
        assert items.label_sides() == sides
    alone = make_pairs(tmp_path / "blank", [blank], [blank])
    assert alone.label_sides() == ""


def test_class_ids_are_black_and_said(tmp_path):
    ids = [label_map(i) % 5 for i in range(2)]
    photos = [noise_image(i) for i in range(2)]
    (said,) = [text for text in make_pairs(tmp_path, photos, ids).warnings() if "class" in text]
    assert "side B holds no value above 4 of 255" in said
    assert "multiply 63" in said
    dark = [image // 8 for image in photos]  # photographs at night are no class ids
    assert "class" not in str(make_pairs(tmp_path / "night", photos, dark).warnings())


@pytest.mark.parametrize(
    ("a", "b", "fits"),
    [
        ((333, 500), (167, 250), True),
        ((667, 1000), (67, 100), True),
        ((300, 500), (300, 480), False),
    ],
)
def test_pairs_that_rounding_tells_apart_are_resized_together(tmp_path, a, b, fits):
    items = make_pairs(tmp_path, [noise_image(0, *a)], [noise_image(1, *b)])
    items.load_size, items.crop_size = 256, 64
    if fits:
        assert items.item(0, np.random.default_rng(0))["b"].shape == (3, 64, 64)
    else:
        with pytest.raises(InputError, match="differ in size"):
            items.item(0, np.random.default_rng(0))


@pytest.mark.parametrize("name", ["cat,", "cat ", "a, b"])
def test_names_that_cannot_be_domains(tmp_path, name):
    for folder in (name, "dog"):
        write_file(tmp_path / folder / "1.png")
    with pytest.raises(InputError, match="comma or an outer blank"):
        layout.domains(tmp_path, train=True)


def test_a_run_says_that_label_maps_stored_as_jpeg_are_not_recognised(tmp_path):
    for i in range(3):
        write_image(tmp_path / "a" / f"{i}.png", noise_image(i))
        write_image(tmp_path / "b" / f"{i}.jpg", label_map(i))
    pairs = layout.paired(tmp_path, train=True)[0]
    assert "--labels a or b" in " ".join(Paired(pairs, load_size=32, crop_size=32).warnings())
    named = Paired(pairs, load_size=32, crop_size=32, labels="b")
    assert "JPEG" not in " ".join(named.warnings())
    assert "JPEG" not in " ".join(Paired(pairs, load_size=0, crop_size=32).warnings())


def test_a_folder_around_two_domains_is_enough(tmp_path):
    for side in ("trainA", "trainB", "testA", "testB"):
        write_image(tmp_path / "download" / "horse2zebra" / side / "0.png", noise_image(0))
    for train, split in ((True, "train"), (False, "test")):
        a, b, what = layout.unpaired([tmp_path], train=train)
        assert (a[0].parent.name, b[0].parent.name) == (f"{split}A", f"{split}B")
        assert what == f"{split}A/ and {split}B/"
    write_image(tmp_path / "whole" / "trainA" / "0.png", noise_image(0))
    for side in "ab":  # whole, beside half a pair of folders
        write_image(tmp_path / "whole" / side / "0.png", noise_image(0))
    assert layout.unpaired([tmp_path / "whole"], train=True)[2] == "a/ and b/"
    shutil.rmtree(tmp_path / "whole")
    write_image(tmp_path / "download" / "maps" / "a" / "0.png", noise_image(0))
    write_image(tmp_path / "download" / "maps" / "b" / "0.png", noise_image(0))
    with pytest.raises(InputError, match="contains 2 data sets"):
        layout.unpaired([tmp_path], train=True)
