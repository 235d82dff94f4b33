"""What the project keeps in its database."""

from django.db import models


class Account(models.Model):
    name = models.CharField(max_length=100, unique=True)
    total = models.IntegerField(default=0)
