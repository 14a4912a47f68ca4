from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.partitions import murmur2


@given(st.binary(max_size=60), st.integers(1, 50))
def test_a_key_goes_where_kafkas_own_clients_send_it(key: bytes, partitions: int) -> None:
    assert murmur2(key) % partitions == DefaultPartitioner()(key, list(range(partitions)), [])
