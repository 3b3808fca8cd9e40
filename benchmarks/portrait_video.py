"""A 720p video with its background blurred: frames a second from file to file, and flicker.

    python -m benchmarks.portrait_video runs/portrait ../shared/data/clips/people.mp4

The clip is first scaled to 1280x720, which is not timed. Prints frames a second end to end (decoding,
network, edges, blur, encoding; the model is loaded before), with two threads unless told otherwise,
and flicker, the mean change of alpha where the picture does not change, with and without temporal smoothing.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import av
import torch

from ocellus.data.video import video_rate
from ocellus.jobs.model import load
from ocellus.jobs.portrait import Look, Made, portrait

HEIGHT, WIDTH = 720, 1280


def enlarged(source: Path, place: Path, *, frames: int) -> None:
    """The first frames of a video at 1280x720."""
    with av.open(str(source)) as given, av.open(str(place), "w") as made:
        stream = made.add_stream("libx264", rate=video_rate(source), options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number, frame in enumerate(given.decode(video=0)):
            if frames and number >= frames:
                break
            made.mux(stream.encode(frame.reformat(WIDTH, HEIGHT, "yuv420p")))
        made.mux(stream.encode(None))


def main() -> None:
    """Time each look, with smoothing and without."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="weights of imagine/portrait, or another model with masks")
    parser.add_argument("video")
    parser.add_argument("--frames", type=int, default=0, help="only the first so many (0: all)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--subject", default="")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model = load(arguments.model)
    looks = {
        "blur": Look(mode="blur"),
        "blur, depth": Look(mode="blur", depth=True),
        "replace": Look(mode="replace", background=(0, 177, 64)),
    }
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        enlarged(Path(arguments.video), clip, frames=arguments.frames)
        runs = [(name, look, True) for name, look in looks.items()] + [("blur", looks["blur"], False)]
        for number, (name, look, smooth) in enumerate(runs):
            out = Path(folder) / f"{number}.mp4"
            (made,) = portrait(model, clip, look=look, subject=arguments.subject, out=out, smooth=smooth)
            print(told(name if smooth else f"{name}, not smoothed", made, model.precision), flush=True)


def told(name: str, made: Made, precision: str) -> str:
    """One line of figures."""
    flicker = "unknown" if made.flicker is None else f"{made.flicker:.5f}"
    pace = f"{made.frames / made.seconds:.1f} a second"
    return f"{name:<20} {made.frames} frames of {WIDTH}x{HEIGHT}, {precision}: {pace}, flicker {flicker}"


if __name__ == "__main__":
    main()
