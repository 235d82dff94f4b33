"""Lets the tests import the application, whatever folder pytest is run from."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
