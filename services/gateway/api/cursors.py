"""Cursors of lists: opaque to callers, so that what is inside may change."""

import base64
import binascii


def cursor_of(position: object) -> str:
    """A cursor that stands behind this position."""
    return base64.urlsafe_b64encode(str(position).encode()).decode().rstrip("=")


def position_of(cursor: str) -> str | None:
    """Where a cursor stands; None when we did not make it."""
    try:
        return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (ValueError, binascii.Error):
        return None


def page(data: object, *, has_more: bool = False, last: object = None) -> dict[str, object]:
    """A list as every list is answered; ``last``: the position of its last member."""
    return {"data": data, "next_cursor": cursor_of(last) if has_more else None, "has_more": has_more}
