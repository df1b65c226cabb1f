"""What allauth asks of us about local accounts."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest

from accounts.models import User
from accounts.people import create_person


class AccountAdapter(DefaultAccountAdapter):
    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        """Fill the new person from the sign-up form and create the account with all it needs."""
        super().save_user(request, user, form, commit=False)
        if commit:
            create_person(user, way="signup")
        return user
