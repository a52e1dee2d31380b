"""The faults, one file each."""

from tests.chaos.faults.cut_network import CUT_NETWORK
from tests.chaos.faults.dead_link import DEAD_LINK
from tests.chaos.faults.full_disk import FULL_DISK
from tests.chaos.faults.jumping_clock import JUMPING_CLOCK
from tests.chaos.faults.killed_pooler import KILLED_POOLER
from tests.chaos.faults.killed_server import KILLED_SERVER
from tests.chaos.faults.killed_worker import KILLED_WORKER
from tests.chaos.faults.replaced_worker import REPLACED_WORKER
from tests.chaos.faults.restarted_server import RESTARTED_SERVER
from tests.chaos.faults.silent_network import SILENT_NETWORK
from tests.chaos.faults.slow_network import SLOW_NETWORK
from tests.chaos.faults.stopped_worker import STOPPED_WORKER

ALL = (
    KILLED_WORKER,
    STOPPED_WORKER,
    REPLACED_WORKER,
    *RESTARTED_SERVER,
    KILLED_SERVER,
    CUT_NETWORK,
    SLOW_NETWORK,
    SILENT_NETWORK,
    DEAD_LINK,
    FULL_DISK,
    JUMPING_CLOCK,
    KILLED_POOLER,
)
