# SPDX-License-Identifier: GPL-2.0-only
"""The S3 protocol as pure functions and state machines without I/O; any failure is an `errors.S3Error`.

Conventions, everywhere in here: header mappings answer to lower-case names (a case-insensitive mapping, or a
dict with such keys), and hold bytes that are no UTF-8 as surrogates (`surrogateescape`), as aiohttp gives
them. Query mappings are decoded (`operation.Request.query`). Times are milliseconds since the epoch, sizes
and ranges bytes, ranges half-open, etags without quotes. The time of day is always a parameter.
"""
