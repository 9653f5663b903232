"""Holds a network or a training step against what a reference implementation computed.

A case is a JSON file of names, shapes and digests, with its output in an npz file beside it; its
weights and inputs are drawn anew from their names, so that nothing but the answers is stored.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from golden_recipe import array
from paddle import Tensor, nn

from paddle_gans.fast_cpu import accelerate
from paddle_gans.training.model import NONE, GANModel, Update
from paddle_gans.weights import name_maps
from paddle_gans.weights.arrays import load_state_strict

VARIABLE = "PADDLE_GANS_GOLDEN"
FOLDER = Path(os.environ.get(VARIABLE) or Path(__file__).parents[2] / "shared" / "golden")

OUTPUT = 1e-4  # largest difference of an output or of a running mean
GRADIENT = 1e-2  # of the parameter's own L2
SMALL_GRADIENT = 1e-4  # of the case's largest L2: a bias in front of a norm is pure rounding
PARAMETERS_AFTER = 1e-5  # relative, after the last step
MOVED = 2e-2  # relative, of how far weights and averages went; an average reversed is far off
STATISTICS = ("running_mean", "running_var")


class Case:
    """One JSON file; ``case["inputs"]`` reads it."""

    def __init__(self, path: Path):
        self.path = path
        self.data = json.loads(path.read_text(encoding="utf-8"))
        self.name = self.data["case"]

    def __getitem__(self, key: str) -> Any:
        return self.data[key]

    def array(self, key: str, shape: list[int], kind: str) -> np.ndarray:
        """The numbers that the reference saw under ``key``."""
        return array(f"{self.name}/{key}", shape, kind, self.data.get("salt", ""))

    def weights(self, params: list, prefix: str = "") -> dict[str, np.ndarray]:
        """The reference's weights, under its names and in its layouts."""
        return {name: self.array(prefix + name, shape, kind) for name, shape, kind in params}

    def inputs(self) -> dict[str, Tensor]:
        """A network's inputs in the reference's order; all but labels ask for a gradient."""
        tensors = {}
        for name, x in self["inputs"].items():
            if x["kind"] == "label":
                tensors[name] = paddle.to_tensor(np.array(x["values"], dtype="int64"))
            else:
                value = self.array(f"input/{name}", x["shape"], x["kind"])
                tensors[name] = paddle.to_tensor(value, stop_gradient=False)
        return tensors

    def batch(self, t: int) -> dict[str, Tensor]:
        """The inputs of training step ``t``, from the case's sentence about them.

        "case/a{t}, case/b{t}: image, shape [1,3,64,64], t = 0" and "case/x, ref + step number:
        image [2,3,64,64]; y_org=[0,1]" are both understood.
        """
        tensors = {}
        for part in self["inputs"].split(";"):
            drawn = re.match(r" *(.*): (\w+),?(?: shape)? \[([\d, ]+)\]", part)
            for name in drawn[1].split(",") if drawn else []:
                name = re.sub(r"\{t\}|\+ step number", "", name).strip().split("/")[-1]
                value = self.array(f"{name}{t}", integers(drawn[3]), drawn[2])
                tensors[name] = paddle.to_tensor(value)
            for name, values in re.findall(r"(\w+)=\[([\d, ]+)\]", part):
                tensors[name] = paddle.to_tensor(np.array(integers(values), dtype="int64"))
        return tensors


@dataclass
class NetworkPort:
    """Our network of a case, its name map, and how it is called if not by the inputs in order."""

    network: nn.Layer
    rename: name_maps.Rename
    forward: Callable[..., Tensor] = lambda network, *inputs: network(*inputs)


@dataclass
class StepPort:
    """Our model of a step case: its networks with their name maps, under the reference's names.

    ``rename_losses`` turns one step's terms into the reference's (a case's nested terms are
    joined by "/"); ``tolerance(name, t)`` is relative. ``averages`` are the moving averages of
    networks; ``gradient_tolerance`` has the updates of a step in their order, each with what its
    gradients may differ by, of their network's length.
    """

    model: GANModel
    networks: Mapping[str, tuple[nn.Layer, name_maps.Rename]]
    tolerance: Callable[[str, int], float]
    rename_losses: Callable[[Mapping[str, Tensor]], Mapping[str, Any]] = dict
    averages: Mapping[str, nn.Layer] = field(default_factory=dict)
    gradient_tolerance: Mapping[str, float] = field(default_factory=dict)


def check_network(case: Case, port: NetworkPort) -> None:
    """Output, every gradient and the running means of one forward and backward pass."""
    network = port.network
    accelerate(network)
    load_state_strict(
        network, name_maps.to_ours(case.weights(case["params"]), network, port.rename)
    )
    if case["mode"] == "train":
        network.train()
    else:
        network.eval()

    inputs = case.inputs()
    output = port.forward(network, *inputs.values())
    assert list(output.shape) == case["output_shape"]
    with np.load(case.path.with_suffix(".npz")) as reference:
        difference = np.abs(output.numpy() - reference["output"]).max()
    assert difference <= OUTPUT, f"the output differs by {difference:.1e}"

    probe = paddle.to_tensor(case.array("probe", case["output_shape"], "probe"))
    (output * probe).sum().backward()
    gradients = reference_gradients(network, port.rename)
    check_gradients(case, gradients)
    largest = max(digest["l2"] for digest in case["grads"].values())
    for name, digest in case["input_grads"].items():
        check_gradient(name, inputs[name].grad.numpy(), digest, largest)

    after = name_maps.to_reference(network, port.rename)
    for name, digest in case.data.get("buffers_after", {}).items():
        # The reference keeps the unbiased running variance, Paddle the biased one.
        if name.endswith("running_mean"):
            head = np.abs(after[name].ravel()[:8] - digest["head"]).max()
            l2 = abs(norm(after[name]) - digest["l2"]) / max(1, digest["l2"])
            assert max(head, l2) <= OUTPUT, f"{name} differs by {max(head, l2):.1e}"


def reference_gradients(network: nn.Layer, rename: name_maps.Rename) -> dict[str, np.ndarray]:
    """The gradient of every trainable parameter, in the reference's names and layouts.

    Paddle gives None for a parameter that the loss does not reach: zeros here.
    """
    known, flipped = name_maps.reference_names(network, rename), name_maps.linear_weights(network)
    gradients = {}
    for ours, p in network.named_parameters():
        if p.trainable:
            gradient = np.zeros(p.shape, "float32") if p.grad is None else p.grad.numpy()
            gradients[known[ours]] = gradient.T if ours in flipped else gradient
    return gradients


def check_gradients(case: Case, gradients: Mapping[str, np.ndarray]) -> None:
    """Every listed parameter: against its digest, or zero where the reference had none."""
    digests = case["grads"]
    parameters = {name for name, _, kind in case["params"] if kind not in STATISTICS}
    assert set(gradients) == parameters
    assert set(digests) <= parameters
    largest = max(digest["l2"] for digest in digests.values())
    for name, gradient in gradients.items():
        if name in digests:
            check_gradient(name, gradient, digests[name], largest)
        else:
            assert not gradient.any(), f"{name} has a gradient, the reference none"


def check_gradient(name: str, gradient: np.ndarray, digest: dict, largest: float) -> None:
    """L2 and first values against a digest; ``largest`` is the case's largest L2."""
    allowed = max(GRADIENT * digest["l2"], SMALL_GRADIENT * largest)
    l2 = abs(norm(gradient) - digest["l2"])
    head = np.abs(gradient.ravel()[: len(digest["head"])] - digest["head"]).max()
    assert l2 <= allowed, f"the gradient's norm of {name} differs by {l2:.1e} of {digest['l2']}"
    assert head <= allowed, f"the gradient of {name} differs by {head:.1e}, L2 {digest['l2']}"


def check_steps(case: Case, port: StepPort) -> None:
    """The losses of every step of our training, and each network's norm after the last."""
    assert set(port.networks) == set(case["params"]) == set(case["param_l2_after"])
    for name, (network, rename) in port.networks.items():
        weights = case.weights(case["params"][name], prefix=f"{name}/")
        load_state_strict(network, name_maps.to_ours(weights, network, rename))
        if name in port.averages:
            port.averages[name].set_state_dict(network.state_dict())
    accelerate(port.model)
    port.model.train()
    start = {name: trainable(network) for name, (network, _) in port.networks.items()}

    update = RecordingUpdate(port)
    for t, terms in enumerate(case["steps"]):
        losses = port.model.train_step(case.batch(t), step=t, update=update)
        port.model.update_averages(t)
        ours = port.rename_losses(losses)
        expected = flat(terms)
        assert set(ours) == set(expected), f"other terms at step {t}"
        for name, loss in expected.items():
            value, allowed = float(ours[name]), port.tolerance(name, t) * abs(loss)
            assert abs(value - loss) <= max(allowed, 1e-7), f"{name} at step {t}: {value}, {loss}"
        if t == 0 and "grad_l2_first_step" in case.data:
            check_first_gradients(case["grad_l2_first_step"], update.gradients, port)

    for name, l2 in case["param_l2_after"].items():
        after = norm(*trainable(port.networks[name][0]).values())
        assert abs(after - l2) <= PARAMETERS_AFTER * l2, f"{name} is {after} long after, not {l2}"
    for which, moved in case.data.get("moved_l2", {}).items():
        for name, l2 in moved.items():
            network = port.networks[name][0] if which.startswith("live") else port.averages[name]
            now = trainable(port.networks[name][0], network)
            went = norm(*[now[key] - start[name][key] for key in start[name]])
            assert abs(went - l2) <= MOVED * l2, f"{name}, {which}: {went}, not {l2}"


class RecordingUpdate(Update):
    """Notes the gradients' lengths of each update: by network, and the reference's name."""

    def __init__(self, port: StepPort):
        super().__init__()
        self.port = port
        self.gradients: list[dict[str, dict[str, float]]] = []

    def __call__(self, losses, *optimizers, weights=NONE):
        terms = super().__call__(losses, *optimizers, weights=weights)
        stepped = {p.name for o in optimizers for p in o._parameter_list}
        self.gradients.append(
            {
                name: {k: norm(g) for k, g in reference_gradients(network, rename).items()}
                for name, (network, rename) in self.port.networks.items()
                if network.parameters()[0].name in stepped
            }
        )
        return terms


def check_first_gradients(expected: dict, updates: list[dict], port: StepPort) -> None:
    """Every parameter's gradient of every update in the first step, by its length."""
    assert list(expected) == list(port.gradient_tolerance)
    for (update, tolerance), found in zip(port.gradient_tolerance.items(), updates):
        networks = expected[update]
        if not isinstance(next(iter(networks.values())), Mapping):
            networks = {next(iter(found)): networks}  # the reference names no single network
        assert set(networks) == set(found), f"{update} steps other networks"
        for network, lengths in networks.items():
            total = norm(np.array(list(lengths.values())))
            for name, l2 in found[network].items():
                difference = abs(l2 - lengths.get(name, 0.0))
                assert difference <= tolerance * total, f"{update}: {network} {name} {difference}"


def trainable(network: nn.Layer, values: nn.Layer | None = None) -> dict[str, np.ndarray]:
    """The trainable parameters by name; their values in ``values``, of the same structure."""
    found = dict((values or network).named_parameters())
    return {n: found[n].numpy().copy() for n, p in network.named_parameters() if p.trainable}


def integers(text: str) -> list[int]:
    """The numbers of "1,3,64,64"."""
    return [int(number) for number in text.split(",")]


def flat(terms: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Nested terms under joined names: {"D/ref": {"real": 1}} is {"D/ref/real": 1}."""
    result = {}
    for name, value in terms.items():
        if isinstance(value, Mapping):
            result.update(flat(value, f"{prefix}{name}/"))
        else:
            result[prefix + name] = value
    return result


def norm(*arrays: np.ndarray) -> float:
    """The L2 norm of all values together, summed in float64."""
    return float(np.sqrt(sum((x.astype("float64") ** 2).sum() for x in arrays)))
