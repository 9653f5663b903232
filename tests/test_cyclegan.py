"""CycleGAN: shapes, the pool, the decay, unpaired data, accumulation."""

import numpy as np
import paddle
import pytest
from conftest import TINY, noise_image

import paddle_gans
from data_reader import InputError, Loader, Unpaired
from data_reader.images import write_image
from data_reader.layout import unpaired
from paddle_gans.models.cyclegan import CycleGAN, Discriminator, Generator
from paddle_gans.training.image_pool import ImagePool
from paddle_gans.training.model import Update
from paddle_gans.training.schedules import linear_decay, linear_ramp_down
from paddle_gans.weights import formats


def test_shapes_that_the_article_prints():
    assert Discriminator(4)(paddle.zeros([1, 3, 256, 256])).shape == [1, 1, 16, 16]
    assert Generator(4, 1)(paddle.zeros([1, 3, 64, 48])).shape == [1, 3, 64, 48]


def test_defaults_are_the_articles():
    model = CycleGAN()
    assert (model.lambda_cyc, model.lambda_id) == (10.0, 5.0)
    assert (model.crop_size, model.load_size) == (256, 286)
    assert model.pool_a.images.shape == [50, 3, 256, 256]
    assert len(model.generator_ab.blocks) == 9
    assert set(model.optimizers) == {"generators", "discriminator_a", "discriminator_b"}
    assert CycleGAN.paper_config.batch_size == 1
    assert CycleGAN.paper_config.epochs == 200


def test_weights_of_the_losses():
    model, update, asked = CycleGAN(**TINY["cyclegan"]), Update(), []

    def listening(losses, *optimizers, weights=None):
        asked.append((set(losses), dict(weights or {})))
        return update(losses, *optimizers, weights=weights or {})

    model.train_step(batch_of(), 0, listening)
    assert asked == [
        ({"g_loss_gan", "g_loss_cycle", "g_loss_identity"},
         {"g_loss_cycle": 10.0, "g_loss_identity": 5.0}),
        ({"d_loss_a"}, {}),
        ({"d_loss_b"}, {}),
    ]  # fmt: skip


def batch_of(size=32, count=1):
    rng = np.random.default_rng(0)
    return {k: paddle.to_tensor(rng.uniform(-1, 1, (count, 3, size, size)).astype("float32"))
            for k in "ab"}  # fmt: skip


# The pool


def image(value):
    return paddle.full([1, 1, 2, 2], float(value))


def test_a_pool_that_is_filling_gives_back_what_it_gets():
    pool = ImagePool(3, 1, 2, 2)
    for value in (1, 2, 3):
        assert pool(image(value)).numpy().mean() == value
    assert pool.images.numpy()[:, 0, 0, 0].tolist() == [1, 2, 3]


def test_a_full_pool_gives_older_images_half_of_the_time_and_keeps_the_new_one():
    pool = ImagePool(3, 1, 2, 2)
    pool(paddle.concat([image(v) for v in (1, 2, 3)]))
    older = 0
    for value in range(4, 404):
        paddle.seed(value)
        before = pool.images.numpy()[:, 0, 0, 0].tolist()
        given = pool(image(value)).numpy().mean()
        after = pool.images.numpy()[:, 0, 0, 0].tolist()
        if given == value:
            assert after == before
        else:
            older += 1
            assert given in before
            assert sorted(after) == sorted([v for v in before if v != given] + [value])
    assert 160 < older < 240  # 200 expected, standard deviation 10


def test_a_pool_of_size_0_keeps_nothing():
    pool = ImagePool(0, 1, 2, 2)
    assert pool(image(5)).numpy().mean() == 5
    assert not pool.state_dict()


def test_a_pool_gives_no_gradient():
    x = image(1)
    x.stop_gradient = False
    assert ImagePool(2, 1, 2, 2)(x * 2).stop_gradient


def test_the_pool_is_saved_and_restored(unpaired_folder, tmp_path):
    train(unpaired_folder, tmp_path / "whole", steps=8)
    for steps in (5, 8):
        train(unpaired_folder, tmp_path / "parts", steps=steps)
    pools = [
        (tmp_path / run / "checkpoints" / "000008" / f"pool_{side}.pdparams").read_bytes()
        for side in "ab"
        for run in ("whole", "parts")
    ]
    assert pools[0] == pools[1]
    assert pools[2] == pools[3]
    seen, _ = formats.read_network(tmp_path / "parts/checkpoints/000008/pool_a.pdparams")
    assert seen["seen"].tolist() == [3]
    for file in ("generator_ab.pdparams", "generator_ba.pdparams"):
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "parts" / file).read_bytes()


# The decay


def test_linear_decay_by_hand():
    rates = [linear_decay(e, 100, 200) for e in (0, 99, 100, 101, 150, 199, 200, 300)]
    assert rates == pytest.approx([1, 1, 1, 0.99, 0.5, 0.01, 0, 0])


def test_linear_ramp_down_by_hand():
    values = [linear_ramp_down(s, 100) for s in (0, 25, 100, 200)]
    assert values == [1.0, 0.75, 0.0, 0.0]
    assert linear_ramp_down(0, 0) == 0.0


def test_the_learning_rate_is_constant_within_an_epoch_and_moves_with_no_length():
    model = CycleGAN(**TINY["cyclegan"], decay_start_epoch=2, decay_end_epoch=4)
    scales = [model.lr_scale(step, 10) for step in (0, 19, 20, 29, 30, 39, 40)]
    assert scales == [1, 1, 1, 1, 0.5, 0.5, 0]
    with pytest.raises(InputError, match="not after"):
        CycleGAN(**TINY["cyclegan"], decay_start_epoch=4, decay_end_epoch=4)


# Unpaired data


@pytest.fixture
def unpaired_folder(tmp_path):
    root = tmp_path / "unpaired"
    for side, count in (("A", 3), ("B", 5)):
        for i in range(count):
            write_image(root / f"train{side}" / f"{side}{i}.png", noise_image(ord(side) + i))
        write_image(root / f"test{side}" / "x.png", noise_image(9))
    return root


def train(data, out, **settings):
    return paddle_gans.train(
        "cyclegan", data=data if isinstance(data, list) else str(data), out=str(out),
        **{"save_every": 5, "sample_every": 50, **TINY["cyclegan"], **settings},
    )  # fmt: skip


def test_an_epoch_is_as_long_as_the_larger_domain_and_partners_change(unpaired_folder):
    a, b, _ = unpaired([str(unpaired_folder)], train=True)
    dataset = Unpaired(a, b, load_size=0, crop_size=32)
    assert len(dataset) == 5
    loader = Loader(dataset, 1, seed=0)
    pairs = [tuple(loader.files(step)) for step in range(20)]
    assert {name for name, _ in pairs} == {str(p) for p in a}
    assert {name for _, name in pairs} == {str(p) for p in b}
    assert len(set(pairs)) > 6  # A does not keep its B


def test_files_are_those_of_the_item(unpaired_folder):
    a, b, _ = unpaired([str(unpaired_folder)], train=True)
    dataset = Unpaired(a, b, load_size=0, crop_size=40, flip=False)
    loader = Loader(dataset, 1, seed=3)
    from data_reader.images import read_image
    from data_reader.transforms import normalise

    for step in range(5):
        for side, name in zip("ab", loader.files(step)):
            np.testing.assert_array_equal(loader.batch(step)[side][0], normalise(read_image(name)))


@pytest.mark.parametrize("names", [("a", "b"), ("A", "B"), ("train/A", "train/B")])
def test_other_layouts_and_two_folders(tmp_path, names):
    for name in names:
        write_image(tmp_path / name / "x.png", noise_image(1))
    a, b, _ = unpaired([str(tmp_path)], train=True)
    assert (len(a), len(b)) == (1, 1)
    assert unpaired([str(tmp_path)], train=False) is None
    folders = [str(tmp_path / name) for name in names]
    assert unpaired(folders, train=True)[:2] == (a, b)


def test_what_is_missing_is_said(tmp_path):
    write_image(tmp_path / "trainA" / "x.png", noise_image(1))
    with pytest.raises(InputError, match="has trainA/, but no trainB/; this model needs"):
        unpaired([str(tmp_path)], train=True)
    (tmp_path / "trainB").mkdir()
    with pytest.raises(InputError, match="trainB has no images"):
        unpaired([str(tmp_path)], train=True)
    with pytest.raises(InputError, match="3 folders"):
        unpaired(["a", "b", "c"], train=True)
    with pytest.raises(InputError, match="does not exist"):
        unpaired([str(tmp_path / "nowhere")], train=True)


def test_two_data_folders_train(unpaired_folder, tmp_path):
    folders = [str(unpaired_folder / "trainA"), str(unpaired_folder / "trainB")]
    assert train(folders, tmp_path / "run", steps=2).step == 2
    with pytest.raises(InputError, match="this model reads one"):
        paddle_gans.train("pix2pix", data=folders, out=str(tmp_path / "x"), steps=1)


def test_each_file_translates_in_its_direction(unpaired_folder, tmp_path):
    train(unpaired_folder, tmp_path / "run", steps=1)
    ab = paddle_gans.load(str(tmp_path / "run" / "generator_ab.pdparams"))
    ba = paddle_gans.load(str(tmp_path / "run" / "generator_ba.pdparams"))
    array = noise_image(0, 33, 50)
    assert ab(array).shape == ba(array).shape == array.shape
    assert not np.array_equal(ab(array), ba(array))
    (tmp_path / "alone").mkdir()
    moved = tmp_path / "alone" / "mine.pdparams"
    moved.write_bytes((tmp_path / "run" / "generator_ba.pdparams").read_bytes())
    np.testing.assert_array_equal(paddle_gans.load(str(moved))(array), ba(array))


# Accumulation


def test_accumulated_parts_equal_the_whole_batch(unpaired_folder, tmp_path):
    """Without batch norm and full pools, two halves equal one batch, up to rounding."""
    options = {"batch_size": 2, "steps": 3, "pool_size": 50}
    train(unpaired_folder, tmp_path / "whole", **options)
    train(unpaired_folder, tmp_path / "parts", accumulate=2, **options)
    for network in ("generator_ab", "generator_ba", "discriminator_a", "discriminator_b"):
        arrays = [
            formats.read_network(tmp_path / run / f"checkpoints/000003/{network}.pdparams")[0]
            for run in ("whole", "parts")
        ]
        for name in arrays[0]:
            difference = np.abs(arrays[0][name] - arrays[1][name])
            # A bias before an instance norm has a gradient of rounding, which Adam makes a step.
            scale = 3e-3 if name.endswith("bias") else 2e-5
            assert np.median(difference) < scale, (network, name)


def test_affine_trains_scales_and_shifts():
    paddle.seed(0)
    model = CycleGAN(**TINY["cyclegan"], generator="resnet_9blocks", affine=True)
    norm = model.generator_ba.encoder[2]
    assert (norm.scale.numpy() == 1).all()
    model.train_step(batch_of(), 0, Update())
    assert (norm.scale.numpy() != 1).all()
    assert (norm.bias.numpy() != 0).all()
    with pytest.raises(InputError, match="--affine is for --generator resnet_9blocks"):
        CycleGAN(**TINY["cyclegan"], affine=True)


def test_accumulation_that_does_not_divide_is_refused(unpaired_folder, tmp_path):
    with pytest.raises(InputError, match="--accumulate 2 does not divide a batch of 3"):
        train(unpaired_folder, tmp_path / "run", batch_size=3, accumulate=2, steps=1)
    with pytest.raises(InputError, match="twice in a step"):
        paddle_gans.train(
            "dcgan", out=str(tmp_path / "x"), batch_size=4, accumulate=2, steps=1, base_dim=4
        )


# Memory


def test_recompute_changes_no_number():
    batch, losses = batch_of(), []
    for recompute in (False, True):
        paddle.seed(0)
        model, update = CycleGAN(**TINY["cyclegan"], recompute=recompute), Update()
        for step in range(2):
            terms = model.train_step(batch, step, update)
        losses.append({name: term.item() for name, term in terms.items()})
    assert losses[0] == losses[1]
