"""Everything that `ocellus check` looks for: one table of kinds, with what each means and how to mend it.

A finding refuses where training on it would crash, learn something wrong without saying so, or measure
nothing; it warns where training goes on as asked, but the figures may surprise. The guide's table is made
from this one.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ocellus.data.dataset import Finding

REFUSE, WARN = "refuse", "warn"


class Kind(NamedTuple):
    """What a kind of finding means.

    Args:
        severity: "refuse" or "warn".
        meaning: what is wrong, and what comes of it.
        cure: what to do about it.
    """

    severity: str
    meaning: str
    cure: str


KINDS: dict[str, Kind] = {
    # Pictures
    "picture-missing": Kind(
        REFUSE,
        "the annotations name a picture that is not there",
        "restore the file, or take its entry out of the annotations",
    ),
    "picture-unreadable": Kind(
        REFUSE,
        "the file cannot be decoded as a picture",
        "replace it, or take it out of the data set",
    ),
    "picture-truncated": Kind(
        REFUSE,
        "the file ends before the picture does; the lower part would be grey",
        "copy or download it again",
    ),
    "picture-size": Kind(
        REFUSE,
        "the annotated size is not the size of the file; boxes and masks would lie in the wrong place",
        "annotate the file as it is, or put back the file that was annotated",
    ),
    "picture-rotated": Kind(
        REFUSE,
        "the annotated size is the file's before EXIF turns it upright; boxes and masks would lie rotated",
        "store the picture upright without the EXIF tag, or annotate it as it is displayed",
    ),
    "picture-tiny": Kind(
        WARN,
        "a side is shorter than 8 pixels; hardly anything can be seen in it",
        "leave it out unless it is meant",
    ),
    "picture-huge": Kind(
        WARN,
        "more than 50 megapixels; reading it takes hundreds of megabytes in each worker",
        "cut it into tiles if the objects are small",
    ),
    "picture-empty": Kind(
        WARN,
        "nothing is annotated in the picture; it is taken as background",
        "annotate it if there is something in it",
    ),
    "picture-unannotated": Kind(
        WARN,
        "the picture has no annotation file; it is taken as background where the format allows that",
        "add the file (an empty one says: nothing here), or take the picture out",
    ),
    "picture-in-splits": Kind(
        WARN,
        "the same picture, pixel for pixel, is in two splits; figures on it show what was learnt by heart",
        "keep it in one of them",
    ),
    "picture-alike": Kind(
        WARN,
        "a picture of another split is nearly the same: a frame of one video, or a copy; figures flatter",
        "put all of a video, a patient or a place into one split; it is no fault if a camera stands still",
    ),
    "picture-twice": Kind(
        WARN,
        "the same picture, pixel for pixel, is in the split twice; it counts double",
        "keep one, with the better annotations",
    ),
    # Annotations
    "annotation-orphan": Kind(
        REFUSE,
        "the annotation belongs to a picture that the data set does not have",
        "add the picture, or take the annotation out",
    ),
    "annotation-unreadable": Kind(
        REFUSE,
        "the annotation is not in the form that its format asks for",
        "write it again from the tool that made it",
    ),
    "annotation-shapeless": Kind(
        REFUSE,
        "the annotation has no box, no shape and no point",
        "draw it, or take it out",
    ),
    "annotation-twice": Kind(
        WARN,
        "the same object is annotated twice, to the last number; one of them can never be found",
        "take one out",
    ),
    "coordinate-nan": Kind(
        REFUSE,
        "a coordinate is not a finite number; the loss would become NaN",
        "write the annotation again",
    ),
    "box-empty": Kind(
        REFUSE,
        "the box has no area: its right end is not right of its left, or its bottom not below its top",
        "draw it again or take it out; where many have it, sizes were written as corners or the reverse",
    ),
    "box-outside": Kind(
        REFUSE,
        "the box lies wholly outside the picture",
        "draw it again; where many do, the coordinates are of another size or in other units",
    ),
    "box-over-edge": Kind(
        WARN,
        "the box reaches over the picture's edge by more than a pixel; it is cut at the edge",
        "cut it yourself if the rest of the object is not meant",
    ),
    "boxes-misread": Kind(
        REFUSE,
        "more than a quarter of the boxes reach far over the pictures' edges; they are not what was drawn",
        "COCO wants x, y, width, height, VOC corners, YOLO centres and sizes as shares of the picture",
    ),
    "box-mask-apart": Kind(
        WARN,
        "the box and the shape of the object lie in different places; the network is told two things",
        "leave the box out (it follows from the shape), or draw it again",
    ),
    "polygon-short": Kind(
        REFUSE,
        "a polygon of fewer than three points encloses nothing",
        "draw it again, or give a box instead",
    ),
    "polygon-over-edge": Kind(
        WARN,
        "a polygon reaches over the picture's edge by more than a pixel; it is cut at the edge",
        "nothing to do, unless many are: then the coordinates are of another size",
    ),
    "mask-size": Kind(
        REFUSE,
        "the mask has another size than the picture",
        "write the mask at the picture's size; never scale one with smoothing",
    ),
    "mask-runs": Kind(
        REFUSE,
        "the run lengths of the mask do not add up to its size",
        "write the mask again",
    ),
    "mask-empty": Kind(
        WARN,
        "the shape covers no pixel; only the object's box is learnt from it",
        "draw it again, or take it out",
    ),
    "mask-value": Kind(
        REFUSE,
        "the mask holds a value that stands for no class or object",
        "name the value among the classes, or repaint it; smoothed masks and JPEGs have such values at edges",
    ),
    "mask-smoothed": Kind(
        REFUSE,
        "a mask of one large value has many small ones along its edges, and each would be an object",
        "save masks as PNG, scaled without smoothing; or set what is below half to 0, the rest to 255",
    ),
    "keypoint-count": Kind(
        REFUSE,
        "the object has another number of keypoints than the skeleton has names",
        "give each point, with visibility 0 where it is not annotated",
    ),
    "keypoint-outside": Kind(
        WARN,
        "an annotated keypoint lies outside the picture; it can never be found",
        "give it visibility 0, or move it",
    ),
    "keypoint-visibility": Kind(
        WARN,
        "visibility is 0 (not given), 1 (hidden) or 2 (visible); anything else above 0 is read as given",
        "write one of the three",
    ),
    # Label maps
    "label-map-missing": Kind(
        WARN,
        "the picture has no label map of its name and is left out",
        "add the map, or take the picture out",
    ),
    "label-map-unused": Kind(
        WARN,
        "the label map has no picture of its name and is left out",
        "add the picture, or take the map out",
    ),
    "label-map-unreadable": Kind(
        REFUSE,
        "the label map of a picture cannot be read",
        "write it again, as a PNG of numbers or of the table's colours",
    ),
    "label-map-ignored": Kind(
        WARN,
        "every pixel of the label map is ignored; nothing is learnt from the picture",
        "draw what is in it, or take it out; where 255 is a class, name it among the classes",
    ),
    "picture-classless": Kind(
        WARN,
        "the picture has no class: it lies in no class's folder, or its line in the table has none; left out",
        "move it into the folder of its class, or write the class, if it is to be used",
    ),
    "picture-two-classes": Kind(
        WARN,
        "the same picture, pixel for pixel, is of two classes; the network is told two things",
        "keep it in the right one",
    ),
    "classes-alone": Kind(
        REFUSE,
        "the data to train on has one class only; there is nothing to tell apart",
        "draw a second class; the background counts as one",
    ),
    "object-shapeless": Kind(
        REFUSE,
        "an object has a box and no outline or mask; its pixels would be learnt as background",
        "draw it, or train a detector (see/mask_rcnn) on the boxes",
    ),
    # Pairs and domains
    "pair-alone": Kind(
        REFUSE,
        "the picture has no partner of its name in the other folder; it is left out",
        "add the other picture of the pair, or take this one out",
    ),
    "pair-size": Kind(
        REFUSE,
        "the two pictures of the pair differ in size; nothing in one lies where it lies in the other",
        "make both of one size",
    ),
    "pair-odd": Kind(
        REFUSE,
        "the picture's width is odd; it cannot be two pictures of one size side by side",
        "give pictures with both halves side by side, or two folders A and B",
    ),
    "pair-narrow": Kind(
        WARN,
        "the picture is higher than wide, and each half of it twice as narrow; perhaps it is no pair",
        "give pictures with both halves side by side, or two folders A and B",
    ),
    "pair-same": Kind(
        WARN,
        "condition and answer are the same, pixel for pixel; there is nothing to learn from the pair",
        "take it out, or correct one of the two",
    ),
    "picture-grey": Kind(
        WARN,
        "the picture has no colour; what learns colours learns from it that there are none",
        "take it out, if colours are to be learnt",
    ),
    "pictures-grey": Kind(
        WARN,
        "no picture to train on has any colour; what learns colours cannot learn from them",
        "give pictures in colour, if colours are to be learnt",
    ),
    "domain-empty": Kind(
        REFUSE,
        "one of the two domains has no picture to train on",
        "put pictures into both folders",
    ),
    "domain-unmeasured": Kind(
        WARN,
        "one of the two domains has no picture to validate on; nothing about it can be measured",
        "move some of its pictures to the split val",
    ),
    "picture-lone": Kind(
        REFUSE,
        "there is one picture alone to train on; a network learns it by heart and nothing else",
        "give more pictures: some dozens at least",
    ),
    # Classes
    "label-unknown": Kind(
        REFUSE,
        "the annotation names a class that the data set does not define",
        "add it to the classes, or correct the annotation",
    ),
    "label-ids-from-one": Kind(
        REFUSE,
        "the class numbers in use start at 1 and go one beyond the last; the format counts from 0",
        "take one from every class number; else every object has its neighbour's name",
    ),
    "label-ids-from-zero": Kind(
        WARN,
        "a class has the number 0, which other programs take for the background",
        "nothing to do here: Ocellus goes by names; count from 1 if other programs read the file",
    ),
    "label-ids-gaps": Kind(
        WARN,
        "the class numbers have gaps; Ocellus counts from 0 in their order and goes by names",
        "nothing to do; but do not take the numbers in its output for the file's",
    ),
    "names-alike": Kind(
        WARN,
        "class names differ only in case, spaces or how letters are composed; often one class spelt twice",
        "give them one spelling, unless they are meant to differ",
    ),
    "name-blank": Kind(WARN, "a class has no name", "name it"),
    "class-unused": Kind(
        WARN,
        "a class is defined, but no object has it; the network cannot learn it and its AP is not defined",
        "take it out, or annotate some",
    ),
    "class-untrained": Kind(
        WARN,
        "a class occurs outside the training split only; it cannot be learnt and its AP will be 0",
        "move some of its pictures to the training split",
    ),
    "class-rare": Kind(
        WARN,
        "a class has fewer than 5 objects to train on; hardly enough to learn from",
        "annotate more of it, or join it with another class",
    ),
    "class-imbalance": Kind(
        WARN,
        "the most frequent class has more than 100 times the training objects of the rarest",
        "read the figure of each class beside the mean; annotate more of the rare one",
    ),
    # Files
    "file-unused": Kind(
        WARN,
        "the folder holds other annotations too, which were not read",
        "name the file itself to read it instead",
    ),
    "file-unreadable": Kind(
        REFUSE,
        "the annotation file of one picture cannot be read; the picture is left out",
        "mend it or write it again",
    ),
    "annotation-ignored": Kind(
        WARN,
        "the annotation is of a sort that no object is made from, and was left out",
        "draw it as a polygon, box, circle or mask, or give points the group of their object",
    ),
    "difficult-kept": Kind(
        WARN,
        "objects marked as difficult are taken like the others",
        "take them out of the annotations if they are not to count",
    ),
    "skeletons-differ": Kind(
        WARN,
        "classes have different keypoints; those of the first are read",
        "read them as separate data sets",
    ),
    # Splits
    "picture-unlisted": Kind(
        WARN,
        "no list of the splits names the picture, and it is left out",
        "add its name to a list if it is to be used",
    ),
    "list-unmatched": Kind(
        WARN,
        "a list of the splits names a picture that is not there",
        "restore the file, or take the line out",
    ),
    "split-empty": Kind(REFUSE, "there is no picture to train on", "put pictures into the split train"),
    "split-no-val": Kind(
        WARN,
        "there is no picture to validate on; nothing tells the best weights from the last",
        "keep some pictures for the split val",
    ),
    "nothing-annotated": Kind(
        REFUSE,
        "no picture of the training split has an annotated object",
        "annotate some; pictures alone can be looked at with `ocellus run`",
    ),
}


def finding(kind: str, file: str | Path, *, where: str = "", value: str = "", detail: str = "") -> Finding:
    """A finding of a kind of the table.

    Args:
        kind: a key of KINDS.
        file: the file at fault.
        where: the place in it: "annotation 17", "line 3".
        value: what stands there.
        detail: what is wrong, where that can be said more closely than the table does.
    """
    severity, meaning, cure = KINDS[kind]
    message = f"{detail or meaning}; {cure}"
    return Finding(severity=severity, kind=kind, file=str(file), where=where, value=value, message=message)
