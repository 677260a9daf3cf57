"""What audit does every so often."""

import datetime as dt

from services.audit.handlers import heads
from shared.schedule import Every

SCHEDULE = (Every(dt.timedelta(seconds=5), heads.sign_due_heads),)
