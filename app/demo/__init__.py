"""What only the demo has: its supervisor, servers from wheels, users, traffic, routes, and the build of the pages.

Nothing but `main.py` and `cli.py` may import it.
"""
