"""Who handles what."""

from services.otp_worker.deps import Deps
from services.otp_worker.handlers import (
    acting,
    admin_actions,
    cancellation,
    challenges,
    confirmation,
    disputes,
    enrolment,
    erasure,
    export,
    factors,
    logins,
    moving,
    recovery,
    redemption,
    security,
    time_passing,
    trust,
    verification,
)
from shared.contracts import commands, events
from shared.messaging.handler_table import HandlerTable, on, on_list
from shared.messaging.topology import OTP_COMMANDS, OTP_FACTORS, OTP_LOGINS

TABLE = HandlerTable[Deps](
    on_list(OTP_LOGINS, commands.StartLogin, logins.start_logins),
    on_list(OTP_LOGINS, commands.VerifyCode, verification.verify_codes),
    on(OTP_LOGINS, commands.SendCode, challenges.send_challenge_code),
    on(OTP_LOGINS, commands.CancelChallenge, challenges.cancel_challenge),
    on(OTP_LOGINS, commands.ReadChallenge, challenges.read_challenge),
    on(OTP_LOGINS, commands.RenewRedemption, redemption.renew_redemption),
    on(OTP_LOGINS, commands.RedeemChallenge, redemption.redeem_challenge),
    on(OTP_FACTORS, commands.ReadSecurity, security.read_security),
    on(OTP_FACTORS, commands.StartEnrolment, enrolment.start_enrolment, refuses_again=acting.may_not_hear_again),
    on(OTP_FACTORS, commands.ConfirmEnrolment, confirmation.confirm_enrolment),
    on(OTP_FACTORS, commands.SendEnrolmentCode, confirmation.send_enrolment_code),
    on(OTP_FACTORS, commands.RenameFactor, factors.rename),
    on(OTP_FACTORS, commands.RevokeFactor, factors.revoke),
    on(OTP_FACTORS, commands.RegenerateBackupCodes, security.regenerate_backup_codes),
    on(OTP_FACTORS, commands.AcknowledgeBackupCodes, security.acknowledge_backup_codes),
    on(OTP_FACTORS, commands.RevokeTrustedDevices, trust.revoke_trusted_devices),
    on(
        OTP_FACTORS,
        commands.MakeRecoveryCode,
        admin_actions.make_recovery_code,
        refuses_again=acting.may_not_hear_again,
    ),
    on(OTP_FACTORS, commands.ResetAccount, admin_actions.reset_account),
    on(OTP_FACTORS, commands.ImportFactors, moving.import_factors),
    on(OTP_FACTORS, commands.ImportFactorsOfMany, moving.import_factors_of_many),
    on(OTP_FACTORS, commands.ExportAccounts, export.export_accounts),
    on_list(OTP_COMMANDS, commands.StartLogin, logins.start_logins),
    on(OTP_COMMANDS, commands.CancelChallenges, cancellation.cancel_challenges_of),
    on(OTP_COMMANDS, commands.OpenRecoveryChallenge, recovery.open_recovery_challenge),
    on(OTP_COMMANDS, commands.ExecuteRecovery, recovery.execute_recovery),
    on(OTP_COMMANDS, events.AccountErased, erasure.erase_account),
    on(OTP_COMMANDS, events.AccountPasswordChanged, trust.note_password_change),
    on(OTP_COMMANDS, events.NoticeDisputed, disputes.note_dispute),
    on(OTP_COMMANDS, events.RecoveryAttack, disputes.note_dispute),
    on(OTP_COMMANDS, events.ClockMoved, time_passing.note_clock_move),
)
