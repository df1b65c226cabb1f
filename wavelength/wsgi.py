"""What gunicorn serves; refuses to start where the database could not keep people apart."""

import os

from django.core.signals import request_started
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "wavelength.settings")
application = get_wsgi_application()

from wavelength.startup import refuse_unsafe  # noqa: E402  (needs the applications loaded)
from wavelength.tenancy import forget_tenant  # noqa: E402

refuse_unsafe()
request_started.connect(forget_tenant)
