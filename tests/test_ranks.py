"""Parallel training, as far as one process can test it; test_parallel.py starts two."""

import paddle
import pytest
from conftest import TINY
from paddle import nn

from data_reader.errors import InputError
from paddle_gans import models
from paddle_gans.training import parallel
from paddle_gans.training.image_pool import ImagePool, gather_pools, pool_name


@pytest.mark.parametrize("name", models.names())
def test_synchronised_batch_norm_keeps_names_and_the_optimizers_parameters(name):
    """Only the conversion, since a CPU has no kernel for it."""
    # Only batch norm that uses running statistics at test time is synchronised.
    running = {"norm_mode": "running"} if name == "pix2pix" else {}
    model = models.find(name)(**TINY.get(name, {}), **running)
    keys, count = list(model.state_dict()), len(parallel.batch_norms(model))
    values = {key: tensor.numpy().copy() for key, tensor in model.state_dict().items()}
    stepped = {id(p) for o in model.optimizers.values() for p in o._parameter_list}
    parallel.convert_batch_norm(model)
    after = parallel.batch_norms(model)
    assert len(after) == count
    assert all(isinstance(layer, nn.SyncBatchNorm) for layer in after)
    assert list(model.state_dict()) == keys
    for key, tensor in model.state_dict().items():
        assert (tensor.numpy() == values[key]).all(), key
    assert stepped <= {id(p) for p in model.parameters()}


def test_norms_with_a_test_time_of_their_own_stay():
    model = models.find("pix2pix")(**TINY["pix2pix"], norm_mode="instance")
    parallel.convert_batch_norm(model)
    assert parallel.batch_norms(model)
    assert not any(isinstance(x, nn.SyncBatchNorm) for x in parallel.batch_norms(model.generator))


def test_a_process_alone_waits_for_nobody():
    model = nn.Sequential(nn.BatchNorm2D(2))
    assert parallel.synchronise_batch_norm(model) == []
    assert type(model[0]) is nn.BatchNorm2D
    assert parallel.gather({"a": 1}) == [{"a": 1}]
    assert parallel.any_rank(3) is True
    assert parallel.any_rank(0) is False
    parallel.require_same_start(5, "runs")
    with pytest.raises(InputError, match=r"^the very words$"), parallel.sync_errors():
        raise InputError("the very words")
    with pytest.raises(ZeroDivisionError), parallel.sync_errors():
        1 / 0  # noqa: B018


def test_pools_of_a_process_alone():
    model = nn.Layer()
    model.pool_a = ImagePool(2, 3, 4, 4)
    model.pool_a(paddle.ones([1, 3, 4, 4]))
    assert gather_pools(model) == {}
    assert [pool_name("pool_a", rank) for rank in (0, 1, 12)] == [
        "pool_a", "pool_a.rank1", "pool_a.rank12"
    ]  # fmt: skip
