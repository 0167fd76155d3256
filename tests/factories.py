"""What tests are made of: real rows, with traits rather than fixture files."""

import factory

from accounts.addresses import address_of
from accounts.models import Contact, Mailbox, Organisation, Site, SitePlacement, User


class UserFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = User

    class Params:
        staff = factory.Trait(is_staff=True)
        superuser = factory.Trait(is_staff=True, is_superuser=True)

    username = factory.Sequence(lambda n: f"personne{n}")
    first_name = "Camille"
    last_name = factory.Sequence(lambda n: f"Fictive{n}")


class OrganisationFactory(factory.django.DjangoModelFactory):
    """An establishment of the register, without PO; `mailbox=True` gives it its address."""

    class Meta:
        model = Organisation
        skip_postgeneration_save = True

    class Params:
        po_unit = factory.Trait(kind=Organisation.Kind.PO, unit_types=[], levels=[])
        by_hand = factory.Trait(origin=Organisation.Origin.STAFF)
        with_po = factory.Trait(po=factory.SubFactory("tests.factories.OrganisationFactory", po_unit=True))

    kind = Organisation.Kind.EC
    fase = factory.Sequence(lambda n: 10_000 + n)
    name = factory.Sequence(lambda n: f"École fictive {n}")
    network = "Subventionné communal"
    unit_types = factory.LazyFunction(lambda: ["Maternel ordinaire", "Primaire ordinaire"])
    levels = factory.LazyFunction(lambda: ["Fondamental"])
    locality = "VALFICTIVE"
    municipality = "Valfictive"
    origin = Organisation.Origin.REGISTER

    @factory.post_generation
    def mailbox(self, create, extracted, **kwargs):
        if create and extracted:
            MailboxFactory(organisation=self, **kwargs)


class MailboxFactory(factory.django.DjangoModelFactory):
    """A mailbox, of an establishment unless `po=True` or `organisation=` says otherwise."""

    class Meta:
        model = Mailbox

    class Params:
        po = factory.Trait(organisation=factory.SubFactory(OrganisationFactory, po_unit=True))

    organisation = factory.SubFactory(OrganisationFactory)
    address = factory.LazyAttribute(lambda box: address_of(box.organisation.kind, box.organisation.fase))


class SiteFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Site

    fase = factory.Sequence(lambda n: 20_000 + n)
    address = "Rue de la Craie 1"
    municipality = "Valfictive"


class SitePlacementFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = SitePlacement

    site = factory.SubFactory(SiteFactory)
    establishment = factory.SubFactory(OrganisationFactory)


class ContactFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Contact

    team = Contact.Team.SGNE
    name = "Équipe fictive"
    email = "equipe@exemple.test"
