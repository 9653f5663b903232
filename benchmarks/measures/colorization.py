"""Colorization of photographs: closer to the truth than no colour, and than the mean colour?"""

from __future__ import annotations

from pathlib import Path

import numpy as np

PEAK = 220.0  # of ab in Lab units, for its PSNR
DEFAULTS = {
    "generator": "dynamic_unet",
    "base_dim": 32,
    "load_size": 112,
    "crop_size": 96,
    "batch_size": 8,
    "lambda_l1": 100.0,
    "log_every": 25,
    "sample_every": 500,
    "save_every": 500,
    "validate_every": 250,
}


def measure(translate, data: str, out: Path, options: dict) -> dict:
    """PSNR of ab, CIEDE2000 and mean chroma on ``val/``, beside grey and the mean colour."""
    import paddle

    train, held = (translate.model.dataset(data, train=part) for part in (True, False))
    rng = np.random.default_rng(0)
    mean = np.mean([train.item(i, rng)["ab"].mean(axis=(1, 2)) for i in range(len(train))], axis=0)

    rows = {"grey": [], "mean colour": [], "result": []}
    for i in range(len(held)):
        item = held.item(i, rng)
        with paddle.no_grad():
            result = translate.model.translate(paddle.to_tensor(item["l"][None]))[0].numpy()
        constant = np.broadcast_to(mean[:, None, None], item["ab"].shape)
        for name, ab in zip(rows, (np.zeros_like(item["ab"]), constant, result)):
            rows[name].append(figures_of(item["l"], ab, item["ab"]))
    truth = np.mean([chroma_of(held.item(i, rng)["ab"]) for i in range(len(held))])

    print(f"{len(held)} photographs of val/        PSNR of ab   CIEDE2000   mean chroma")
    table = {}
    for name, values in rows.items():
        psnr, difference, chroma = (round(float(x), 2) for x in np.mean(values, axis=0))
        table[name] = {"psnr_ab": psnr, "ciede2000": difference, "chroma": chroma}
        print(f"  {name:24s} {psnr:12.2f} {difference:11.2f} {chroma:13.2f}")
    print(f"  {'truth':24s} {'':12s} {'':11s} {truth:13.2f}")
    return {"val": len(held), **table, "truth_chroma": round(float(truth), 2)}


def figures_of(lightness, ab, truth) -> tuple[float, float, float]:
    """PSNR of ab (dB), CIEDE2000 and mean chroma of one picture; planes as the network's."""
    from data_reader import colour

    difference = (ab - truth) * colour.AB_SCALE
    apart = colour.ciede2000(colour.decode(lightness, ab), colour.decode(lightness, truth))
    return float(colour.psnr(difference, PEAK)), float(apart.mean()), chroma_of(ab)


def chroma_of(ab) -> float:
    """Mean chroma of planes / 110, in Lab units."""
    from data_reader import colour

    return float((colour.chroma(ab) * colour.AB_SCALE).mean())
