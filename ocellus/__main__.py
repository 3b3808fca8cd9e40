"""`python -m ocellus` is `ocellus`."""

import sys

from ocellus.cli import main

if __name__ == "__main__":
    sys.exit(main())
