"""Data sets and predictions to the formats of others, one writer a format.

Each is `write(items, folder, *, labels, skeleton=None)` over pairs of a picture's name ("train/0001.jpg") and
its `Instances`, and returns a finding for each sort of thing that the format could not hold; `class_masks`
takes `Segmentation`s, and the classes' colors instead of a skeleton. Pictures that come with them are stored
too. Names that begin with train/, val/ or test/ make these splits.
"""
