"""Public checkpoints -> ours: "eccv16" of richzhang/colorization."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from ocellus.errors import OcellusError
from ocellus.imagine.colorize.config import Config
from ocellus.imagine.colorize.model import REACH, build
from ocellus.labels import LabelMap
from ocellus.nn.renaming import adjusted, check_whole, counted, renamed

RULES = (
    (r"model([1-7])\.(\d)\.", "stages.{0-1}.{1}."),
    (r"model8\.0\.", "larger."),
    (r"model8\.2\.", "last.0."),
    (r"model8\.4\.", "last.2."),
    (r"model8\.6\.", "score."),
    (r"model_out\.weight", "bins"),
)


def import_state(
    state: Mapping[str, Tensor], *, names: Iterable[str] = (), adjust: Mapping[str, Any] | None = None
) -> tuple[Config, dict[str, Tensor], LabelMap]:
    """The published checkpoint as settings and weights of ours.

    The bins are those of its last layer, whose two rows are a and b of each, divided by 110. It was published
    to answer with the plain mean of its distribution, temperature 1; the paper's is 0.38.

    Args:
        state: the checkpoint's tensors, as `ocellus.foreign.read_foreign` gives them.
        names: not used; there are no classes.
        adjust: fields of Config that the tensors cannot tell: temperature, short_side.

    Returns:
        The network's settings, its state for `build(config).load_state_dict`, and no class names.

    Raises:
        OcellusError: the names are of another network ("siggraph17" has inputs for hints of a user).
    """
    if "model_out.weight" not in state or "model1.0.weight" not in state:
        raise OcellusError(
            f"the checkpoint's names ({', '.join(list(state)[:3])}, ...) are not those of the colorization "
            "network eccv16; only that is known"
        )
    channels = state["model1.0.weight"].shape[1]
    if channels != 1:
        raise OcellusError(
            f"the checkpoint takes {channels} channels, as siggraph17 does, which is given hints of a user; "
            "only eccv16 is known"
        )
    ours = renamed(state, RULES, network="the colorization network eccv16")
    ours["bins"] = ours["bins"][:, :, 0, 0].T.contiguous() * REACH
    config = Config(width=len(state["model1.0.weight"]), temperature=1.0)
    config = adjusted(config, adjust)
    ours = counted(ours, norm="batch")
    check_whole(ours, build, config)
    return config, ours, LabelMap(())
