"""What the two programs do that `bench/desk.py` compares: ours, and django-helpdesk in an environment of its own."""
