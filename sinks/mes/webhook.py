"""Verdict events to an HTTP receiver: CloudEvents JSON, signed, tried again, never for ever.

The queue is in memory. An orderly stop keeps what it could not send (see `leftovers`); what is
queued is lost with a process that is killed. Each event is also in the store.
"""

from __future__ import annotations

import contextlib
import logging
import math
import queue
import threading
import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Final

import httpx
import standardwebhooks
from cloudevents.core.bindings.http import to_structured_event
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_after_attempt,
    stop_when_event_set,
    wait_random_exponential,
)

from contract.clock import Clock
from contract.config_sinks import WebhookSettings
from contract.errors import ConfigError, StorageError
from contract.messages import CameraMessage, ProcessMessage, StatusMessage
from contract.process import Every
from contract.reasons import DeliveryReason
from contract.redact import remember_secret
from sinks.arrival import Arrival, EvidencePath
from sinks.mes.leftovers import Leftovers
from sinks.mes.notice import DRIFT_TYPE, VERDICT_TYPE, Notice, RestartWatch, utc
from sinks.metrics.metrics import Metrics
from sinks.store.event import Event

GIVE_UP_S = 2.0
IDLE_S = 0.2
MAX_WAIT_S = 30.0  # what waits behind this event waits as long
HEALS: Final = frozenset({408, 425, 429})

log = logging.getLogger(__name__)


_FULL_JITTER: Final = wait_random_exponential(multiplier=0.5, max=30)


class Unavailable(Exception):
    """An attempt that failed but may succeed later.

    Attributes:
        retry_after_s: the wait that the receiver asked for, if it did.
    """

    def __init__(self, text: str, retry_after_s: float | None = None) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class Refused(Exception):
    """An answer that will not change when the event is sent again."""


class Webhook:
    """One receiver. `work` runs in a thread of its own."""

    repeats = False

    def __init__(
        self,
        settings: WebhookSettings,
        *,
        environment: Mapping[str, str],
        evidence_path: EvidencePath,
        leftovers: Leftovers,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        """Prepare delivery as in `settings`, with the signing secret from `environment`.

        Raises:
            ConfigError: the secret is not there, or is none.
        """
        logging.getLogger("httpx").setLevel(logging.WARNING)
        self.name = settings.name
        self._settings = settings
        self._signer = signer_of(settings, environment)
        self._evidence_path = evidence_path
        self._clock = clock
        self._metrics = metrics
        self._leftovers = leftovers
        self._queue: queue.Queue[Notice] = queue.Queue(settings.queue_size)
        self._left: list[Notice] | None = None
        self._restarts = RestartWatch()
        self._complain = Every(60.0, clock)

    def offer(self, arrival: Arrival) -> bool:
        """Queue a verdict of a wanted outcome, and any alarm; False when the queue is full."""
        types = []
        drift = arrival.header.drift
        if drift is not None and drift.alarm is not None:
            types.append(DRIFT_TYPE)
        if arrival.header.outcome in self._settings.outcomes:
            types.append(VERDICT_TYPE)
        if not types:
            return True
        path = self._evidence_path(arrival)
        event = Event.of(
            arrival.header, arrived_ns=arrival.arrived_ns, evidence=path, plc=arrival.telling
        )
        refused = [each for each in types if not self._put(Notice.of_verdict(event, each))]
        if len(refused) > 1:  # The caller counts one.
            self._metrics.dropped(self.name, DeliveryReason.QUEUE_FULL, len(refused) - 1)
        return not refused

    def observe(self, message: StatusMessage) -> None:
        """Queue that a process was started again, if that is what `message` tells."""
        if isinstance(message, ProcessMessage | CameraMessage) and self._restarts.is_news(message):
            if not self._put(Notice.of_restart(message)):
                self._metrics.dropped(self.name, DeliveryReason.QUEUE_FULL)

    def _put(self, notice: Notice) -> bool:
        try:
            self._queue.put_nowait(notice)
        except queue.Full:
            return False
        return True

    def pending(self) -> int:
        return self._queue.qsize()

    def work(self, stop: threading.Event) -> None:
        """Deliver until `stop`; then once each what is left, for `GIVE_UP_S` at most."""
        left = self._left = self._left_before() if self._left is None else self._left
        try:
            with httpx.Client(trust_env=False) as client:
                self._work(client, left, stop)
        finally:
            if stop.is_set():
                self._keep(left + self._queued())

    def _work(self, client: httpx.Client, left: list[Notice], stop: threading.Event) -> None:
        self._deliver_all(client, left, stop)
        if not left:
            self._keep([])
        while not stop.is_set():
            with contextlib.suppress(queue.Empty):
                left.append(self._queue.get(timeout=IDLE_S))
            self._deliver_all(client, left, stop)
        left += self._queued()
        self._deliver_all(client, left, stop, within_s=GIVE_UP_S)

    def _deliver_all(
        self,
        client: httpx.Client,
        left: list[Notice],
        stop: threading.Event,
        *,
        within_s: float = math.inf,
    ) -> None:
        """Deliver `left` in order, until one is not sent because of `stop`."""
        deadline_s = time.monotonic() + within_s
        while left and time.monotonic() < deadline_s:
            notice = left.pop(0)
            if not self._deliver(client, notice, stop):
                left.insert(0, notice)
                return

    def _left_before(self) -> list[Notice]:
        """What an earlier process could not send."""
        try:
            left = self._leftovers.read()
        except StorageError as error:
            self._metrics.failed(self.name, DeliveryReason.DISK)
            log.error("webhook %s: %s", self.name, error)
            self._leftovers.set_aside()
            return []
        if left:
            log.info("webhook %s: %d events of before the last stop", self.name, len(left))
        return left

    def _keep(self, left: Sequence[Notice]) -> None:
        """Have the newest of `left` sent after the next start."""
        kept = left[-self._settings.queue_size :]
        try:
            self._leftovers.keep(kept)
        except StorageError as error:
            log.error("webhook %s: %d events are not sent: %s", self.name, len(left), error)
            kept = []
        if kept:
            log.info("webhook %s: %d events are kept for the next start", self.name, len(kept))
        if lost := len(left) - len(kept):
            self._metrics.dropped(self.name, DeliveryReason.STOPPED, lost)

    def _queued(self) -> list[Notice]:
        found = []
        with contextlib.suppress(queue.Empty):
            while True:
                found.append(self._queue.get_nowait())
        return found

    def _deliver(self, client: httpx.Client, notice: Notice, stop: threading.Event) -> bool:
        """Send `notice` until it is taken or there is no use in trying; then count why.

        False: `stop` came first, and it is not sent.
        """
        retrying = Retrying(
            retry=retry_if_exception_type(Unavailable),
            wait=_back_off,
            stop=stop_after_attempt(self._settings.max_attempts) | stop_when_event_set(stop),
            sleep=sleep_using_event(stop),
            reraise=True,
        )
        timeout_s = min(self._settings.timeout_s, GIVE_UP_S if stop.is_set() else math.inf)
        try:
            retrying(self._post, client, notice, timeout_s)
        except Refused as error:
            self._give_up(DeliveryReason.REFUSED, error)
        except Unavailable as error:
            if stop.is_set():
                return False
            self._give_up(DeliveryReason.ATTEMPTS, error)
        except Exception:
            self._metrics.dropped(self.name, DeliveryReason.CRASHED)
            raise
        return True

    def _post(self, client: httpx.Client, notice: Notice, timeout_s: float) -> None:
        message = to_structured_event(notice.cloud_event())
        headers = message.headers | self._signature(notice.id, message.body)
        url = self._settings.url
        try:
            with client.stream(
                "POST", url, content=message.body, headers=headers, timeout=timeout_s
            ) as answer:
                if answer.is_success:
                    return
        except httpx.TimeoutException as error:
            self._metrics.failed(self.name, DeliveryReason.TIMEOUT)
            raise Unavailable(f"no answer within {timeout_s} s") from error
        except httpx.HTTPError as error:
            self._metrics.failed(self.name, DeliveryReason.CONNECTION)
            raise Unavailable(str(error)) from error
        self._metrics.failed(self.name, DeliveryReason.STATUS)
        text = f"HTTP {answer.status_code}"
        if answer.is_server_error or answer.status_code in HEALS:
            raise Unavailable(text, self._retry_after_s(answer.headers.get("retry-after")))
        raise Refused(text)

    def _signature(self, event_id: str, body: bytes) -> dict[str, str]:
        """Headers of the Standard Webhooks scheme; none without a secret."""
        if self._signer is None:
            return {}
        now = utc(self._clock.wall_ns())
        return {
            "webhook-id": event_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signer.sign(event_id, now, body.decode()),
        }

    def _retry_after_s(self, value: str | None) -> float | None:
        """Seconds of a Retry-After header (RFC 9110, section 10.2.3); None if it says nothing."""
        if value is None:
            return None
        try:
            if value.isdecimal():
                return min(float(value), MAX_WAIT_S)
            until = parsedate_to_datetime(value)
            wait_s = (until - utc(self._clock.wall_ns())).total_seconds()
        except (ValueError, TypeError):
            return None
        return min(max(0.0, wait_s), MAX_WAIT_S)

    def _give_up(self, reason: DeliveryReason, error: Exception) -> None:
        self._metrics.dropped(self.name, reason)
        if self._complain.due():
            log.error("webhook %s: event not delivered (%s): %s", self.name, reason, error)


def _back_off(state: RetryCallState) -> float:
    """What the receiver asked for, or full jitter."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, Unavailable) and error.retry_after_s is not None:
        return error.retry_after_s
    return _FULL_JITTER(state)


def signer_of(
    settings: WebhookSettings, environment: Mapping[str, str]
) -> standardwebhooks.Webhook | None:
    """What signs events, if there is a secret.

    Raises:
        ConfigError: the secret is not in `environment`, or is none.
    """
    if settings.secret_env is None:
        return None
    secret = environment.get(settings.secret_env)
    if not secret:
        raise ConfigError(
            f"webhook {settings.name}: environment variable {settings.secret_env} is not set",
            "set it to the signing secret (whsec_...)",
        )
    remember_secret(secret)
    try:
        return standardwebhooks.Webhook(secret)
    except (ValueError, standardwebhooks.webhooks.EmptyWebhookSecretError):
        raise ConfigError(
            f"webhook {settings.name}: {settings.secret_env} holds no signing secret",
            "expected whsec_ and base64",
        ) from None
