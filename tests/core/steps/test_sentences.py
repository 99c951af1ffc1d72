"""What each step says of itself, in one sentence."""

import json

import pytest

from reconciler.core.model.compute import ComputeSettings
from reconciler.core.model.desired import DeployDriver, OnFailure
from reconciler.core.model.hyperdrive import CACHING_OFF, NOTHING, Settings
from reconciler.core.steps import STEPS, arguments
from reconciler.core.values.lsn import Lsn
from reconciler.core.values.timeline import ORIGIN, Timeline
from tests.core.files import hours_ago

DAY = 86_400
AT = hours_ago(1)
CREATION = {
    "name": "c", "source": "main", "source_timeline": ORIGIN, "timeline": Timeline(AT), "environment": "production",
}  # fmt: skip
DECLARED = {"name": "a", "source": "main", "environment": "production", "reset": ""}
LOGIN = {"database": "shop", "role": "app"}
VERSION = {"script": "api", "hyperdrive": "h", "label": "r-x"}
BINDING = {"config": "wrangler.jsonc", "binding": "DB", "hyperdrive": "h"}
REQUESTS = {"scripts": ("api", "web"), "gates": ("health", "cart"), "hyperdrive": "h"}

# wire name, fields, target, sentence
SENTENCES = [
    ("CreateBranch", CREATION | {"at": AT}, "c", f'create branch "c" from "main" at {AT}'),
    ("CreateBranch", CREATION | {"at": Lsn(255)}, "c", f'create branch "c" from "main" at LSN {Lsn(255)}'),
    (
        "CreateBranch",
        CREATION | {"at": None, "compute": ComputeSettings(1, 2)},
        "c",
        'create branch "c" from "main" as it is, with a compute of 1 to 2 CU',
    ),
    ("AwaitBranch", {"branch": "c"}, "c", 'wait for branch "c"'),
    ("AddCompute", {"branch": "c"}, "c", 'add a compute to branch "c"'),
    (
        "AddCompute",
        {"branch": "c", "compute": ComputeSettings(1, 2)},
        "c",
        'add a compute to branch "c": 1 to 2 CU',
    ),
    (
        "SetCompute",
        {"branch": "c", "compute": ComputeSettings(1, 2)},
        "c",
        'set the compute of branch "c": 1 to 2 CU',
    ),
    (
        "SetHistory",
        {"project": "p", "former": 0, "seconds": 7 * DAY},
        "p",
        "set the history of project p from none to 7 d",
    ),
    ("ClearExpiry", {"branch": "c"}, "c", 'remove the expiry of branch "c"'),
    (
        "ExpireHeld",
        {"branch": "h", "seconds": 14 * DAY},
        "h",
        'make Neon delete branch "h" 14 d later, if no apply has deleted it by then',
    ),
    (
        "VerifyBranch",
        {"branch": "c", "gates": ("rows",), "tables_at": AT},
        "c",
        'verify branch "c": identity, login, tables, rows',
    ),
    (
        "FenceBranch",
        {"branch": "c", "database": "shop", "served": True},
        "c",
        'fence branch "c": database shop is read-only from here on',
    ),
    (
        "LiftFence",
        {"branch": "c", "database": "shop"},
        "c",
        'remove the fence of branch "c": database shop takes writes',
    ),
    ("RenameBranch", {"branch": "c", "to": "main"}, "c", 'rename branch "c" to "main"'),
    ("SetDefaultBranch", {"branch": "c"}, "c", 'make "c" the default branch'),
    ("ProtectBranch", {"branch": "c"}, "c", 'protect branch "c"'),
    ("UnprotectBranch", {"branch": "c", "for_good": True}, "c", 'unprotect branch "c"'),
    ("UnprotectBranch", {"branch": "c"}, "c", 'unprotect branch "c" while it is restored'),
    (
        "UnprotectBranch",
        {"branch": "c", "noted_on": "d"},
        "c",
        'unprotect branch "c" while it is restored; the name of the compute of "d" records that',
    ),
    (
        "RestoreBranch",
        {"branch": "main", "source": "s", "proved_on": "c", "timeline": Timeline(AT), "keep_as": "k"},
        "main",
        'restore branch "main" in place to the point of "c" in "s", and keep what it holds as "k"',
    ),
    ("DeleteBranch", {"branch": "c"}, "c", 'delete branch "c"'),
    (
        "DeleteBranch",
        {"branch": "c", "unprotects": True},
        "c",
        'unprotect branch "c", and delete it',
    ),
    (
        "CreateChild",
        DECLARED | {"schema_only": True, "compute": True},
        "a",
        'create branch "a" from the schema of "main" as it is',
    ),
    (
        "CreateChild",
        DECLARED | {"schema_only": False, "compute": False},
        "a",
        'create branch "a" from "main" as it is, without a compute',
    ),
    (
        "ResetChild",
        {"branch": "a", "source": "main", "keep_as": "k"},
        "a",
        'reset branch "a" to "main" as it is, and keep what it holds as "k"',
    ),
    (
        "ExpireChild",
        {"branch": "a", "seconds": 7 * DAY, "at": None},
        "a",
        'make branch "a" expire 7 d after it was created or reset',
    ),
    ("ExpireChild", {"branch": "a", "seconds": None, "at": AT}, "a", f'make branch "a" expire at {AT}'),
    ("ProtectChild", {"branch": "a", "protected": True}, "a", 'protect branch "a"'),
    ("ProtectChild", {"branch": "a", "protected": False}, "a", 'unprotect branch "a"'),
    (
        "CreateDatabase",
        {"branch": "a", "database": "shop", "owner": "app"},
        "a",
        'create database shop on branch "a", owned by app',
    ),
    ("DeleteChild", {"branch": "a"}, "a", 'delete branch "a"'),
    (
        "CreateHyperdrive",
        LOGIN | {"name": "h", "branch": "c", "settings": NOTHING},
        "h",
        'create Hyperdrive config "h" for database shop as role app on "c"',
    ),
    (
        "CreateHyperdrive",
        LOGIN | {"name": "h", "branch": "c", "settings": Settings(CACHING_OFF)},
        "h",
        'create Hyperdrive config "h" for database shop as role app on "c" (caching off)',
    ),
    ("RestartPool", {"hyperdrive": "h"}, "h", 'restart the connection pool of Hyperdrive config "h"'),
    (
        "RepointHyperdrive",
        LOGIN | {"hyperdrive": "h", "leaves": "main", "branch": "c"},
        "h",
        'repoint Hyperdrive config "h" from "main" to "c", database shop as role app',
    ),
    (
        "AwaitCache",
        {"hyperdrive": "h", "seconds": 75},
        "h",
        'wait 75 s for older answers in the query cache of "h" to expire',
    ),
    (
        "UpdateHyperdrive",
        {"hyperdrive": "h", "settings": Settings(connection_limit=20)},
        "h",
        'update Hyperdrive config "h": connection limit 20',
    ),
    (
        "RenewPassword",
        LOGIN | {"hyperdrive": "h", "branch": "c"},
        "h",
        'give Hyperdrive config "h" the password that role app has now',
    ),
    (
        "DeleteHyperdrive",
        {"name": "h", "branch": "c"},
        "h",
        'delete Hyperdrive config "h", which points to "c"',
    ),
    (
        "DeleteHyperdrive",
        {"name": "h", "branch": ""},
        "h",
        'delete Hyperdrive config "h", which points to no branch',
    ),
    (
        "WriteBinding",
        BINDING | {"environment": None},
        "wrangler.jsonc",
        'write the id of "h" into wrangler.jsonc, binding DB',
    ),
    (
        "WriteBinding",
        BINDING | {"environment": "staging"},
        "wrangler.jsonc",
        'write the id of "h" into wrangler.jsonc (env.staging), binding DB',
    ),
    (
        "UploadVersion",
        VERSION | BINDING | {"environment": None, "driver": DeployDriver.REBIND},
        "api",
        'upload Worker "api" bound to "h" (rebind), without traffic',
    ),
    ("StageVersion", VERSION, "api", 'stage Worker "api" bound to "h" at 0 %'),
    ("VerifyWorker", REQUESTS, "api, web", "verify api, web at 0 %: health, cart"),
    ("SwitchTraffic", VERSION, "api", 'switch Worker "api" to "h", 100 %'),
    (
        "VerifyLive",
        REQUESTS | {"on_failure": OnFailure.ROLLBACK},
        "api, web",
        "verify api, web as users reach it: health, cart; if it fails, roll back",
    ),
    (
        "VerifyLive",
        REQUESTS | {"on_failure": OnFailure.HOLD},
        "api, web",
        "verify api, web as users reach it: health, cart; if it fails, stop there and wait",
    ),
]


def test_every_step_is_in_the_table():
    assert set(STEPS) == {name for name, *_ in SENTENCES}, "add the sentence of a new step to SENTENCES"


@pytest.mark.parametrize(
    ("name", "values", "target", "sentence"), SENTENCES, ids=[sentence for *_, sentence in SENTENCES]
)
def test_a_step_describes_itself(name, values, target, sentence):
    step = STEPS[name](**values, reason="")
    assert (target, sentence) == (step.target, step.describe())
    assert arguments(step) == json.loads(json.dumps(arguments(step)))


# What other code asks a step for, and which steps answer with anything.
ANSWERS = [
    ("switches", {"RepointHyperdrive": "h", "SwitchTraffic": "api"}, ""),
    ("writes_file", {"WriteBinding": "wrangler.jsonc"}, ""),
    (
        "checks",
        {
            "VerifyBranch": ("identity", "login", "tables", "rows"),
            "VerifyWorker": ("health", "cart"),
            "VerifyLive": ("health", "cart"),
        },
        (),
    ),
]


@pytest.mark.parametrize(("asked", "answers", "nothing"), ANSWERS, ids=[each[0] for each in ANSWERS])
def test_a_step_answers_for_itself(asked, answers, nothing):
    for name, values, *_ in SENTENCES:
        assert answers.get(name, nothing) == getattr(STEPS[name](**values, reason=""), asked)
