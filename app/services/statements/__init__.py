"""Statements: which entries one covers, its files in each format, making them and handing them out.

The SQL is in `db/statement_sql.py` and `db/statement_file_sql.py`. The worker's loop is in `processes/statement_maker.py`.
"""
