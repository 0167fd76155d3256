"""States: one table of moves, one method that moves and logs."""

import logging
from datetime import datetime
from typing import Any, ClassVar

from django.db import models

from bma_portal.errors import Refusal

audit_log = logging.getLogger("bma.audit")


class Stateful(models.Model):
    """A model with a `status`, whose allowed moves are its class's TRANSITIONS (from → set of to)."""

    TRANSITIONS: ClassVar[dict[str, set[str]]] = {}
    status: "models.CharField[str, str]"

    class Meta:
        abstract = True

    def move_to(self, status: str, *, by: str, at: datetime, note: str = "", **facts: Any) -> None:
        """Move and write the log line, in the caller's transaction; nothing else happens here.

        `facts` are fields that the new state requires, written in the same statement.

        Raises Refusal if the table does not allow it, or if someone else moved it first. A refused move is written
        to the `bma.audit` log, which a rolled-back transaction does not erase.
        """
        old = self.status
        allowed = status in self.TRANSITIONS.get(old, set())
        row: Any = type(self)._base_manager.filter(pk=self.pk)  # Any: `status` is a field of the subclasses
        if not allowed or not row.filter(status=old).update(status=status, **facts):
            audit_log.warning(
                "transition refusée", extra={"objet": self._meta.label, "id": self.pk, "de": old, "vers": status}
            )
            raise Refusal(
                f"« {self} » ne peut pas passer de « {self._label(old)} » à « {self._label(status)} »"
                + ("." if not allowed else " : quelqu'un d'autre vient de le modifier. Rechargez la page.")
            )
        for name, value in {"status": status, **facts}.items():
            setattr(self, name, value)
        StateChange.objects.create(
            object_type=self._meta.label_lower, object_id=self.pk, old=old, new=status, by=by, at=at, note=note
        )

    def _label(self, status: str) -> str:
        return str(dict(self._meta.get_field("status").flatchoices).get(status, status))  # type: ignore[union-attr]


class StateChange(models.Model):
    """One move of one object: what, from, to, who, when, why. Written in the transaction of the move."""

    object_type = models.CharField("objet", max_length=80)
    object_id = models.BigIntegerField("numéro")
    old = models.CharField("avant", max_length=30)
    new = models.CharField("après", max_length=30)
    by = models.CharField("par", max_length=150)
    at = models.DateTimeField("le")
    note = models.TextField("motif", blank=True)

    class Meta:
        app_label = "bma_portal"
        verbose_name = "changement d’état"
        verbose_name_plural = "changements d’état"
        indexes = [models.Index(fields=["object_type", "object_id"], name="statechange_object")]
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.object_type} {self.object_id} : {self.old} → {self.new}"
