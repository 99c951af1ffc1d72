"""What a Worker is bound to besides its Hyperdrive config, as far as it matters when the database goes back."""

from dataclasses import dataclass
from enum import Enum, auto


class BindingKind(Enum):
    """Kinds of bindings that hold data, have lasting effects, or point to something that does."""

    AGENT_MEMORY = auto()
    AI_SEARCH = auto()
    ANALYTICS_ENGINE = auto()
    ARTIFACTS = auto()
    D1 = auto()
    DISPATCH = auto()
    DURABLE_OBJECT = auto()
    DURABLE_OBJECT_SQLITE = auto()
    EMAIL = auto()
    FLAGS = auto()
    HYPERDRIVE = auto()
    IMAGES = auto()
    KV = auto()
    PIPELINE = auto()
    PRIVATE_NETWORK = auto()
    QUEUE = auto()
    R2 = auto()
    SECRET = auto()
    SERVICE = auto()
    STREAM = auto()
    TAIL = auto()
    UNKNOWN = auto()
    VECTORIZE = auto()
    WORKFLOW = auto()


@dataclass(frozen=True, slots=True)
class Binding:
    """A binding. `name` is what it points to (a bucket, a queue), `variable` what the code calls it."""

    kind: BindingKind
    name: str
    variable: str = ""
