"""Go on with the stopped sweep of a store, as another process.

python -m benchmarks.accelerator.going_on SIZE STORE   # SIZE is "small" or "full"
"""

import sys

import jaxsup
from benchmarks.accelerator.reference import make_sweep

if __name__ == "__main__":
    jaxsup.run(make_sweep(small=sys.argv[1] == "small"), sys.argv[2], resume=True)
