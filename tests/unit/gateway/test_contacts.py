"""Addresses and numbers: one form, a mask for people, a digest for comparing, readable by the notifier only."""

from uuid import UUID

import pytest

from services.gateway.api.contacts import Contacts, mask_email, mask_phone, normal_email
from services.gateway.problems import HttpCode, Problem
from shared.contracts.types import Contact
from shared.crypto.keyring import KEY_BYTES, KeyRing
from shared.crypto.sealing import BrokenSeal, contact_place, unseal

TENANT, OTHER = UUID(int=1), UUID(int=2)
DESTINATIONS = KeyRing("seal.notifier", "k1", {"k1": bytes(KEY_BYTES)})
CONTACTS = Contacts(destinations=DESTINATIONS, digests=KeyRing("digest.gateway", "k1", {"k1": b"\1" * KEY_BYTES}))


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("ada@acme.example", "ada@acme.example"),
        (" Ada.L+desk@ACME.Example ", "Ada.L+desk@acme.example"),
        ("o'neil@mail.acme.example", "o'neil@mail.acme.example"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("ada", None),
        ("@acme.example", None),
        ("ada@", None),
        ("ada@localhost", None),
        ("ada@acme..example", None),
        (".ada@acme.example", None),
        ("ada..l@acme.example", None),
        ("ada@-acme.example", None),
        ("ada@127.0.0.1", None),
        ("ada@[127.0.0.1]", None),
        ('"ada l"@acme.example', None),
        ("ada lovelace@acme.example", None),
        ("ada@acme.example\nBcc: eve@evil.example", None),
        ("ada@acme.example, eve@evil.example", None),
        ("ädä@acme.example", None),
        ("a" * 65 + "@acme.example", None),
        ("a@" + "b" * 64 + ".example", None),
        ("a@" + "b." * 126 + "example", None),
    ],
)
def test_addresses_are_brought_into_one_form_or_refused(given: str, normal: str | None) -> None:
    """What goes into a mail's header must be one address and nothing else."""
    assert normal_email(given) == normal


def test_masks_help_the_owner_and_nobody_else() -> None:
    """They are shown on pages and stand in the audit log."""
    assert mask_email("ada@acme.example") == "a•••@acme.example"
    assert mask_phone("+4915112345678") == "•••• 78"


def email(text: str, tenant: UUID = TENANT, account: str = "ada") -> Contact:
    """A contact that must be good."""
    contact = CONTACTS.email(tenant, account, text, pointer="/email")
    assert isinstance(contact, Contact)
    return contact


def test_the_same_mailbox_has_the_same_digest_within_its_tenant_only() -> None:
    """Equal addresses are recognised without being known; two tenants cannot compare theirs."""
    assert email("Ada@acme.example").digest == email("ada@ACME.example").digest
    assert email("ada@acme.example").digest != email("ada@acme.example", tenant=OTHER).digest


def test_a_contact_opens_for_its_account_and_channel_only() -> None:
    """A sealed address that was moved to another account would send that one's codes to a stranger."""
    contact = email("ada@acme.example")
    assert unseal(DESTINATIONS, contact.sealed, contact_place(TENANT, "ada", "email")).reveal() == "ada@acme.example"
    with pytest.raises(BrokenSeal):
        unseal(DESTINATIONS, contact.sealed, contact_place(TENANT, "eve", "email"))
    assert "ada@" not in repr(contact)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("+49 151 1234-5678", None),
        ("+1 202 555 0123", None),  # one plan for landlines and mobiles
        ("+442079460123", HttpCode.PHONE_NOT_MOBILE),  # a landline
        ("+18005550199", HttpCode.PHONE_NOT_MOBILE),  # toll free
        ("+19002345678", HttpCode.PHONE_NOT_MOBILE),  # premium
        ("+443003300000", HttpCode.PHONE_NOT_MOBILE),  # one number of an organisation
        ("+448451234567", HttpCode.PHONE_NOT_MOBILE),  # shared cost
        ("+447640123456", HttpCode.PHONE_NOT_MOBILE),  # a pager
        ("+445612345678", HttpCode.PHONE_NOT_MOBILE),  # over the internet
        ("+447012345678", HttpCode.PHONE_NOT_MOBILE),  # follows a person, who pays for it
        ("0151 12345678", HttpCode.VALIDATION_FAILED),
        ("+49", HttpCode.VALIDATION_FAILED),
        ("+49151123456789012345", HttpCode.VALIDATION_FAILED),
        ("+4915112345678 ext. 5", HttpCode.VALIDATION_FAILED),
        ("call me", HttpCode.VALIDATION_FAILED),
    ],
)
def test_codes_go_to_numbers_that_can_take_them(number: str, code: HttpCode | None) -> None:
    """Landlines and services cannot, and premium numbers cost."""
    outcome = CONTACTS.phone(TENANT, "ada", number, pointer="/destination")
    assert (outcome.code if isinstance(outcome, Problem) else None) == code


def test_numbers_of_fiction_are_good_in_a_sandbox_only() -> None:
    """They belong to nobody, which is what a trial needs and a live tenant cannot use."""
    fiction = "+447700900123"
    in_sandbox = CONTACTS.phone(TENANT, "ada", fiction, pointer="/phone", is_sandbox=True)
    assert isinstance(in_sandbox, Contact)
    assert isinstance(CONTACTS.phone(TENANT, "ada", fiction, pointer="/phone"), Problem)


def test_sms_stay_in_the_countries_of_the_tenant() -> None:
    """SMS pumping lives on far countries."""
    for countries, code in ((("DE",), HttpCode.COUNTRY_NOT_ALLOWED), (("FR",), None), ((), None)):
        outcome = CONTACTS.within(countries).phone(TENANT, "a", "+33612345678", pointer="")
        assert (outcome.code if isinstance(outcome, Problem) else None) == code


def test_a_number_of_fiction_belongs_to_the_main_country_of_its_code() -> None:
    """A sandbox tries the list of countries out, too."""
    at_home, abroad = (CONTACTS.within((country,)) for country in ("GB", "DE"))
    assert isinstance(at_home.phone(TENANT, "ada", "+447700900123", pointer="/phone", is_sandbox=True), Contact)
    assert isinstance(abroad.phone(TENANT, "ada", "+447700900123", pointer="/phone", is_sandbox=True), Problem)
