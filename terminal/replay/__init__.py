"""What past bills would cost under another pack: finance's question before a reform.

claims_file     a batch of claims: Parquet in and out, through DuckDB
journal_claims  the settled claims of a journal, read while the daemon runs
evaluation      a batch under a pack, each person's year carried on bill by bill
comparison      who pays more or less: by payer, person category and hospital level
bill_list       every bill with its payers before and after, as a file
report          the comparison as a table, a workbook with charts, and a drawing

Nothing here is loaded by the daemon: it needs NumPy and DuckDB.
"""
