from accounts.models.contacts import Contact
from accounts.models.credentials import Credential
from accounts.models.mailboxes import Mailbox
from accounts.models.organisations import Organisation, Site, SitePlacement
from accounts.models.people import User
from accounts.models.registers import OrganisationChange, RegisterImport

__all__ = [
    "Contact",
    "Credential",
    "Mailbox",
    "Organisation",
    "OrganisationChange",
    "RegisterImport",
    "Site",
    "SitePlacement",
    "User",
]
