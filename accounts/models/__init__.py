from accounts.models.contacts import Contact
from accounts.models.credentials import Credential, DirectoryPause
from accounts.models.mailboxes import Mailbox
from accounts.models.mode import Gia, GrantRequest, Holder, ModePeriod, ResetGrant
from accounts.models.organisations import Organisation, Site, SitePlacement
from accounts.models.people import User
from accounts.models.registers import OrganisationChange, RegisterImport

__all__ = [
    "Contact",
    "Credential",
    "DirectoryPause",
    "Gia",
    "GrantRequest",
    "Holder",
    "Mailbox",
    "ModePeriod",
    "Organisation",
    "OrganisationChange",
    "RegisterImport",
    "ResetGrant",
    "Site",
    "SitePlacement",
    "User",
]
