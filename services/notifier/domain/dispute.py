"""How long one may say of a notice "this was not me"."""

import datetime as dt

LINK_LIFETIME = dt.timedelta(days=30)  # a delivery is kept for 35: what is over still says so
ONE_INCIDENT = dt.timedelta(hours=1)
"""Notices of one incident come on several channels, and admins want one mail about it."""


def is_link_over(age: dt.timedelta) -> bool:
    """Whether the link of a notice of that age leads nowhere any more."""
    return age >= LINK_LIFETIME
