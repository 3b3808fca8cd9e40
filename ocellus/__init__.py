"""Ocellus, a simple eye: networks that see, that explain what they saw, and that imagine.

    import ocellus

    model = ocellus.load("see/mask_rcnn")           # or a weights file of your own
    found = model("photo.jpg")                      # an Instances: boxes, labels, scores, masks
    ocellus.train("see/mask_rcnn", "my/pictures")   # the same as the command

Everything is imported when it is first asked for, so that `import ocellus` costs nothing.
"""

from typing import TYPE_CHECKING

from ocellus.catalog import lazy
from ocellus.errors import OcellusError

if TYPE_CHECKING:
    from ocellus.data.check import check
    from ocellus.data.read import read
    from ocellus.jobs.evaluate import evaluate
    from ocellus.jobs.explain import explain
    from ocellus.jobs.model import Model, load
    from ocellus.jobs.run import run
    from ocellus.jobs.train import train
else:
    from ocellus import explain  # the package of methods, which is that function when it is called

__all__ = ["Model", "OcellusError", "check", "evaluate", "explain", "load", "read", "run", "train"]
__getattr__ = lazy(
    __name__,
    Model="jobs.model",
    load="jobs.model",
    read="data.read",
    check="data.check",
    train="jobs.train",
    evaluate="jobs.evaluate",
    run="jobs.run",
)
