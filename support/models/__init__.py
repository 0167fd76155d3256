from support.models.proofs import ProofFile
from support.models.resets import PasswordReset

__all__ = ["PasswordReset", "ProofFile"]
