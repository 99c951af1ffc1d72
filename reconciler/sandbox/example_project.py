"""The example in a new sandbox: the shop 961tech, with a Neon project, a Hyperdrive config and a Worker."""

from reconciler.sandbox.cloudflare import Cloudflare
from reconciler.sandbox.computes import ADDRESS
from reconciler.sandbox.neon import Neon
from reconciler.sandbox.postgres.clusters import PostgresStorage
from reconciler.sandbox.storage import Storage

PROJECT_ID = "aged-wildflower-123456"
PROJECT_NAME = "961tech"
DATABASE = "tech961"
ROLE = "app"

_SCHEMA = """
set role app;
create table "Listing" (
    id int generated always as identity primary key,
    title text not null,
    price_cents int not null,
    created_at timestamptz default now()
);
create table "Click" (
    id bigint generated always as identity primary key,
    listing_id int,
    clicked_at timestamptz default now()
);
insert into "Listing" (title, price_cents) values
    ('Mechanical keyboard', 12900), ('USB-C dock', 18900), ('27 inch monitor', 31900),
    ('Noise-cancelling headphones', 24900), ('Laptop stand', 4900);
insert into "Click" (listing_id) select 1 + n % 5 from generate_series(1, 12) as n;
"""


async def seed(neon: Neon, cloudflare: Cloudflare, storage: Storage) -> None:
    """Make the example, with rows if there is PostgreSQL. Raises RuntimeError if the project cannot be made."""
    project, branch, endpoint = await neon.projects.seed(PROJECT_ID, PROJECT_NAME, ROLE, DATABASE)
    if branch.cluster is None:
        raise RuntimeError(f"the project {project.id} has no data")
    if isinstance(storage, PostgresStorage):
        connection = await storage.connect(branch.cluster, DATABASE)
        async with connection:
            await connection.execute(_SCHEMA)
    password = branch.roles[ROLE].password or ""
    cloudflare.seed_example(ADDRESS, endpoint.port, DATABASE, ROLE, password)
