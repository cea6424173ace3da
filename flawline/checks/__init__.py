"""What can be wrong with a configuration that its form does not show."""

from __future__ import annotations
