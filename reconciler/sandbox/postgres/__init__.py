"""The storage with rows: every branch is a PostgreSQL cluster of its own.

clusters        the storage: clusters, restore points, forks
template        the cluster as `initdb` makes it, from which all others are copied
base_backups    copies of a running cluster, from which a fork replays less of the log
contents        roles, databases and schemas, by SQL
files           copying and linking the files of clusters
server_process  one running server
installation    finding PostgreSQL's programs and running them
"""
