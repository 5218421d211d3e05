"""Shrink the figures that `jaxsup reproduce` wrote to small images for the documentation.

python scripts/thumbnails.py runs/all --out docs/gallery
"""

import argparse
import json
from pathlib import Path

from PIL import Image

WIDEST = 1400
HEAVIEST = 150_000


def shrink(source: Path, target: Path) -> int:
    """Write `source` in 256 colors, as wide as its weight allows, and return the bytes.

    Of fewer, color bars and lines of several colors would not be told apart. Colors are chosen so
    that none is far from its own: thin red lines do not become purple, as by the median's cut.
    """
    whole = Image.open(source).convert("RGB")
    width = min(WIDEST, whole.width)
    while True:
        size = (width, round(whole.height * width / whole.width))
        small = whole.resize(size, Image.Resampling.LANCZOS)
        few = small.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        few.save(target, optimize=True)
        if target.stat().st_size <= HEAVIEST or width < 600:
            return target.stat().st_size
        width = round(0.85 * width)


def main() -> None:
    """Shrink every figure that has a report beside it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where `jaxsup reproduce` wrote its results")
    parser.add_argument("--out", type=Path, default=Path("docs/gallery"), help="folder to write")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for report in sorted(arguments.folder.glob("**/*.json")):
        picture = report.with_suffix(".png")
        if picture.exists() and "claims" in json.loads(report.read_text(encoding="utf-8")):
            size = shrink(picture, arguments.out / picture.name)
            print(f"{size / 1000:6.0f} kB  {arguments.out / picture.name}")


if __name__ == "__main__":
    main()
