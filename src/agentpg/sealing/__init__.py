"""Values that only holders of a key can read: `keys.py` has the keys, `tokens.py` the form of a
sealed value, `rules.py` what is sealed, `sealer.py` all three together.

The keys are outside the database: in a file or in the environment. Nothing here writes them to a
log, an error or a row.
"""

from agentpg.sealing.keys import (
    Keyring,
    SealingKey,
    create_key_file,
    new_key,
    read_key_file,
    read_keys,
    replace_key_file,
)
from agentpg.sealing.rules import SealRules, read_rules
from agentpg.sealing.sealer import Sealer, keyring_of, open_in_task, sealer_of
from agentpg.sealing.tokens import (
    MARK,
    Place,
    is_sealed_json,
    is_sealed_text,
    key_of_token,
    kind_of_token,
    open_token,
    seal_text,
    token_in,
)

__all__ = [
    "MARK",
    "Keyring",
    "Place",
    "SealRules",
    "Sealer",
    "SealingKey",
    "create_key_file",
    "is_sealed_json",
    "is_sealed_text",
    "key_of_token",
    "keyring_of",
    "kind_of_token",
    "new_key",
    "open_in_task",
    "open_token",
    "read_key_file",
    "read_keys",
    "read_rules",
    "replace_key_file",
    "seal_text",
    "sealer_of",
    "token_in",
]
