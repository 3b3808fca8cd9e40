"""Pascal VOC: Annotations/*.xml, SegmentationObject/*.png, JPEGImages/, ImageSets/ and labels.txt."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

from ocellus.data.dataset import Finding
from ocellus.data.masks_png import write_ids
from ocellus.data.write.files import Losses, Names, place_picture, write_text
from ocellus.data.write.id_masks import paint
from ocellus.data.write.shapes import area_differs, short
from ocellus.errors import OcellusError
from ocellus.labels import LabelMap, Skeleton
from ocellus.values import Instances

MOST_OBJECTS = 254  # 255 is VOC's border


def write(
    items: Iterable[tuple[str, Instances]],
    folder: Path,
    *,
    labels: LabelMap,
    skeleton: Skeleton | None = None,
) -> tuple[Finding, ...]:
    """Writes one XML file a picture, and a mask file where there are masks.

    Raises:
        OcellusError: more objects than a mask numbers, a name that cannot be used, or a file that cannot be
            written.
    """
    names, losses = Names(), Losses()
    masked = False
    for name, instances in items:
        names.add(name)
        place_picture(instances, folder / "JPEGImages" / name)
        losses.add("score-not-held", name, len(instances) if instances.scores is not None else 0)
        losses.add("crowd-not-held", name, int(instances.crowd.sum()) if instances.crowd is not None else 0)
        losses.add("keypoints-not-held", name, len(instances) if instances.keypoints is not None else 0)
        losses.add("area-not-held", name, area_differs(instances))
        stem = PurePosixPath(name).with_suffix("")
        tree = _page(name, instances, labels)
        ElementTree.indent(tree)
        text = ElementTree.tostring(tree, encoding="unicode")
        write_text(folder / "Annotations" / f"{stem}.xml", text + "\n")
        if instances.masks is not None and len(instances):
            if len(instances) > MOST_OBJECTS:
                count = len(instances)
                raise OcellusError(
                    f"{name} has {count} objects; VOC's masks number {MOST_OBJECTS}: write COCO"
                )
            here = Losses()  # boxes and objects without pixels are in the XML
            ids = paint(instances, list(range(1, len(instances) + 1)), name, here)
            losses.add("overlap-not-held", name, here.found.get("overlap-not-held", (0, ""))[0])
            write_ids(ids.astype("uint8"), folder / "SegmentationObject" / f"{stem}.png")
            masked = True
    write_text(folder / "labels.txt", "".join(f"{name}\n" for name in labels))
    for split, held in names.splits.items():
        if split:
            stems = "".join(f"{PurePosixPath(name).with_suffix('')}\n" for name in held)
            for kind in ("Main", "Segmentation") if masked else ("Main",):
                write_text(folder / "ImageSets" / kind / f"{split}.txt", stems)
    return losses.findings(folder)


def _page(name: str, instances: Instances, labels: LabelMap) -> ElementTree.Element:
    page = ElementTree.Element("annotation")
    _add(page, "filename", PurePosixPath(name).name)
    size = ElementTree.SubElement(page, "size")
    height, width = instances.size
    for side, length in (("width", width), ("height", height), ("depth", 3)):
        _add(size, side, length)
    _add(page, "segmented", int(instances.masks is not None))
    for index in range(len(instances)):
        one = ElementTree.SubElement(page, "object")
        _add(one, "name", labels[int(instances.labels[index])])
        _add(one, "difficult", 0)
        box = ElementTree.SubElement(one, "bndbox")
        x1, y1, x2, y2 = short(instances.boxes[index])
        for corner, value in (("xmin", x1 + 1), ("ymin", y1 + 1), ("xmax", x2), ("ymax", y2)):
            _add(box, corner, f"{value:.10g}")
    return page


def _add(parent: ElementTree.Element, tag: str, value: object) -> None:
    ElementTree.SubElement(parent, tag).text = str(value)
