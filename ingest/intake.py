"""What happens to each item of a source: judged, timed, sampled, cropped, admitted."""

from __future__ import annotations

import logging

from contract.clock import NS_PER_S
from contract.errors import SourceConfigError, SourceError
from contract.process import Every
from ingest.freshness import Freshness
from ingest.pacing import Pacer
from ingest.picture import Damage, Item, Picture, Shot, misfit
from ingest.sampling import Sampler
from ingest.session import Session
from ingest.taint import Taint

DAMAGE_LOG_PERIOD_S = 1.0

log = logging.getLogger(__name__)


class Intake:
    """Turns items into admitted shots and counts what becomes of them."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._live = session.kind.live
        self._camera = session.camera
        self._clock = session.clock
        self._tally = session.tally
        self._pacer = None if self._live or session.waits else Pacer(self._clock)
        self._sampler = Sampler(self._camera.fps if session.kind.sampled else None)
        self._taint = Taint(one_size=session.kind.one_size)
        self._damage_log = Every(DAMAGE_LOG_PERIOD_S if self._live else 0.0, self._clock)
        self.opening()

    def opening(self) -> None:
        """The source is about to be opened, for the first time or again."""
        self._taint.reopened()
        self._freshness = Freshness(self._clock) if self._live else None
        self._first = True
        self._idle_since_s = self._clock.monotonic_s()

    def take(self, item: Item) -> None:
        """Deal with the next item of the source.

        Raises:
            SourceConfigError: the region does not fit the first picture after an opening.
            SourceError: the region does not fit a later picture of a live source.
        """
        waited_s = self._clock.monotonic_s() - self._idle_since_s
        if isinstance(item, Picture):
            self._take_picture(item, waited_s)
        else:
            self._taint.damaged()
            self._count_damage(item)
        self._idle_since_s = self._clock.monotonic_s()

    def _take_picture(self, picture: Picture, waited_s: float) -> None:
        problem = misfit(
            self._camera.region, width_px=picture.width_px, height_px=picture.height_px
        )
        if problem is not None:
            self._refuse(f"{picture.name}: {problem}" if picture.name else problem)
            return
        self._first = False
        taint = self._taint.judge(picture)
        if self._freshness and not self._freshness.is_fresh(
            pts_ns=picture.pts_ns, waited_s=waited_s
        ):
            self._tally.decoded += 1
            self._tally.stale += 1
            return
        captured_ns = self._captured_ns(picture)
        if captured_ns is None:
            return
        self._tally.decoded += 1
        self._tally.newest_frame_ns = captured_ns
        if self._sampler.admits(pts_ns=picture.pts_ns, arrival_ns=captured_ns):
            self._session.slot.put(self._shot(picture, captured_ns, taint))
        else:
            self._tally.sampled_out += 1

    def _captured_ns(self, picture: Picture) -> int | None:
        """When `picture` was captured, after waiting for that moment; None if stopped."""
        if self._pacer is None or picture.pts_ns is None:
            return self._clock.wall_ns()
        late_s = self._pacer.lateness_s(picture.pts_ns)
        if late_s < 0:
            if self._session.stopping.wait(-late_s):
                return None
            late_s = self._pacer.lateness_s(picture.pts_ns)
        return self._clock.wall_ns() - round(max(0.0, late_s) * NS_PER_S)

    def _shot(self, picture: Picture, captured_ns: int, taint: str | None) -> Shot:
        line = self._session.line
        pixels = picture.render(self._camera.region, line.inspection_px)
        deadline_s = None if self._session.waits else line.deadline_s
        return Shot(
            pixels=pixels,
            captured_ns=captured_ns,
            decoded_ns=self._clock.wall_ns(),
            deadline_ns=None if deadline_s is None else captured_ns + round(deadline_s * NS_PER_S),
            source_pts_ns=None if picture.pts_ns is None else max(0, picture.pts_ns),
            taint=taint,
        )

    def _refuse(self, problem: str) -> None:
        if self._first:
            raise SourceConfigError(problem)
        if self._live:
            raise SourceError(f"the picture changed its size: {problem}")
        self._count_damage(Damage(problem))

    def _count_damage(self, damage: Damage) -> None:
        self._tally.undecodable += 1
        if self._damage_log.due():
            log.warning(
                "camera %s: %s; left out (%d so far)",
                self._camera.name,
                damage.what,
                self._tally.undecodable,
            )
