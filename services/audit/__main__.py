"""``python -m services.audit``."""

from services.audit.app import serve
from services.audit.settings import AuditSettings
from shared.process import main

if __name__ == "__main__":
    main(serve, AuditSettings, name="audit")
