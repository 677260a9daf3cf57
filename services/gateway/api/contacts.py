"""Addresses and numbers where they come in: checked, brought into one form, then sealed to the notifier.

Behind this module nobody but the notifier sees them: the rest of the system has the mask, for people, and the digest,
for comparing.
"""

import re
from uuid import UUID

import phonenumbers
from phonenumbers import PhoneNumberType

from services.gateway.problems import KINDS, Fault, HttpCode, Problem, invalid
from shared.contracts.types import Channel, Contact
from shared.crypto.digests import digest
from shared.crypto.keyring import KeyRing
from shared.crypto.sealing import contact_place, seal
from shared.secret import Secret

_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")  # RFC 5322, 3.2.3: dot-atom
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")  # RFC 1035, 2.3.1, as relaxed by RFC 1123, 2.1
_LONGEST_ADDRESS = 254  # RFC 5321, 4.5.3.1.3, without the angle brackets
_LONGEST_LOCAL = 64
_SHOWN_DIGITS = 2
_MOBILE = frozenset(
    {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}
)  # the latter: one plan, as in the US


class Contacts:
    """Makes `Contact`s."""

    def __init__(self, *, destinations: KeyRing, digests: KeyRing, countries: tuple[str, ...] = ()) -> None:
        """``destinations``: the ring ``seal.notifier``; ``digests``: the ring ``digest.gateway``; ``countries``: where
        SMS may go (ISO 3166-1), empty: everywhere.
        """
        self._destinations = destinations
        self._digests = digests
        self._countries = countries

    def within(self, countries: tuple[str, ...]) -> "Contacts":
        """The same, for a tenant that lists countries."""
        return Contacts(destinations=self._destinations, digests=self._digests, countries=countries)

    def email(self, tenant_id: UUID, account_id: str, text: str, *, pointer: str) -> Contact | Problem:
        """An e-mail address; ``pointer`` is where the body holds it."""
        address = normal_email(text)
        if address is None:
            return invalid(pointer, "email_invalid", "Not an address that mail can be sent to.")
        same = address.lower()  # hosts that tell a local part's case apart are not worth two mailboxes
        return self._contact(tenant_id, account_id, Channel.EMAIL, address, same, mask_email(address))

    def phone(
        self, tenant_id: UUID, account_id: str, text: str, *, pointer: str, is_sandbox: bool = False
    ) -> Contact | Problem:
        """A mobile number with its country. Codes and notices go there: landlines and services cannot take them, and
        premium numbers would be paid for by whoever sends, or calls back.

        In a sandbox, whose messages reach nobody, numbers reserved for fiction are good: they are what to try it with.
        """
        number = _parsed(text, is_sandbox=is_sandbox)
        if number is None:
            return invalid(pointer, "phone_invalid", "Not a valid number with its country, as in +4915112345678.")
        is_assigned = phonenumbers.is_valid_number(number)  # of fiction nobody knows what it is
        if is_assigned and phonenumbers.number_type(number) not in _MOBILE:
            return _of_number(HttpCode.PHONE_NOT_MOBILE, pointer)
        if self._countries and _country(number) not in self._countries:
            return _of_number(HttpCode.COUNTRY_NOT_ALLOWED, pointer)
        e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        return self._contact(tenant_id, account_id, Channel.SMS, e164, e164, mask_phone(e164))

    def _contact(
        self, tenant_id: UUID, account_id: str, channel: Channel, text: str, same: str, masked: str
    ) -> Contact:
        place = contact_place(tenant_id, account_id, channel.value)
        return Contact(
            sealed=seal(self._destinations, Secret(text), place),
            masked=masked,
            digest=digest(self._digests, str(tenant_id), channel.value, same),
        )


def _of_number(code: HttpCode, pointer: str) -> Problem:
    return Problem(code=code, faults=(Fault(pointer=pointer, code=code.value, detail=KINDS[code].text),))


def normal_email(text: str) -> str | None:
    """The address with its domain in lower case and in ASCII (IDNA), or None when it is none."""
    local, at, domain = text.strip().rpartition("@")
    if not at or len(local) > _LONGEST_LOCAL or not _LOCAL.fullmatch(local):
        return None
    try:
        labels = domain.encode("idna").decode().lower().split(".")
    except UnicodeError:
        return None
    address = f"{local}@{'.'.join(labels)}"
    is_domain = len(labels) > 1 and all(_LABEL.fullmatch(label) for label in labels) and not labels[-1].isdigit()
    return address if is_domain and len(address) <= _LONGEST_ADDRESS else None


def mask_email(address: str) -> str:
    """``a•••@acme.example``: enough for its owner, not enough to write to."""
    local, _, domain = address.rpartition("@")
    return f"{local[0]}•••@{domain}"


def mask_phone(e164: str) -> str:
    """``•••• 34``."""
    return f"•••• {e164[-_SHOWN_DIGITS:]}"


def _country(number: phonenumbers.PhoneNumber) -> str | None:
    """ISO 3166-1; of a number of fiction the main country of its code: +44 is the United Kingdom's, not Jersey's."""
    main = phonenumbers.region_code_for_country_code(number.country_code or 0)
    return phonenumbers.region_code_for_number(number) or main


def _parsed(text: str, *, is_sandbox: bool) -> phonenumbers.PhoneNumber | None:
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        return None
    is_good = phonenumbers.is_possible_number if is_sandbox else phonenumbers.is_valid_number
    return number if is_good(number) and not number.extension else None
