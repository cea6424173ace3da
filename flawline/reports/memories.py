"""A line's reference memories as people and programs read them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.table import Table

from contract.documents import ChangeDocument, MemoriesDocument, VersionDocument
from contract.messages import ShadowReport

if TYPE_CHECKING:
    from scorer.references.shelf import Shelf


def document_of(
    shelf: Shelf, line: str, *, history: bool, report: ShadowReport | None
) -> MemoriesDocument:
    """The versions of `line` and which of them judge; with `history` also what was changed.

    Raises:
        StorageError: the memories cannot be read.
    """
    active, shadow = shelf.active(line), shelf.shadowing(line)
    manifests = [shelf.manifest(line, version) for version in shelf.versions(line)]
    return MemoriesDocument(
        line=line,
        active=active,
        shadow=shadow,
        versions=tuple(
            VersionDocument(
                version=each.version,
                role={shadow: "shadow", active: "active"}.get(each.version),
                created_ns=each.created_ns,
                created_by=each.created_by,
                num_references=each.num_references,
                fail_threshold=each.fail_threshold,
                review_threshold=each.review_threshold,
                threshold_method=each.threshold_method,
                calibrated=each.calibration is not None,
                model=each.model,
                weights_sha256=each.weights_sha256,
            )
            for each in manifests
        ),
        history=tuple(
            ChangeDocument(**each.model_dump()) for each in (shelf.history(line) if history else ())
        ),
        shadow_report=report,
    )


def versions_table(document: MemoriesDocument) -> Table:
    """A row per version."""
    table = Table("version", "in use", "made (UTC)", "by", "good parts", "FAIL from", "threshold")
    for each in document.versions:
        table.add_row(
            each.version,
            each.role or "",
            _moment(each.created_ns),
            each.created_by,
            str(each.num_references),
            f"{each.fail_threshold:.4f}",
            "calibrated" if each.calibrated else "first guess",
        )
    return table


def history_table(document: MemoriesDocument) -> Table:
    """A row per change."""
    table = Table("changed (UTC)", "by", "what", "version")
    for each in document.history:
        table.add_row(
            _moment(each.changed_ns), each.changed_by, _DONE.get(each.action, ""), each.version
        )
    return table


def _moment(ns: int) -> str:
    return f"{datetime.fromtimestamp(ns / 1e9, UTC):%Y-%m-%d %H:%M}"


def shadow_told(report: ShadowReport) -> str:
    """How often the shadow would have said something else."""
    parts = [f"{frames} {pair}" for pair, frames in report.disagreements.items()]
    said = ", ".join(parts) or "no disagreement"
    return f"shadow {report.version}: {report.frames} frames judged by both, {said}"


_DONE = {
    "activate": "activated",
    "promote": "promoted from shadow",
    "rollback": "gone back to",
    "shadow": "made the shadow",
    "unshadow": "no shadow any more",
    "remove": "removed",
}
