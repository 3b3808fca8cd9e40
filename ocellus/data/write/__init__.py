"""Data sets and predictions to the formats of others, one writer a format.

Each is `write(items, folder, *, labels, skeleton=None)` over pairs of a picture's name ("train/0001.jpg") and
its `Instances`, and returns a finding for each sort of thing that the format could not hold. Pictures that
come with the instances are stored too. Names that begin with train/, val/ or test/ make these splits.
"""
