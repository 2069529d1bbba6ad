# SPDX-License-Identifier: GPL-2.0-only
"""The optimizer: what an upload had no time or no knowledge for, done later, one deltaspace at a time.

An upload knows what was there before it and has to be quick. Here a deltaspace is looked at as it is
(`survey`): bytes that are there twice are shared (`twins`), objects that are alike are measured against each
other (`measure`), the few that all others are closest to become its references (`references`, decided in
`plan`), and every object is encoded thoroughly against the best of them (`rewrite`, one at a time in
`recode`). References that nobody uses then go; where a few objects keep one, they move if that saves more
than they grow by. `run` is where to start; `schedule` says when.

Promises: no client sees anything of it but space, and none is waited for or kept waiting: an object that is
written meanwhile is left alone, the encoder rests in proportion (`engine.rest`), and the only lock held is
the one that writers share. One process at a time works on a bucket. It remembers nothing but what storage
says: an extent that is as small as it gets says so, and so does a deltaspace in which nothing is left to do.
"""
