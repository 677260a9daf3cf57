"""Why a line was refused: where, by a word and a sentence. Never the value."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from shared.crypto.foreign_hashes import MOST_LANES, MOST_MEMORY, MOST_MILLISECONDS, MOST_MILLISECONDS_A_TRY
from shared.rules.foreign_codes import MOST_CODES

SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        "account_id_repeated": "The same account stands in an earlier line.",
        "codes_made_here": "The account has backup codes that were made here.",
        "columns_count": "The line has another number of columns than the first one.",
        "country_not_allowed": "Not a number of a country that the tenant sends SMS to.",
        "csv_malformed": "Not a line of CSV: a quote is missing, or a record goes over several lines.",
        "email_invalid": "Not an address that mail can be sent to.",
        "enrolled_here": "The account has a second factor that was enrolled here.",
        "hash_too_costly": (
            f"One comparison would take more than {MOST_MILLISECONDS} ms, {MOST_MEMORY // 1024} MiB or {MOST_LANES} "
            "threads."
        ),
        "hash_unknown": "Not a hash in one of the forms of docs/import.md.",
        "hashes_too_costly": f"One try would take more than {MOST_MILLISECONDS_A_TRY} ms; give backup_code_shape.",
        "json_malformed": "Not one JSON object.",
        "key_made_here": "The account has a recovery key already.",
        "key_unknown": "Not the recovery key of another Deskfactor, as its export has it.",
        "line_too_long": "The line is longer than 64 KiB.",
        "not_utf8": "The line is not UTF-8.",
        "otpauth_malformed": "Not an otpauth URI with a secret.",
        "phone_invalid": "Not a valid number with its country, as in +4915112345678.",
        "phone_not_mobile": "Not a number that takes messages.",
        "seed_hex_unmarked": "The seed looks like hexadecimal; write hex: in front of it.",
        "seed_malformed": "The seed is not base32.",
        "seed_too_long": "The seed is longer than 64 bytes.",
        "seed_too_short": "The seed is shorter than 80 bits.",
        "shape_invalid": "Not a shape, as in xxxx-xxxx.",
        "too_many_codes": f"More than {MOST_CODES} backup codes.",
        "too_many_factors": "More factors than an account may have.",
        "totp_algorithm": "Only SHA-1 is understood.",
        "totp_digits": "Only codes of 6 digits are understood.",
        "totp_period": "Only steps of 30 seconds are understood.",
        "totp_type": "Not a time-based authenticator.",
        "unknown_member": "There is no such member.",
    }
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a line; `field` is empty where it is the whole line."""

    field: str
    reason: str
    text: str = ""

    @property
    def sentence(self) -> str:
        """What is wrong, for a person."""
        return self.text or SENTENCES.get(self.reason, self.reason.replace("_", " "))
