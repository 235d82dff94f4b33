"""How many times longer than on an idle machine a test may wait.

The environment's TEST_PATIENCE says so (1 if unset).  It stretches what a test waits *at most*; a test that passes
takes no longer for it.  Continuous integration sets it: its machines are slow, and other tests run at the same time.
"""

from os import environ

PATIENCE = float(environ.get("TEST_PATIENCE") or 1)
