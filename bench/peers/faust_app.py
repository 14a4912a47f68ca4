"""The simple job on plain faust-streaming: an agent with two tables in RocksDB, each with a changelog topic; at least once.

python faust_app.py BOOTSTRAP INPUT OUTPUT FOLDER
"""

import sys
from typing import Any

import faust
import simple_job


def app_of(bootstrap: str, source: str, target: str, folder: str) -> faust.App:
    app = faust.App(
        target, broker=f"kafka://{bootstrap}", store="rocksdb://", datadir=folder, topic_partitions=4, web_enabled=False,
        value_serializer="json", key_serializer="raw", topic_replication_factor=1,
    )  # fmt: skip
    touchpoints, published = app.topic(source), app.topic(target)
    seen, profiles = app.Table("seen", default=bool, key_type=str), app.Table("profiles", default=simple_job.new_profile, key_type=str)

    @app.agent(touchpoints)
    async def take_in(stream: Any) -> None:
        async for key, touchpoint in stream.items():
            simple_job.tell_begun()
            if touchpoint["event_id"] in seen:
                continue
            seen[touchpoint["event_id"]] = True
            customer = key.decode()
            profile = profiles[customer]
            answer = simple_job.apply(profile, touchpoint)
            profiles[customer] = profile
            await published.send(key=key, value=answer)

    return app


if __name__ == "__main__":
    faust.Worker(app_of(*sys.argv[1:]), loglevel="WARNING").execute_from_commandline()
