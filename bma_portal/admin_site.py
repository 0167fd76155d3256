from django.contrib import admin
from django.contrib.admin.apps import AdminConfig


class PortalAdmin(admin.AdminSite):
    """The staff's side. French, and nothing in it reveals or changes a secret."""

    site_header = "Portail BMA · administration"
    site_title = "Portail BMA"
    index_title = "Accueil de l’administration"
    enable_nav_sidebar = False


class PortalAdminConfig(AdminConfig):
    default_site = "bma_portal.admin_site.PortalAdmin"
