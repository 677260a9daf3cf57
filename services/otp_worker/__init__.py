"""Issues codes and judges them.

Decides: is this code right; may this login pass.
Listens to: its request lanes and its commands; erased accounts, password changes, disputed notices, sandbox clocks.
Says: what became of logins, challenges, factors, backup codes and trusted devices; codes and notices to the notifier.
Owns: factors, challenges, codes, throttles, trusted devices (schema `otp`).
"""
