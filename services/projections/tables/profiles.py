"""Customers' latest snapshots as they were published, whole, for whoever looks one up."""

from services.projections.messages import Profile
from services.projections.table import Row, Table

TABLE = Table("profiles", ("customer", "sequence", "profile"))


def to_rows(profile: Profile, published: bytes) -> list[Row]:
    return [(profile.customer_id, profile.sequence, published)]
