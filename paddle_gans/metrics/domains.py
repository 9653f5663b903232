"""StarGAN v2's figures: every ordered pair of domains, in drawn styles and in copied ones."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import paddle

from data_reader.domains import Domains
from data_reader.errors import InputError
from paddle_gans.inference.tiling import to_rgb
from paddle_gans.inference.translator import Translator

from .cache import Reals, identity
from .subjects import Choice, Data, Made, Subject, pictures_of

OUTPUTS = 10  # of each source, as in the paper


class Pool:
    """The styles of all references of a domain, each found once."""

    def __init__(self, translate: Translator, dataset: Domains):
        self.translate, self.dataset = translate, dataset
        self.found: dict[str, np.ndarray] = {}

    def styles(self, domain: str, batch_size: int) -> np.ndarray:
        """Styles [R, style_dim] of the test set's references of a domain."""
        if domain not in self.found:
            y, references = self.dataset.domains.index(domain), self.dataset.references[domain]
            found = []
            for start in range(0, len(references), batch_size):
                some = references[start : start + batch_size]
                x = np.stack([view(self.dataset, y, picture) for picture in some])
                with paddle.no_grad():
                    styles = self.translate.model.copied_styles(paddle.to_tensor(x), y)
                found.append(styles.numpy())
            self.found[domain] = np.concatenate(found)
        return self.found[domain]


def of_domains(translate: Translator, data: Data, choice: Choice) -> list[Subject]:
    """Each source in every other domain, in 10 drawn and in 10 copied styles.

    Drawn styles come from random latents, copied ones from random references of the test set.
    The real pictures are those of the target domain. Source: Choi et al. 2020, appendix on
    evaluation.

    Raises:
        InputError: the data has other domains than the model.
    """
    outputs = OUTPUTS if choice.outputs is None else choice.outputs
    if outputs < 2:
        raise InputError(f"--outputs {outputs}: the diversity is that of 2 outputs or more")
    pool, found = Pool(translate, data.sources), []
    for guide in ("latent", "reference"):
        for source in data.sources.domains:
            for target in data.sources.domains:
                if source == target:
                    continue
                make = partial(shown, translate, pool, guide, source, target, outputs, choice)
                found.append(
                    Subject(
                        f"{source} to {target}, {guide}",
                        reals_of(data.reals, target),
                        outputs * len(data.sources.sources[source]),
                        make,
                        together=True,
                        group=guide,
                    )
                )
    return found


def reals_of(dataset: Domains, domain: str) -> Reals:
    """The pictures of one domain."""
    y, pictures = dataset.domains.index(domain), dataset.sources[domain]
    one = dataset.of([domain])
    key = {**identity(one), "domain": domain, "view": dataset.image_size}
    return Reals(key, len(pictures), lambda i: to_rgb(view(dataset, y, pictures[i])))


def view(dataset: Domains, y: int, picture) -> np.ndarray:
    """A picture as the model sees it, float32 [3, S, S]; nothing is drawn."""
    return dataset.view(y, picture, np.random.default_rng(0))


def shown(translate, pool, guide, source, target, outputs, choice: Choice) -> Iterator[Made]:
    """Every picture of the source domain in so many styles of the target domain."""
    model, dataset = translate.model, pool.dataset
    y_org, y_trg = (dataset.domains.index(name) for name in (source, target))
    for i, picture in enumerate(dataset.sources[source]):
        rng = np.random.default_rng([choice.seed, y_org, y_trg, i])
        if guide == "latent":
            z = rng.standard_normal((outputs, model.latent_dim), dtype=np.float32)
            with paddle.no_grad():
                styles = model.drawn_styles(paddle.to_tensor(z), y_trg).numpy()
        else:
            known = pool.styles(target, choice.batch_size)
            styles = known[rng.choice(len(known), outputs, replace=len(known) < outputs)]
        x = paddle.to_tensor(view(dataset, y_org, picture)[None])
        parts = []
        for indices in choice.batches(outputs):
            with paddle.no_grad():
                parts.append(model.render(x, paddle.to_tensor(styles[list(indices)])).numpy())
        yield Made(pictures_of(np.concatenate(parts)))
