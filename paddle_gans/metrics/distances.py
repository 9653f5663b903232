"""Distances between two sets of features: the Fréchet distance and the kernel distance (KID)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

DEGREE = 3  # of the kernel (x.y / D + 1)^3
SUBSETS = 100  # that KID is averaged over


class Gaussian(NamedTuple):
    """Mean [D] and covariance [D, D] (divided by N - 1) of features."""

    mean: np.ndarray
    covariance: np.ndarray


def gaussian(features: np.ndarray) -> Gaussian:
    """Fit a Gaussian to features [N, D], N at least 2."""
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(f"features are [N, D] with N of 2 at least, not {list(features.shape)}")
    features = features.astype(np.float64)
    covariance = np.cov(features, rowvar=False)
    return Gaussian(features.mean(axis=0), np.atleast_2d(covariance))


def frechet_distance(a: Gaussian, b: Gaussian) -> float:
    """Squared distance of two Gaussians: |ma - mb|^2 + tr(A + B - 2 sqrt(A B)).

    With A = Ra' Ra and B = Rb' Rb, tr sqrt(A B) is the sum of the singular values of Ra Rb'. This
    needs neither the root of an asymmetric matrix nor an inverse, so singular covariances (fewer
    images than features) need no correction. Source: Heusel et al. 2017, equation 6.
    """
    if a.mean.shape != b.mean.shape:
        raise ValueError(f"features of {len(a.mean)} and of {len(b.mean)} numbers")
    apart = a.mean - b.mean
    product = root(a.covariance) @ root(b.covariance).T
    shared = np.linalg.svd(product, compute_uv=False).sum() if product.size else 0.0
    spread = np.trace(a.covariance) + np.trace(b.covariance)
    return max(0.0, float(apart @ apart + spread - 2 * shared))  # -1e-13 of rounding is 0


def root(covariance: np.ndarray) -> np.ndarray:
    """Return R [rank, D] with R' R = covariance, without directions that have no variance."""
    values, vectors = np.linalg.eigh(covariance)
    seen = values > values[-1] * len(values) * np.finfo(np.float64).eps
    return np.sqrt(values[seen])[:, None] * vectors[:, seen].T


def kernel_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Unbiased estimate of the squared MMD of features [N, D] and [M, D]; may be below 0.

    The kernel is (x.y / D + 1)^3. Source: Binkowski et al. 2018, equation 4 and section 4.
    """
    a, b = a.astype(np.float64), b.astype(np.float64)
    within = 0.0
    for x in (a, b):
        of_same = ((np.einsum("nd,nd->n", x, x) / x.shape[1] + 1) ** DEGREE).sum()
        within += (kernel(x, x).sum() - of_same) / (len(x) * (len(x) - 1))
    return float(within - 2 * kernel(a, b).mean())


def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the kernel of each of [N, D] with each of [M, D]: [N, M]."""
    return (a @ b.T / a.shape[1] + 1) ** DEGREE


def kid(
    a: np.ndarray, b: np.ndarray, *, subset: int, subsets: int = SUBSETS, seed: int = 0
) -> tuple[float, float]:
    """Mean and standard deviation of ``kernel_distance`` over random subsets of features.

    ``subset`` images are drawn from each side without repetition, ``subsets`` times; once if that
    is all of them. Source: Binkowski et al. 2018, section 4 and appendix; 100 subsets of 1000 are
    customary.
    """
    if not 2 <= subset <= min(len(a), len(b)):
        raise ValueError(f"subsets of {subset} from {len(a)} and {len(b)} features")
    if subset == len(a) == len(b):
        return kernel_distance(a, b), 0.0
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(subsets):
        some = [x[rng.choice(len(x), subset, replace=False)] for x in (a, b)]
        found.append(kernel_distance(*some))
    return float(np.mean(found)), float(np.std(found))
