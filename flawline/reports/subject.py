"""What is explained, and against what: a picture of its own, or what a line has judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from contract.config import Config, Line
from contract.errors import ConfigError, MemoryMismatch, StorageError
from contract.image import Pixels, read_image

if TYPE_CHECKING:
    from scorer.references.shelf import Shelf
    from scorer.scoring.memory import ReferenceMemory
    from scorer.scoring.winclip import WinClip
    from scorer.windows.tiling import Tiling
    from sinks.store.event import Event


@dataclass(frozen=True)
class Subject:
    """A picture, and all that its score depends on.

    Attributes:
        image: uint8 RGB (H, W, 3), the inspected crop.
        object_name: what the words are about; None: the references alone.
        reference_names: of each reference.
        references: pictures of those of which one is kept, by number.
        event: the verdict that the picture was kept of.
    """

    model: WinClip
    image: Pixels
    title: str
    object_name: str | None
    memory: ReferenceMemory | None
    tiling: Tiling | None = None
    normal_states: tuple[str, ...] = ()
    anomalous_states: tuple[str, ...] = ()
    reference_names: Sequence[str] = ()
    references: Mapping[int, Pixels] = field(default_factory=dict)
    event: Event | None = None

    def remarks(self, score: float) -> list[str]:
        """How far the explained score is from that of the stored verdict."""
        event = self.event
        if event is None or event.anomaly_score is None:
            return []
        moment = datetime.fromtimestamp(event.times.captured_ns / 1e9, UTC)
        limit = "" if event.fail_threshold is None else f", FAIL from {event.fail_threshold:.4f} on"
        return [
            f"stored verdict {event.event_id}: {event.outcome}, score {event.anomaly_score:.4f}"
            f"{limit}, captured {moment:%Y-%m-%d %H:%M:%S} UTC",
            "scored again was the picture that was kept, a JPEG, not the frame itself: its score "
            f"differs by {score - event.anomaly_score:+.4f}",
        ]


def of_line(
    model: WinClip,
    line: Line,
    shelf: Shelf,
    version: str | None,
    crop: Pixels,
    *,
    title: str,
    event: Event | None = None,
    region_counts: bool = False,
) -> Subject:
    """A crop as `line` sees it: with its words, mask and tiles, and a version of its memory.

    Args:
        version: None: by words alone.
        region_counts: the crop was cut out where the line's cameras look now.

    Raises:
        ConfigError: the mask cannot be read.
        MemoryMismatch: the memory does not fit the line or the model any more.
        StorageError: it cannot be read.
    """
    from scorer.references.line import line_tiling
    from scorer.references.manifest import mask_sha256

    subject = Subject(
        model,
        crop,
        title,
        object_name=line.object_name,
        memory=None,
        tiling=line_tiling(model, line),
        normal_states=line.normal_states,
        anomalous_states=line.anomalous_states,
        event=event,
    )
    if version is None:
        if (
            event is not None
            and event.provenance.weights_sha256 != model.fingerprint.weights_sha256
        ):
            raise MemoryMismatch(
                f"event {event.event_id} was judged by {event.provenance.model} with other weights",
                "explain it with the configuration of that time",
            )
        return subject
    memory, manifest = shelf.load(line.name, version)
    memory.require(model.fingerprint, num_tiles=line_tiling(model, line).num_tiles)
    # Of a crop that was cut out at its time it does not matter where the camera looks now.
    manifest.require(
        line if region_counts else line.model_copy(update={"cameras": ()}),
        language_weight=model.language_weight,
        mask_sha256=mask_sha256(line),
    )
    numbered = [f"reference {number}" for number in range(memory.num_references)]
    return replace(
        subject,
        object_name=line.object_name if model.language_weight else None,
        memory=model.adopt(memory),
        reference_names=manifest.reference_names or numbered,
        references=_kept(shelf, line.name, version, memory.num_references),
    )


def stored_crop(config: Config, event: Event) -> Pixels:
    """The crop of a verdict, from the picture that was kept of it.

    Raises:
        ConfigError: it has no score, or no picture was kept; says which verdicts have one.
        StorageError: the picture is gone.
        ImageError: the picture is damaged.
    """
    from sinks.evidence.heatmap import crop_box

    if event.anomaly_score is None:
        raise ConfigError(
            f"event {event.event_id} is {event.outcome} because of {event.reason}",
            "there is no score to explain",
        )
    if event.evidence is None:
        raise ConfigError(
            f"no picture was kept of event {event.event_id} ({event.outcome})",
            "FAIL and REVIEW keep one, of PASS the share scorer.pass_sample_fraction "
            f"({config.scorer.pass_sample_fraction:g} now)",
        )
    path = config.evidence_directory / event.evidence
    if not path.is_file():
        raise StorageError(
            f"the picture of event {event.event_id} is gone: {path}",
            "pictures are deleted by age and size (sinks.evidence), and none is written on a full "
            "disk",
        )
    picture = read_image(path)
    left, top, right, bottom = crop_box((picture.shape[1], picture.shape[0]))
    return picture[top:bottom, left:right]


def _kept(shelf: Shelf, line: str, version: str, num: int) -> dict[int, Pixels]:
    """Small pictures of the references, by number; none of a memory from before they were kept."""
    from scorer.references.contact_sheet import reference_file

    files, found = shelf.pictures(line, version), {}
    for number in range(num):
        with (
            suppress(OSError, KeyError),
            Image.open(BytesIO(files[reference_file(number)])) as kept,
        ):
            found[number] = np.asarray(kept.convert("RGB"))
    return found
