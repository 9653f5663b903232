"""data_reader.prepare: data sets from folders of images; the originals stay as they are."""

import cv2
import numpy as np
import pytest
from conftest import noise_image, real_data

from data_reader import InputError
from data_reader.images import read_image, write_image
from data_reader.prepare import main
from paddle_gans.models.cyclegan import CycleGAN
from paddle_gans.models.pix2pix import Pix2Pix


def folder_of(path, count, size=(40, 32), first=0, suffix="png"):
    for i in range(count):
        write_image(path / f"{i}.{suffix}", noise_image(first + i, *size))
    return path


def names(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def run(*arguments):
    return main([str(argument) for argument in arguments])


def test_one_folder_is_split_and_copied_byte_for_byte(tmp_path, capsys):
    photos = folder_of(tmp_path / "photos", 20, suffix="jpg")
    before = {path: path.read_bytes() for path in photos.iterdir()}
    assert run(photos, "--out", tmp_path / "out", "--val", 0.2) == 0
    assert "16 to train on, 4 to validate" in capsys.readouterr().out
    written = list((tmp_path / "out").rglob("*.jpg"))
    assert sorted(p.name for p in written) == sorted(p.name for p in before)
    assert all(p.read_bytes() == before[photos / p.name] for p in written)
    assert {path: path.read_bytes() for path in photos.iterdir()} == before
    run(photos, "--out", tmp_path / "again", "--val", 0.2)
    assert names(tmp_path / "again") == names(tmp_path / "out")  # the seed decides
    run(photos, "--out", tmp_path / "other", "--val", 0.2, "--seed", 1)
    assert names(tmp_path / "other") != names(tmp_path / "out")


def test_pairs_come_by_number_and_strays_and_two_sizes_are_reported(tmp_path, capsys):
    folder_of(tmp_path / "a", 6)
    for i in range(1, 7):
        size = (20, 16) if i == 2 else (40, 32)
        write_image(tmp_path / "b" / f"label_{i:03d}.png", noise_image(50 + i, *size))
    assert run(tmp_path / "a", tmp_path / "b", "--out", tmp_path / "out", "--val", 0.2) == 0
    text = capsys.readouterr().out
    assert "without a partner, left out: 2" in text
    assert "0.png" in text
    assert "label_006.png" in text
    assert "pairs of two sizes: 1" in text
    pairs = Pix2Pix(load_size=0, crop_size=16).dataset(tmp_path / "out", train=True)
    a, b = pairs.read(0)
    assert len(pairs) == 4
    np.testing.assert_array_equal(a, read_image(tmp_path / "a/1.png"))
    np.testing.assert_array_equal(b, read_image(tmp_path / "b/label_001.png"))


def test_side_by_side_images_hold_a_and_b(tmp_path):
    a, b = folder_of(tmp_path / "a", 4), folder_of(tmp_path / "b", 4, size=(20, 16), first=9)
    run(a, b, "--side-by-side", "--out", tmp_path / "out", "--val", 0.25)
    assert len(names(tmp_path / "out" / "val")) == 1
    image = read_image(next((tmp_path / "out" / "train").iterdir()))
    assert image.shape == (20, 32, 3)
    assert Pix2Pix(load_size=0, crop_size=16).dataset(tmp_path / "out", train=False) is not None


def test_unpaired_folders_may_have_equal_names(tmp_path):
    a, b = folder_of(tmp_path / "a", 5), folder_of(tmp_path / "b", 3, first=9)
    run(a, b, "--unpaired", "--out", tmp_path / "out", "--val", 0)
    data = CycleGAN(load_size=32, crop_size=32).dataset(tmp_path / "out", train=True)
    assert (len(data.a), len(data.b)) == (5, 3)


@pytest.mark.parametrize("what", ["edges", "grey", "blur"])
def test_inputs_are_made_from_photographs(tmp_path, what):
    scene = np.full((64, 80, 3), (200, 60, 20), np.uint8)
    cv2.circle(scene, (40, 32), 15, (20, 90, 220), -1)
    write_image(tmp_path / "photos" / "0.png", scene)
    run(tmp_path / "photos", "--make", what, "--square", 32, "--out", tmp_path / "out", "--val", 0)
    made = read_image(tmp_path / "out/trainA/0.png").astype(int)
    photo = read_image(tmp_path / "out/trainB/0.png").astype(int)
    assert made.shape == photo.shape == (32, 32, 3)
    assert np.abs(photo[16, 16] - (20, 90, 220)).max() < 3
    if what == "blur":
        steps = [np.abs(np.diff(image, axis=1)).max() for image in (made, photo)]
        assert steps[0] < 0.8 * steps[1]
    else:
        assert (made == made[..., :1]).all()
    if what == "edges":
        assert set(np.unique(made)) == {0, 255}
        assert 0.02 < (made == 0).mean() < 0.3
        assert made[16, 16, 0] == 255


def test_damaged_duplicate_and_grey_images_are_found(tmp_path, capsys):
    photos = folder_of(tmp_path / "photos", 10)
    (photos / "bad.png").write_bytes(b"no image")
    smooth = cv2.GaussianBlur(noise_image(77, 64, 64), (0, 0), 6)
    write_image(photos / "first.png", smooth)
    write_image(photos / "second.jpg", cv2.resize(smooth, (48, 48)))
    write_image(photos / "grey.png", np.repeat(noise_image(5, 40, 32)[..., :1], 3, axis=2))

    assert run(photos, "--dry-run") == 0
    text = capsys.readouterr().out
    assert "damaged, left out: 1" in text
    assert "bad.png" in text
    assert "first.png = " in text
    assert "second.jpg" in text
    assert "grey: 1" in text
    assert not (tmp_path / "out").exists()

    for seed in range(6):  # near-duplicates stay together
        out = tmp_path / f"out{seed}"
        run(photos, "--out", out, "--val", 0.5, "--seed", seed)
        assert (out / "val/first.png").exists() == (out / "val/second.jpg").exists()
    run(photos, "--out", tmp_path / "few", "--leave-out", "duplicates", "grey", "--val", 0)
    assert len(names(tmp_path / "few/train")) == 11
    assert "grey: 1" in (tmp_path / "few/report.txt").read_text()


def test_every_domain_is_split(tmp_path, capsys):
    for i, name in enumerate(("cat", "dog")):
        folder_of(tmp_path / "animals" / name, 10, first=100 * i)
    run(tmp_path / "animals", "--square", 32, "--out", tmp_path / "out", "--val", 0.2)
    assert "enlarged" not in capsys.readouterr().out
    assert len(list((tmp_path / "out/val/cat").iterdir())) == 2
    assert len(list((tmp_path / "out/val/dog").iterdir())) == 2


def test_images_that_differ_in_the_suffix_only_are_both_written(tmp_path, capsys):
    folder_of(tmp_path / "photos", 1)
    folder_of(tmp_path / "photos", 1, first=5, suffix="jpg")
    run(tmp_path / "photos", "--square", 36, "--out", tmp_path / "out", "--val", 0)
    assert "smaller than --square, enlarged: 2" in capsys.readouterr().out
    assert len(names(tmp_path / "out/train")) == 2


@pytest.mark.skipif(not hasattr(cv2, "CascadeClassifier"), reason="OpenCV 5 finds no faces")
def test_squares_lie_within_the_image_whether_a_face_is_found_or_not(tmp_path, capsys):
    folder_of(tmp_path / "photos", 2, size=(50, 90))
    run(tmp_path / "photos", "--square", 32, "--faces", "--out", tmp_path / "out", "--val", 0)
    assert "faces found" in capsys.readouterr().out
    assert all(read_image(p).shape == (32, 32, 3) for p in (tmp_path / "out/train").iterdir())


@pytest.mark.skipif(not hasattr(cv2, "CascadeClassifier"), reason="OpenCV 5 finds no faces")
def test_faces_are_found_in_photographs(tmp_path, capsys):
    flags = ["--square", 64, "--faces", "--out", tmp_path / "out"]
    run(real_data("oldphotos"), *flags)
    assert "7 faces found" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["photos"], "--out DIR is missing"),
        (["photos", "--out", "photos"], "exists"),
        (["none", "--dry-run"], "does not exist"),
        (["photos", "--dry-run", "--val", "1"], "--val"),
        (["photos", "--dry-run", "--faces"], "--square"),
        (["photos", "--dry-run", "--unpaired"], "two folders"),
        (["photos", "--dry-run", "--side-by-side"], "pairs"),
        (["photos", "photos", "--dry-run", "--make", "grey"], "one folder"),
        (["photos", "photos", "photos", "--dry-run"], "one or two"),
        (["photos", "--dry-run", "--squares", "9"], "did you mean --square"),
    ],
)
def test_flags_that_do_not_fit_are_refused(tmp_path, monkeypatch, flags, message):
    folder_of(tmp_path / "photos", 2)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        main(flags)


def test_nothing_is_left_of_a_data_set_that_cannot_be_written(tmp_path, monkeypatch):
    photos = folder_of(tmp_path / "photos", 3)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError):
        run(photos, "--out", tmp_path / "file" / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "photos"]
