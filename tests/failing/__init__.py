"""A web process and a worker that fail where told to, holding secrets: for what must not get out with a report."""
