"""Run several experiments one after the other through the Python interface.

Arguments: ``NAME=FILE`` with ``key=value`` overrides after it, each run into the folder NAME.
"""

import sys

import cosim


def main(words):
    runs = []
    for word in words:
        if word.startswith("run:"):
            name, _, file = word.removeprefix("run:").partition("=")
            runs.append((name, file, []))
        else:
            runs[-1][2].append(word)
    for name, file, overrides in runs:
        cosim.run(cosim.load(file, overrides), name, timeout_s=60.0)


if __name__ == "__main__":
    main(sys.argv[1:])
