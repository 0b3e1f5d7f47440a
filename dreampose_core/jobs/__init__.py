"""Long work in its own process: a store of jobs on disk, a worker that does them, a client that asks.

events.py   what a job is and what it says, as frozen dataclasses
store.py    the rows on disk (sqlite3)
kinds.py    which function does which kind of job
worker.py   the process that takes jobs in order, and its supervisor
client.py   what a page calls: submit, status, cancel, retry, ensure_worker
"""
