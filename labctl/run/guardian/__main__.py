"""``python -m labctl.run.guardian``: what the run starts; it is told what to do over its standard input."""

import os
import sys

# pyvisa would load numpy if it found it, which costs half the start and memory; the guardian reads no arrays
sys.modules["numpy"] = None  # type: ignore[assignment]

if __name__ == "__main__":
    from labctl.run.guardian.process import main

    code = main()
    # not exit(): a thread may be stuck in a dead link
    os._exit(code)
