"""The account of the key, which clients read before projects."""

from aiohttp import web

from reconciler.sandbox.neon.rendering import OWNER_ID

USER_ID = "6a1f0c52-7f0e-4c1e-9c57-0d2f4d5b8c11"
_CREATED = "2026-01-01T00:00:00Z"
_REGION = {
    "region_id": "aws-eu-central-1",
    "name": "AWS Europe Central 1 (Frankfurt)",
    "default": True,
    "geo_lat": "",
    "geo_long": "",
}


async def auth(_request: web.Request) -> web.Response:
    """Return the kind of the key."""
    return web.json_response({"account_id": OWNER_ID, "auth_method": "api_key_org", "auth_data": "sandbox"})


async def user(_request: web.Request) -> web.Response:
    """Return the user."""
    return web.json_response(
        {
            "active_seconds_limit": 0,
            "id": USER_ID,
            "login": "sandbox",
            "email": "owner@sandbox.example",
            "name": "Sandbox",
            "last_name": "",
            "image": "",
            "projects_limit": 100,
            "branches_limit": 5000,
            "max_autoscaling_limit": 10,
            "plan": "launch_v3",
            "auth_accounts": [],
        }
    )


async def organizations(_request: web.Request) -> web.Response:
    """List the one organization."""
    found = {
        "id": OWNER_ID,
        "name": "Sandbox",
        "handle": "sandbox",
        "plan": "launch_v3",
        "managed_by": "console",
        "created_at": _CREATED,
        "updated_at": _CREATED,
    }
    return web.json_response({"organizations": [found]})


async def regions(_request: web.Request) -> web.Response:
    """List the one region."""
    return web.json_response({"regions": [_REGION]})


def routes() -> list[web.RouteDef]:
    """Return the routes."""
    return [
        web.get("/api/v2/auth", auth),
        web.get("/api/v2/users/me", user),
        web.get("/api/v2/users/me/organizations", organizations),
        web.get("/api/v2/regions", regions),
    ]
