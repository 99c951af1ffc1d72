"""Effects on wrangler.jsonc, and on the versions of Workers and what they serve."""

from typing import assert_never

from reconciler.core.model.desired import DeployDriver, Worker
from reconciler.core.model.observed import HyperdriveConfig, UploadedVersion
from reconciler.core.steps import worker as steps
from reconciler.engine.effects.base import Situation, effect_of
from reconciler.engine.effects.checks import every
from reconciler.errors import NotConverged
from reconciler.ports import Rebinding


@effect_of(steps.WriteBinding)
async def _write_binding(step: steps.WriteBinding, now: Situation) -> None:
    now.ports.tree.write(_declared(step, now), now.config(step.hyperdrive).id)


@effect_of(steps.UploadVersion)
async def _upload_version(step: steps.UploadVersion, now: Situation) -> None:
    seen, config = now.worker(step.script), now.config(step.hyperdrive)
    change = Rebinding(step.binding, config.id, step.label, now.ports.tree.commit())
    match step.driver:
        case DeployDriver.REBIND:
            serving = seen.serving
            assert serving is not None  # the guard has refused a Worker that was never deployed
            await now.ports.cloudflare.copy_version(step.script, serving.id, change)
        case DeployDriver.WRANGLER:
            await now.ports.uploader.upload(_declared(step, now), change)
        case _:
            assert_never(step.driver)


@effect_of(steps.StageVersion)
async def _stage_version(step: steps.StageVersion, now: Situation) -> None:
    serving = now.worker(step.script).serving
    assert serving is not None  # a guard has refused a Worker that was never deployed
    version = _uploaded(step, now).id
    await now.ports.cloudflare.deploy(step.script, [(version, 0), (serving.id, 100)], step.label)


@effect_of(steps.VerifyWorker)
async def _verify_worker(step: steps.VerifyWorker, now: Situation) -> None:
    config = now.config(step.hyperdrive)
    versions = {script: _staged(script, config, now) for script in step.scripts}
    await every(now.ports.gates.http(gate, versions) for gate in now.desired.verify.http)


@effect_of(steps.SwitchTraffic)
async def _switch_traffic(step: steps.SwitchTraffic, now: Situation) -> None:
    await now.ports.cloudflare.deploy(step.script, [(_uploaded(step, now).id, 100)], step.label)


@effect_of(steps.VerifyLive)
async def _verify_live(step: steps.VerifyLive, now: Situation) -> None:
    serving = {script: seen.id for script in step.scripts if (seen := now.worker(script).serving)}
    await every(now.ports.gates.http(gate, serving, staged=False) for gate in now.desired.verify.http)


def _declared(step: steps.WriteBinding | steps.UploadVersion, now: Situation) -> Worker:
    wanted = (step.config, step.environment)
    return next(each for each in now.desired.workers if (each.config, each.environment) == wanted)


def _staged(script: str, config: HyperdriveConfig, now: Situation) -> str:
    for version in now.worker(script).deployed:
        if version.hyperdrive_id == config.id and version.percentage == 0:
            return version.id
    raise NotConverged(f'Worker "{script}" has no staged version that is bound to {config.name}')


def _uploaded(step: steps.StageVersion | steps.SwitchTraffic, now: Situation) -> UploadedVersion:
    upload = now.worker(step.script).uploaded_as(step.label, now.config(step.hyperdrive).id)
    assert upload is not None  # the rules, judged again right now, deploy only what was uploaded
    return upload
