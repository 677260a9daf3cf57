"""``python -m services.notifier`` runs the notifier."""

from services.notifier.app import serve
from services.notifier.settings import NotifierSettings
from shared.process import main

if __name__ == "__main__":
    main(serve, NotifierSettings, name="notifier")
