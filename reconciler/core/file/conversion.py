"""From the validated models of a desired-state file to `Desired`."""

from reconciler.core.file import declared as child_file
from reconciler.core.file import hyperdrive as hyperdrive_file
from reconciler.core.file import restore as restore_file
from reconciler.core.file.drill import drill_settings
from reconciler.core.file.model import (
    FileModel,
    HttpGateModel,
    OutsideModel,
    PrimaryModel,
    VerifyModel,
)
from reconciler.core.file.value_types import span, suspension
from reconciler.core.model.compute import ComputeSettings
from reconciler.core.model.desired import (
    FOREVER,
    DeployDriver,
    Desired,
    HttpGate,
    Method,
    OnFailure,
    Outside,
    Primary,
    SqlGate,
    Verify,
    Waivable,
    Waiver,
    Worker,
    WriteBack,
)
from reconciler.core.values.duration import parse_duration


def to_desired(environment: str, model: FileModel) -> Desired:
    """Convert the model of an environment's file."""
    given = model.hyperdrive
    return Desired(
        environment=environment,
        primary=_primary(model.primary),
        hyperdrive=hyperdrive_file.hyperdrive(given.name, given.database, given.role, given) if given else None,
        workers=tuple(
            Worker(each.config, each.binding, each.environment, DeployDriver(each.deploy)) for each in model.worker
        ),
        verify=_verify(model.verify, model),
        outside=tuple(_outside(each) for each in model.outside),
        write_back=WriteBack(model.write_back),
        waivers=tuple(Waiver(Waivable(each.guard), each.reason) for each in (*model.waive, *model.lift)),
        notices=('"lift" is now called "waive": rename the key in the file',) if model.lift else (),
        branches=None if model.branches is None else tuple(child_file.child(each) for each in model.branches),
        drill=drill_settings(model.drill),
    )


def _primary(model: PrimaryModel) -> Primary:
    asked = None if model.restore is None else restore_file.restore(model.restore)
    compute, history = model.compute, model.history_retention
    suspend = None if compute.suspend is None else suspension(compute.suspend)
    return Primary(
        project=model.project,
        branch=model.branch,
        restore=asked,
        method=Method(model.method),
        hold=span(model.hold),
        fence=model.fence,
        expire_on_neon=model.expire_on_neon,
        unprotect_held=model.unprotect_held,
        history_retention=None if history is None else span(history),
        protected=model.protected,
        compute=ComputeSettings(compute.min, compute.max, suspend),
        default=model.default,
    )


def _outside(model: OutsideModel) -> Outside:
    if model.retention is None:
        return Outside(model.name, None, model.recovery)
    return Outside(model.name, span(model.retention) or FOREVER, model.recovery)


def _verify(verify: VerifyModel, model: FileModel) -> Verify:
    hyperdrive = model.hyperdrive
    return Verify(
        sql=tuple(SqlGate(each.name, each.query, each.expect) for each in verify.sql),
        http=tuple(_http_gate(each) for each in verify.http),
        database=verify.database or (hyperdrive.database if hyperdrive else ""),
        role=verify.role or (hyperdrive.role if hyperdrive else ""),
        on_failure=OnFailure(verify.on_failure),
    )


def _http_gate(model: HttpGateModel) -> HttpGate:
    return HttpGate(
        name=model.name,
        url=model.url,
        status=model.status,
        contains=model.contains,
        json=tuple(model.json_.items()),
        within=None if model.within is None else parse_duration(model.within),
        patience=parse_duration(model.for_),
    )
