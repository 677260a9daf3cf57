"""Who handles what."""

from services.otp_worker.deps import Deps
from services.otp_worker.handlers import (
    challenges,
    confirmation,
    enrolment,
    factors,
    logins,
    recovery,
    security,
    time_passing,
    trust,
    verification,
)
from shared.contracts import commands, events
from shared.messaging.handler_table import HandlerTable, on, on_list
from shared.messaging.topology import OTP_COMMANDS, OTP_REQUESTS

TABLE = HandlerTable[Deps](
    on_list(OTP_REQUESTS, commands.StartLogin, logins.start_logins),
    on_list(OTP_REQUESTS, commands.VerifyCode, verification.verify_codes),
    on(OTP_REQUESTS, commands.SendCode, challenges.send_challenge_code),
    on(OTP_REQUESTS, commands.CancelChallenge, challenges.cancel_challenge),
    on(OTP_REQUESTS, commands.ReadChallenge, challenges.read_challenge),
    on(OTP_REQUESTS, commands.ReadSecurity, security.read_security),
    on(OTP_REQUESTS, commands.StartEnrolment, enrolment.start_enrolment),
    on(OTP_REQUESTS, commands.ConfirmEnrolment, confirmation.confirm_enrolment),
    on(OTP_REQUESTS, commands.SendEnrolmentCode, confirmation.send_enrolment_code),
    on(OTP_REQUESTS, commands.RenameFactor, factors.rename),
    on(OTP_REQUESTS, commands.RevokeFactor, factors.revoke),
    on(OTP_REQUESTS, commands.RegenerateBackupCodes, security.regenerate_backup_codes),
    on(OTP_REQUESTS, commands.AcknowledgeBackupCodes, security.acknowledge_backup_codes),
    on(OTP_REQUESTS, commands.RevokeTrustedDevices, trust.revoke_trusted_devices),
    on_list(OTP_COMMANDS, commands.StartLogin, logins.start_logins),
    on(OTP_COMMANDS, commands.OpenRecoveryChallenge, recovery.open_recovery_challenge),
    on(OTP_COMMANDS, commands.ExecuteRecovery, recovery.execute_recovery),
    on(OTP_COMMANDS, events.AccountPasswordChanged, trust.note_password_change),
    on(OTP_COMMANDS, events.ClockMoved, time_passing.note_clock_move),
)
