"""What the feature clients return, in parts: whose row it is, rows of one page, the page.

Field names are those of the Hatchet SDK.
"""

from dataclasses import dataclass
from datetime import datetime

from podhatch.api.model import ApiObject


@dataclass(frozen=True)
class Metadata:
    """Identity of an object.

    Attributes:
        id: Its name in the cluster, by which every method takes it.
        created_at: When it was created, in UTC.
        namespace: Where it is.
    """

    id: str
    created_at: datetime
    namespace: str


def metadata_of(stored: ApiObject) -> Metadata:
    """Return the identity of an object that the cluster holds."""
    meta = stored.metadata
    assert meta.creation_timestamp, "the API server gives every object one"
    return Metadata(meta.name, meta.creation_timestamp, meta.namespace)
