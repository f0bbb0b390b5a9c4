"""``python -m cosim`` and the console command ``cosim``."""

import sys


def main() -> None:
    """Run the command line."""
    from cosim.cli import app

    sys.exit(app())


if __name__ == "__main__":
    main()
