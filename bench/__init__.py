"""The benchmark: transfers per second, compared with SQL on the same server and tables. `make bench` runs it."""
