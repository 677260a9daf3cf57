"""``python -m services.otp_worker``."""

from services.otp_worker.app import serve
from services.otp_worker.settings import OtpWorkerSettings
from shared.process import main

if __name__ == "__main__":
    main(serve, OtpWorkerSettings, name="otp_worker")
