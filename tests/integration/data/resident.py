"""Run an experiment into a folder, and print the memory that the process holds on the way.

    resident.py FILE FOLDER SECONDS

JSON: pairs of simulated time, s, and memory of its own, 10^6 bytes, ten times a simulated minute.
"""

import json
import re
import sys
from pathlib import Path

import cosim
from cosim import local_runner
from cosim.window_hooks import progress_hook

EVERY_MS = 6000.0


def resident_mb():
    """What the process itself holds; pages of libraries come and go with the machine's needs."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"RssAnon:\s*(\d+) kB", status)[1]) * 1024 / 1e6


def main():
    file, folder, seconds = sys.argv[1:]
    seen = []

    def watched(progress):
        show = progress_hook(progress)

        def watch(window, sent, received):
            show(window, sent, received)
            if window.stop_ms >= (len(seen) + 1) * EVERY_MS:
                seen.append((window.stop_ms / 1000.0, resident_mb()))

        return watch

    local_runner.progress_hook = watched
    cosim.run(cosim.load(file, [f"duration_ms={1000 * float(seconds)}"]), folder)
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
