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
    BlurredGenerator,
    ByDomain,
    DigitGenerator,
    DynamicUNet,
    StyledGenerator,
    blurred_discriminator,
    digit_discriminator,
    dims_of,
    instance_norm,
    lab_discriminator,
    mapping_network,
    pair_discriminator,
    patch_discriminator,
    projections,
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
    """What the six share. ``images`` makes random pictures in the model's memory format."""

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


class CUT(Reference):
    """CUT, or FastCUT. ``positions`` draws the patches of a map, once for a map and a step."""

    def __init__(self, memory_format, size, batch, *, fast=False, width=64, blocks=9, vector=256):
        super().__init__(memory_format)
        self.shape, self.fast = (batch, 3, size, size), fast
        self.g, self.d = self.to(BlurredGenerator(width, blocks), blurred_discriminator(width))
        self.h = projections(self.g.channels, vector)
        self.g_adam, self.h_adam, self.d_adam = adam(self.g), adam(self.h), adam(self.d)
        self.positions = lambda count: torch.randperm(count)[:256]
        self.flips = lambda: bool(torch.rand([]) < 0.5)

    def batch(self):
        return self.images(*self.shape), self.images(*self.shape)

    def step(self, batch):
        a, b = batch
        n, flipped = len(a), self.fast and self.flips()
        x = a if self.fast else torch.cat([a, b])
        y = self.g(x.flip([3]) if flipped else x)
        real, fake = lsgan(self.d(b), True), lsgan(self.d(y[:n].detach()), False)
        minimise((real + fake) / 2, self.d_adam)
        with Frozen(self.d):
            gan = lsgan(self.d(y[:n]), True)
        queries, keys = self.g.features(y), self.g.features(x)
        queries = [q.flip([3]) for q in queries] if flipped else queries
        places = [self.positions(k[0, 0].numel()) for k in keys]
        # Of each image in turn, as the paper's loss is written.
        nce = [
            sum(self.nce(h, q[i], k[i], at) for h, q, k, at in zip(self.h, queries, keys, places))
            / len(keys)
            for i in range(len(x))
        ]
        nce_x, nce_y = sum(nce[:n]) / n, sum(nce[n:]) / n
        minimise(gan + (10 * nce_x if self.fast else (nce_x + nce_y) / 2), self.g_adam, self.h_adam)
        terms = {"d_loss_real": real, "d_loss_fake": fake, "g_loss_gan": gan, "g_loss_nce": nce_x}
        return terms if self.fast else {**terms, "g_loss_nce_identity": nce_y}

    def nce(self, project, query, key, places):
        """One map [C, h, w] of one image: a positive and the other places' negatives each."""
        q, k = (project(m.flatten(1)[:, places].T) for m in (query, key))
        q, k = (v / (v.norm(dim=1, keepdim=True) + 1e-7) for v in (q, k.detach()))
        positive, negative = (q * k).sum(1, keepdim=True), q @ k.T
        negative = negative.masked_fill(torch.eye(len(q), dtype=torch.bool), float("-inf"))
        logits = torch.cat([positive, negative], 1) / 0.07
        return F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long))

    def infer(self, batch):
        return self.g(batch[0])


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
    "cut": CUT,
    "stargan_v2": StarGANv2,
    "colorization": Colorization,
}
