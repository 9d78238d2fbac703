"""``python -m cli`` is ``cronprobe``."""

from cli import main

main()
