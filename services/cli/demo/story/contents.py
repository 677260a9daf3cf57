"""The whole story, in the order in which it is told."""

from services.cli.demo.story import accounts, authenticator, lost_device, policy, record, sign_in

STORY = (
    accounts.CHAPTER,
    authenticator.CHAPTER,
    sign_in.CHAPTER,
    lost_device.CHAPTER,
    policy.CHAPTER,
    record.CHAPTER,
)
