"""Statements: which entries one covers, its files in each format, making them and handing them out.

The SQL is in `app/db/statement_sql.py` and `statement_file_sql.py`. The worker's loop is in `app/processes/worker.py`.
"""
