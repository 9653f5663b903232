"""The articles' training steps in plain PyTorch, one class a model, as one would write them.

Each takes the sizes that benchmarks/step.py states, builds the networks of reference_networks.py,
and has ``batch``, ``step`` and ``infer``. One generator pass a step where the article makes two.
"""

from __future__ import annotations

import copy
from functools import partial
from itertools import chain

import torch
import torch.nn.functional as F
from reference_networks import (
    ByDomain,
    DigitGenerator,
    DynamicUNet,
    StyledGenerator,
    digit_discriminator,
    dims_of,
    instance_norm,
    lab_discriminator,
    mapping_network,
    pair_discriminator,
    patch_discriminator,
    resnet_generator,
    to_a_vector,
)
from torch import nn


def adam(*networks, **settings):
    """Adam over the parameters of networks, with the articles' settings where not given."""
    settings = {"lr": 2e-4, "betas": (0.5, 0.999), **settings}
    return torch.optim.Adam(chain(*(network.parameters() for network in networks)), **settings)


def vanilla(logits, is_real):
    """Cross entropy against ones or zeros."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(is_real)))


def lsgan(scores, is_real):
    """Squared distance to one or zero."""
    return (scores - float(is_real)).square().mean()


def minimise(loss, *optimizers):
    """One step."""
    for optimizer in optimizers:
        optimizer.zero_grad()
    loss.backward()
    for optimizer in optimizers:
        optimizer.step()


class Frozen:
    """Within it, no gradient goes to the parameters of these networks."""

    def __init__(self, *networks):
        self.parameters = [p for network in networks for p in network.parameters()]

    def __enter__(self):
        for p in self.parameters:
            p.requires_grad_(False)

    def __exit__(self, *exc):
        for p in self.parameters:
            p.requires_grad_(True)


class Reference:
    """What the five share. ``images`` makes random pictures in the model's memory format."""

    def __init__(self, memory_format):
        self.memory_format = memory_format

    def to(self, *networks):
        """Networks in the memory format."""
        return [network.to(memory_format=self.memory_format) for network in networks]

    def images(self, *shape):
        return (torch.rand(shape) * 2 - 1).contiguous(memory_format=self.memory_format)


class DCGAN(Reference):
    def __init__(self, memory_format, size, batch):
        super().__init__(memory_format)
        self.count, self.size = batch, size
        self.g, self.d = self.to(DigitGenerator(size), digit_discriminator(size))
        self.g_adam, self.d_adam = adam(self.g), adam(self.d)

    def batch(self):
        return self.images(self.count, 1, self.size, self.size)

    def noise(self):
        return torch.rand(self.count, 100) * 2 - 1

    def step(self, real):
        with torch.no_grad():
            fake = self.g(self.noise())
        minimise(vanilla(self.d(fake), False), self.d_adam)
        minimise(vanilla(self.d(real), True), self.d_adam)
        for _ in range(2):
            with Frozen(self.d):
                loss = vanilla(self.d(self.g(self.noise())), True)
            minimise(loss, self.g_adam)

    def infer(self, batch):
        return self.g(self.noise())


class Pix2Pix(Reference):
    def __init__(self, memory_format, size, batch):
        super().__init__(memory_format)
        self.shape = (batch, 3, size, size)
        options = {"norm": nn.BatchNorm2d, "bias": False, "upsamples": False}
        self.g, self.d = self.to(resnet_generator(64, 7, **options), pair_discriminator(64))
        self.g_adam, self.d_adam = adam(self.g), adam(self.d)

    def batch(self):
        return self.images(*self.shape), self.images(*self.shape)

    def step(self, batch):
        a, b = batch
        fake = self.g(a)
        judge = lambda image: self.d(torch.cat([a, image], 1))  # noqa: E731
        minimise(vanilla(judge(b), True) + vanilla(judge(fake.detach()), False), self.d_adam)
        with Frozen(self.d):
            loss = vanilla(judge(fake), True) + 100 * F.l1_loss(fake, b)
        minimise(loss, self.g_adam)

    def infer(self, batch):
        return self.g(batch[0])


class CycleGAN(Reference):
    def __init__(self, memory_format, size, batch):
        super().__init__(memory_format)
        self.shape = (batch, 3, size, size)
        options = {"norm": instance_norm, "bias": True, "upsamples": True}
        self.ab, self.ba = self.to(*(resnet_generator(64, 9, **options) for _ in range(2)))
        self.d_a, self.d_b = self.to(patch_discriminator(64), patch_discriminator(64))
        self.g_adam = adam(self.ab, self.ba)
        self.d_a_adam, self.d_b_adam = adam(self.d_a), adam(self.d_b)

    def batch(self):
        return self.images(*self.shape), self.images(*self.shape)

    def step(self, batch):
        a, b = batch
        fake_b, fake_a = self.ab(a), self.ba(b)
        with Frozen(self.d_a, self.d_b):
            gan = lsgan(self.d_b(fake_b), True) + lsgan(self.d_a(fake_a), True)
        cycle = F.l1_loss(self.ba(fake_b), a) + F.l1_loss(self.ab(fake_a), b)
        same = F.l1_loss(self.ba(a), a) + F.l1_loss(self.ab(b), b)
        minimise((gan + 10 * cycle + 5 * same) / 2, self.g_adam)
        for d, optimizer, real, fake in (
            (self.d_a, self.d_a_adam, a, fake_a),
            (self.d_b, self.d_b_adam, b, fake_b),
        ):
            minimise((lsgan(d(real), True) + lsgan(d(fake.detach()), False)) / 2, optimizer)

    def infer(self, batch):
        return self.ab(batch[0])


class Colorization(Reference):
    def __init__(self, memory_format, size, batch):
        super().__init__(memory_format)
        self.count, self.size = batch, size
        self.g, self.d = self.to(DynamicUNet(64), lab_discriminator(64))
        self.g_adam, self.d_adam = adam(self.g), adam(self.d)

    def batch(self):
        shape = (self.size, self.size)
        return self.images(self.count, 1, *shape), self.images(self.count, 2, *shape)

    def step(self, batch):
        lightness, ab = batch
        fake = self.g(lightness)
        judge = lambda colours: self.d(torch.cat([lightness, colours], 1))  # noqa: E731
        minimise(vanilla(judge(ab), True) + vanilla(judge(fake.detach()), False), self.d_adam)
        with Frozen(self.d):
            loss = vanilla(judge(fake), True) + 100 * F.l1_loss(fake, ab)
        minimise(loss, self.g_adam)

    def infer(self, batch):
        return self.g(batch[0])


class StarGANv2(Reference):
    domains, base_dim, max_dim, hidden_dim = 3, 64, 256, 512

    def __init__(self, memory_format, size, batch):
        super().__init__(memory_format)
        self.count, self.size = batch, size
        dims = dims_of(size, self.base_dim, self.max_dim)

        def heads(width):
            return [nn.Linear(dims[-1], width) for _ in range(self.domains)]

        self.g, self.e, self.d = self.to(
            StyledGenerator(dims),
            ByDomain(to_a_vector(dims), heads(64)),
            ByDomain(to_a_vector(dims), heads(1)),
        )
        self.f = mapping_network(self.domains, self.hidden_dim)
        adam_ = partial(adam, lr=1e-4, betas=(0.0, 0.99), weight_decay=1e-4)
        self.g_adam, self.e_adam, self.d_adam = adam_(self.g), adam_(self.e), adam_(self.d)
        self.f_adam = adam_(self.f, lr=1e-6)
        self.averaged = (self.g, self.f, self.e)
        self.averages = [copy.deepcopy(n).requires_grad_(False) for n in self.averaged]

    def batch(self):
        pictures = [self.images(self.count, 3, self.size, self.size) for _ in range(3)]
        labels = [torch.randint(0, self.domains, [self.count]) for _ in range(2)]
        return pictures, labels, [torch.randn(self.count, 16) for _ in range(2)]

    def step(self, batch):
        (x, *refs), (y, y_trg), zs = batch
        self.update_d(x, y, y_trg, self.f, zs[0])
        self.update_d(x, y, y_trg, self.e, refs[0])
        with Frozen(self.d):
            loss = self.g_loss(x, y, y_trg, self.f, zs)
        minimise(loss, self.g_adam, self.f_adam, self.e_adam)
        with Frozen(self.d, self.e):
            loss = self.g_loss(x, y, y_trg, self.e, refs)
        minimise(loss, self.g_adam)
        with torch.no_grad():
            for network, average in zip(self.averaged, self.averages):
                for p, mean in zip(network.parameters(), average.parameters()):
                    mean.lerp_(p, 0.001)

    def update_d(self, x, y, y_trg, guide, source):
        x = x.detach().requires_grad_()
        real = self.d(x, y)[:, 0]
        with torch.no_grad():
            fake = self.g(x, guide(source, y_trg))
        (slope,) = torch.autograd.grad(real.sum(), x, create_graph=True)
        steep = slope.square().sum() / (2 * len(x))
        loss = vanilla(real, True) + vanilla(self.d(fake, y_trg)[:, 0], False) + steep
        minimise(loss, self.d_adam)

    def g_loss(self, x, y, y_trg, guide, sources):
        s = guide(sources[0], y_trg)
        fake = self.g(x, s)
        with torch.no_grad():
            other = self.g(x, guide(sources[1], y_trg))
        back = self.g(fake, self.e(x, y))
        return (
            vanilla(self.d(fake, y_trg)[:, 0], True)
            + F.l1_loss(self.e(fake, y_trg), s)
            - 2 * F.l1_loss(fake, other)
            + F.l1_loss(back, x)
        )

    def infer(self, batch):
        (x, *_), (_, y_trg), (z, _) = batch
        g, f, _ = self.averages
        return g(x[:1], f(z[:1], y_trg[:1]))


MODELS = {
    "dcgan": DCGAN,
    "pix2pix": Pix2Pix,
    "cyclegan": CycleGAN,
    "stargan_v2": StarGANv2,
    "colorization": Colorization,
}
