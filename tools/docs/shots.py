"""Pictures of the documentation that show real runs. Needs Chromium for the report.

    python -m tools.docs.shots explanation report      # or one of them

`explanation` explains a frame of the demo clip; `report` photographs the newest demo report
(`make demo` makes it).
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

import av
from PIL import Image

from flawline.demo.truth import Part, Truth

PICTURES: Final = Path(__file__).parents[2] / "docs" / "pictures"
REPORT: Final = Path("out/demo/report.html")
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
WINDOW_PX: Final = (1200, 1500)
WIDTH_PX: Final = 1200
MAX_BYTES: Final = 200_000
DEFECT: Final = "scratch"


def explanation(folder: Path) -> Path:
    """`flawline explain` of a frame that shows a defect of the demo."""
    with as_file(files("flawline") / "assets" / "demo") as assets:
        truth = Truth.load(assets / "truth.json")
        picture, drawing = folder / "ring.png", folder / "explanation.png"
        _crop_of(assets / truth.clip, truth, _frame_with(truth, DEFECT)).save(picture)
        _run(
            sys.executable,
            "-m",
            "flawline",
            "explain",
            str(picture),
            "--object",
            "ceramic ring",
            "--reference",
            str(assets / "references"),
            "--out",
            str(drawing),
        )
    return drawing


def report(folder: Path) -> Path:
    """The head of the demo's report, as a browser shows it."""
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        raise SystemExit(f"no browser: one of {', '.join(BROWSERS)} is needed")
    if not REPORT.is_file():
        raise SystemExit(f"there is no {REPORT}: run `make demo`")
    shot = folder / "report.png"
    _run(
        browser,
        "--headless",
        "--no-sandbox",
        "--hide-scrollbars",
        f"--window-size={WINDOW_PX[0]},{WINDOW_PX[1]}",
        f"--screenshot={shot}",
        REPORT.resolve().as_uri(),
    )
    return shot


SHOTS: Final[dict[str, Callable[[Path], Path]]] = {"explanation": explanation, "report": report}


def compress(picture: Path, target: Path) -> int:
    """Write `picture` as a JPEG of at most `MAX_BYTES`; its quality."""
    with Image.open(picture) as opened:
        image = opened.convert("RGB")
    image.thumbnail((WIDTH_PX, 10 * WIDTH_PX), Image.Resampling.LANCZOS)
    for quality in range(88, 40, -4):
        image.save(target, "JPEG", quality=quality, optimize=True, progressive=True)
        if target.stat().st_size <= MAX_BYTES:
            return quality
    raise SystemExit(f"{target} does not fit {MAX_BYTES} bytes")


def _frame_with(truth: Truth, defect: str) -> int:
    """A frame in which a part with `defect` is whole in view, in the middle of its passage."""
    part: Part = next(part for part in truth.parts if part.defect == defect)
    return (part.first_full_frame + part.last_full_frame) // 2


def _crop_of(clip: Path, truth: Truth, number: int) -> Image.Image:
    region = truth.region
    with av.open(clip) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index == number:
                right, bottom = region.x_px + region.width_px, region.y_px + region.height_px
                pixels = frame.to_ndarray(format="rgb24")
                return Image.fromarray(pixels[region.y_px : bottom, region.x_px : right])
    raise SystemExit(f"{clip} has no frame {number}")


def _run(*command: str) -> None:
    subprocess.run(command, check=True, timeout=300)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.docs.shots", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(SHOTS)}; none: all")
    for name in parser.parse_args().names or SHOTS:
        if name not in SHOTS:
            parser.error(f"no picture {name!r}: one of {', '.join(SHOTS)}")
        with tempfile.TemporaryDirectory() as folder:
            target = PICTURES / f"{name}.jpg"
            quality = compress(SHOTS[name](Path(folder)), target)
            print(f"{target}: {target.stat().st_size:,} bytes, quality {quality}")


if __name__ == "__main__":
    main()
