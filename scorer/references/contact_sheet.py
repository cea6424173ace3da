"""Small pictures of a memory's references, for the person who wants to know what a line was taught.

They lie in the version's folder: one JPEG per reference, and one sheet that shows them together.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from PIL import Image, ImageDraw, ImageFont

from contract.image import Pixels

SHEET: Final = "contact_sheet.png"
SIDE_PX: Final = 256
MAX_ON_SHEET: Final = 64
JPEG_QUALITY: Final = 90
COLUMNS: Final = 4
CELL_PX: Final = 200
CAPTION_PX: Final = 34
GAP_PX: Final = 8
FONT_PX: Final = 11
MIN_LETTER_PX: Final = 3
INK, PAPER, DOUBT = "#1c1c1c", "#f4f4f2", "#d1343a"


class Caption(NamedTuple):
    """What stands below a picture; `odd`: it is framed, because something speaks against it."""

    name: str
    detail: str = ""
    odd: bool = False


def reference_file(index: int) -> str:
    """The file of reference number `index`, in the folder of its version."""
    return f"reference-{index:04}.jpg"


def pictures(images: Sequence[Pixels], captions: Sequence[Caption], title: str) -> dict[str, bytes]:
    """Files to keep with a memory, by name.

    Args:
        images: K references, uint8 RGB (H, W, 3).
        captions: one of each.
        title: what stands above the sheet.
    """
    small = [_small(image) for image in images]
    files = {
        reference_file(index): _encoded(each, "JPEG", quality=JPEG_QUALITY)
        for index, each in enumerate(small)
    }
    return files | {SHEET: _encoded(_sheet(small, captions, title), "PNG")}


def _sheet(small: Sequence[Image.Image], captions: Sequence[Caption], title: str) -> Image.Image:
    """The first `MAX_ON_SHEET` pictures with their captions, four in a row."""
    shown = list(zip(small, captions, strict=True))[:MAX_ON_SHEET]
    if len(small) > len(shown):
        title += f" (the first {len(shown)}; the others lie beside this sheet)"
    across, down = CELL_PX + GAP_PX, CELL_PX + CAPTION_PX + GAP_PX
    rows, top = -(-len(shown) // COLUMNS), 2 * GAP_PX + FONT_PX
    sheet = Image.new("RGB", (GAP_PX + COLUMNS * across, top + GAP_PX + rows * down), PAPER)
    draw, font = ImageDraw.Draw(sheet), _font()
    draw.text((GAP_PX, GAP_PX), _fitted(title, sheet.width - 2 * GAP_PX), fill=INK, font=font)
    for index, (picture, caption) in enumerate(shown):
        left = GAP_PX + index % COLUMNS * across
        upper = top + GAP_PX + index // COLUMNS * down
        cell = picture.copy()
        cell.thumbnail((CELL_PX, CELL_PX))
        sheet.paste(cell, (left, upper))
        ink = DOUBT if caption.odd else INK
        if caption.odd:
            box = (left - 2, upper - 2, left + cell.width + 1, upper + cell.height + 1)
            draw.rectangle(box, outline=DOUBT, width=3)
        for line, text in enumerate((caption.name, caption.detail)):
            place = (left, upper + CELL_PX + 2 + line * (FONT_PX + 4))
            draw.text(place, _fitted(text, CELL_PX), fill=ink, font=font)
    return sheet


def _fitted(text: str, width_px: int) -> str:
    """`text`, its middle left out if it is wider than that."""
    font = _font()
    kept = min(len(text), width_px // MIN_LETTER_PX)
    shown = text if kept == len(text) else _ends(text, kept)
    while font.getlength(shown) > width_px and kept > 2:
        kept -= 1
        shown = _ends(text, kept)
    return shown


def _ends(text: str, kept: int) -> str:
    """The first and the last letters of `text`, `kept` of them."""
    return f"{text[: kept - kept // 2]}...{text[len(text) - kept // 2 :]}"


@lru_cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(FONT_PX)


def _small(image: Pixels) -> Image.Image:
    small = Image.fromarray(image)
    small.thumbnail((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC)
    return small


def _encoded(picture: Image.Image, kind: str, **options: int) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()
