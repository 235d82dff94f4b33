"""The stream processor of the project: `faust -A shop.faustapp worker`."""

import os

from django.conf import settings

import faust

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")

app = faust.App("django-shop", autodiscover=True, origin="shop")


@app.on_configured.connect
def take_settings_from_django(app, conf, **kwargs):
    conf.broker = settings.FAUST_BROKER_URL
