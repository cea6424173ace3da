"""Asking a webhook's receiver whether it is there, without sending it an event."""

from __future__ import annotations

import httpx

from contract.config_sinks import WebhookSettings
from contract.errors import FlawlineError


def greet(settings: WebhookSettings) -> int:
    """The HTTP status of the receiver's answer to OPTIONS.

    OPTIONS is safe by definition (RFC 9110, section 9.3.7): it changes nothing and carries no
    event. Any answer shows that name, network, certificate and server are sound; that the receiver
    takes events, only an event would show.

    Raises:
        FlawlineError: no answer.
    """
    try:
        with httpx.Client(trust_env=False, timeout=settings.timeout_s) as client:
            return client.options(settings.url).status_code
    except httpx.TimeoutException:
        raise FlawlineError(
            f"{settings.url} does not answer within {settings.timeout_s:g} s"
        ) from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise FlawlineError(
            f"{settings.url}: {error}", "check host, port and certificate"
        ) from None
