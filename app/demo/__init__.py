"""The demo: its supervisor, embedded servers, users, traffic and routes, and the build of the pages.

The API and the relay that it starts are in `processes/`. Only `main.py` and `cli.py` import this package.
"""
