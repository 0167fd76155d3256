"""People and their roles, as administrators see them. Who one is comes from Cerbère."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.http import HttpRequest

from accounts import people
from accounts.models import User


@admin.register(User)
class PersonAdmin(UserAdmin):
    fieldsets = [
        *(UserAdmin.fieldsets or ()),
        ("Cerbère et secours", {"fields": ["cerbere_identity", "cerbere_expires_on", "break_glass"]}),
    ]
    readonly_fields = ["cerbere_identity", "cerbere_expires_on", "last_login", "date_joined"]
    list_display = ["username", "first_name", "last_name", "is_staff", "break_glass", "is_active"]
    list_filter = ["is_staff", "break_glass", "is_active", "groups"]
    show_facets = admin.ShowFacets.NEVER

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False  # disabled, never deleted: the audit and the deeds name them

    @admin.display(description="identifiant Cerbère")
    def cerbere_identity(self, person: User) -> str:
        return people.subject_known(person) or "—"
