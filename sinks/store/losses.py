"""Reading the frames of a line that ended without a verdict, page by page."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from sinks.store.database import Database
from sinks.store.rows import Drop
from sinks.store.schema import DROPS

PAGE = 1000


def losses(database: Database, *, line: str, since_ns: int, until_ns: int) -> Iterator[Drop]:
    """The drops of `line` noted from `since_ns` until before `until_ns`, in that order.

    A slow reader holds nothing open.

    Raises:
        StorageError: the database does not work.
    """
    query = (
        sa.select(DROPS)
        .where(DROPS.c.line == line, DROPS.c.noted_ns >= since_ns, DROPS.c.noted_ns < until_ns)
        .order_by(DROPS.c.noted_ns, DROPS.c.id)
        .limit(PAGE)
    )
    place = sa.tuple_(DROPS.c.noted_ns, DROPS.c.id)
    page_query = query
    while True:
        with database.begin() as connection:
            page = connection.execute(page_query).mappings().all()
        for row in page:
            yield Drop(**{name: value for name, value in row.items() if name != "id"})
        if len(page) < PAGE:
            return
        page_query = query.where(place > (page[-1]["noted_ns"], page[-1]["id"]))
