"""People and their roles, as administrators see them. Who one is comes from Cerbère."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm, ReadOnlyPasswordHashWidget, UserChangeForm
from django.http import HttpRequest

from accounts import people
from accounts.models import User


class PasswordOrNone(ReadOnlyPasswordHashWidget):
    """Django's is a block that says `disabled` and is described by an id that is not there."""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        return super().get_context(name, value, None)


class PersonForm(UserChangeForm):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if "password" in self.fields:
            self.fields["password"].widget = PasswordOrNone()


class PasswordForm(AdminPasswordChangeForm):
    """Django's warning is in English, in a list within a paragraph; its script shows it by this id."""

    usable_password_help_text = (
        "Sans mot de passe, cette personne n’entre que par Cerbère. "  # noqa: S105  a text
        '<strong id="id_unusable_warning">Si vous le désactivez, son mot de passe actuel est perdu.</strong>'
    )


@admin.register(User)
class PersonAdmin(UserAdmin):
    form = PersonForm
    change_password_form = PasswordForm
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
