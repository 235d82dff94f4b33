"""Django's settings."""

import os
from pathlib import Path

SECRET_KEY = "for an example only"  # noqa: S105
INSTALLED_APPS = ["shop.orders"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("DATABASE", Path(__file__).parents[1] / "shop.sqlite3"),
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True

FAUST_BROKER_URL = os.environ.get("BROKER_URL", "kafka://localhost:9092")
