"""The benchmark: how many transfers a second, against SQL on the same server and the same tables. `make bench` runs it."""
