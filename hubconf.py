"""Entry points of ``paddle.hub``, one a model: ``paddle.hub.load(DIR, "pix2pix", source="local")``.

Each builds the untrained model from keyword options, or, given ``weights``, opens trained ones as
``paddle_gans.load`` does. ``paddle.hub`` takes every public callable here for an entry point.
"""

from paddle_gans import models as _models

dependencies = ["paddle", "numpy", "matplotlib", "cv2", "tqdm"]


def _entry(name):
    def build(weights=None, **options):
        if weights is not None:
            from paddle_gans import load

            return load(weights, **options)
        from paddle_gans.training.options import resolve

        model_class = _models.find(name)
        return model_class(**resolve(model_class, options, name))

    build.__name__ = name
    build.__doc__ = (
        f"The {name} model. ``weights``: a .pdparams file or a run folder; without it, keywords "
        "are the options of the model, and its weights are untrained."
    )
    return build


globals().update({name: _entry(name) for name in _models.names()})
