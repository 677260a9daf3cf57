"""`python -m tests.bench CASE…`: what `deskfactor bench` calls, without the command line around it."""

import sys

from tests.bench.running import bench

if __name__ == "__main__":
    quick = "--quick"
    bench([name for name in sys.argv[1:] if name != quick], is_quick=quick in sys.argv)
