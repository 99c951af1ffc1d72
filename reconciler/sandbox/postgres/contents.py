"""Roles, databases and rows of a cluster, by SQL as the superuser."""

import psycopg
from psycopg import sql

from reconciler.sandbox.storage import Inventory, StorageError

GROUP = "neon_superuser"
"""Roles made through the API belong to it, as they do at Neon (docs: Manage roles)."""

_EMPTY = """
do $$
declare name text;
begin
    perform set_config('session_replication_role', 'replica', true);
    for name in select oid::regclass::text from pg_class where oid >= 16384 and relkind = 'r' loop
        execute 'truncate ' || name || ' cascade';
    end loop;
    for name in select oid::regclass::text from pg_class where oid >= 16384 and relkind = 'S' loop
        execute 'alter sequence ' || name || ' restart';
    end loop;
    for name in select oid::regclass::text from pg_class where oid >= 16384 and relkind = 'm' loop
        execute 'refresh materialized view ' || name || ' with no data';
    end loop;
end $$
"""


class ClusterContents:
    """The part of the storage that runs SQL, one transaction for each statement."""

    async def connect(self, cluster: str, database: str = "postgres") -> psycopg.AsyncConnection[tuple[object, ...]]:
        """Connect as the superuser; starts the cluster if it does not run."""
        raise NotImplementedError

    async def inventory(self, cluster: str) -> Inventory:
        """List the roles and databases, without PostgreSQL's own."""
        roles = await self._select(
            cluster,
            "select rolname, rolcanlogin from pg_roles where oid >= 16384 and rolname <> 'neon_superuser' order by oid",
        )
        databases = await self._select(
            cluster,
            "select datname, pg_get_userbyid(datdba) from pg_database where oid >= 16384 order by oid",
        )
        return Inventory(
            {str(name): bool(may_log_in) for name, may_log_in in roles},
            {str(name): str(owner) for name, owner in databases},
        )

    async def create_role(self, cluster: str, name: str, password: str | None) -> None:
        """Make a role (password None: one that cannot log in)."""
        login = sql.SQL("login password {}").format(password) if password else sql.SQL("nologin")
        await self._execute(
            cluster,
            sql.SQL(
                "do $$ begin if to_regrole('neon_superuser') is null then"
                " create role neon_superuser createdb createrole bypassrls nologin;"
                " grant pg_read_all_data, pg_write_all_data, pg_monitor, pg_signal_backend to neon_superuser"
                " with admin option;"
                " end if; end $$"
            ),
            sql.SQL("create role {} createdb createrole bypassrls {} in role neon_superuser").format(
                sql.Identifier(name), login
            ),
        )

    async def set_passwords(self, cluster: str, passwords: dict[str, str]) -> None:
        """Set the passwords of roles, all or none."""
        statements = [
            sql.SQL("alter role {} password {}").format(sql.Identifier(name), password)
            for name, password in passwords.items()
        ]
        await self._execute(cluster, sql.SQL("begin"), *statements, sql.SQL("commit"))

    async def drop_role(self, cluster: str, name: str) -> None:
        """Remove a role that owns no database, with its other objects."""
        role = sql.Identifier(name)
        databases = await self._select(cluster, "select datname from pg_database where datallowconn")
        for (database,) in databases:
            await self._execute(cluster, sql.SQL("drop owned by {} cascade").format(role), database=str(database))
        await self._execute(cluster, sql.SQL("drop role {}").format(role))

    async def create_database(self, cluster: str, name: str, owner: str) -> None:
        """Make a database."""
        # copying files keeps the log short, so that forks replay it quickly
        statement = sql.SQL("create database {} owner {} strategy file_copy")
        await self._execute(cluster, statement.format(sql.Identifier(name), sql.Identifier(owner)))

    async def alter_database(self, cluster: str, name: str, new_name: str, owner: str) -> None:
        """Rename a database and give it an owner; its connections are cut."""
        old, new = sql.Identifier(name), sql.Identifier(new_name)
        cut = sql.SQL("select pg_terminate_backend(pid) from pg_stat_activity where datname = {}").format(name)
        rename = [cut, sql.SQL("alter database {} rename to {}").format(old, new)] if name != new_name else []
        owned = sql.SQL("alter database {} owner to {}").format(new, sql.Identifier(owner))
        await self._execute(cluster, *rename, owned)

    async def drop_database(self, cluster: str, name: str) -> None:
        """Remove a database; its connections are cut."""
        await self._execute(cluster, sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))

    async def verifier(self, cluster: str, role: str) -> str | None:
        """Return the stored password verifier of a role."""
        async with await self.connect(cluster) as connection:
            answer = await connection.execute("select rolpassword from pg_authid where rolname = %s", (role,))
            row = await answer.fetchone()
        return None if row is None or row[0] is None else str(row[0])

    async def empty(self, cluster: str) -> None:
        """Remove all rows from all databases, and restart all sequences."""
        for (database,) in await self._select(cluster, "select datname from pg_database where oid >= 16384"):
            await self._execute(cluster, sql.SQL(_EMPTY), database=str(database))

    async def _execute(self, cluster: str, *statements: sql.SQL | sql.Composed, database: str = "postgres") -> None:
        connection = await self.connect(cluster, database)
        try:
            async with connection:
                for statement in statements:
                    await connection.execute(statement)
        except psycopg.Error as error:
            raise StorageError(str(error).strip()) from error

    async def _select(self, cluster: str, query: str) -> list[tuple[object, ...]]:
        async with await self.connect(cluster) as connection:
            answer = await connection.execute(query.encode())
            return await answer.fetchall()
