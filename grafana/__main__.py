"""Write every board to the folder ``dashboards`` beside this file."""

from pathlib import Path

from grafana import frame
from grafana.boards import BOARDS

FOLDER = Path(__file__).parent / "dashboards"

for name, make in BOARDS.items():
    (FOLDER / f"{name}.json").write_text(frame.text(make()))
