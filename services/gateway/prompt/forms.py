"""Forms, read by ourselves: what is not one is no fault of ours, whatever its header says."""

from urllib.parse import parse_qsl

from aiohttp import web

CONTENT_TYPE = "application/x-www-form-urlencoded"
MOST_FIELDS = 100


async def read_form(request: web.Request) -> dict[str, str] | None:
    """Fields of a URL-encoded form, the last of each name; None when the body is none."""
    if request.content_type != CONTENT_TYPE:
        return None
    raw = await request.read()
    try:
        fields = parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError:
        return None
    return dict(fields)
