"""The simple job on Quix Streams: state in RocksDB with a changelog topic; the guarantee is an argument, all else is its default.

python quix_streams.py BOOTSTRAP INPUT OUTPUT FOLDER at-least-once|exactly-once
"""

import sys
from typing import Any

import simple_job
from quixstreams import Application, State


def is_new(touchpoint: dict[str, Any], state: State) -> bool:
    simple_job.tell_begun()
    if state.exists(touchpoint["event_id"]):
        return False
    state.set(touchpoint["event_id"], True)
    return True


def take_in(touchpoint: dict[str, Any], state: State) -> simple_job.Published:
    profile = state.get("profile") or simple_job.new_profile()
    published = simple_job.apply(profile, touchpoint)
    state.set("profile", profile)
    return published


def main(bootstrap: str, source: str, target: str, folder: str, guarantee: Any) -> None:
    app = Application(bootstrap, consumer_group=target, auto_offset_reset="earliest", state_dir=folder, processing_guarantee=guarantee)
    touchpoints = app.dataframe(app.topic(source, key_deserializer="str"))
    new = touchpoints.filter(is_new, stateful=True)
    new.apply(take_in, stateful=True).to_topic(app.topic(target, key_serializer="str"))
    app.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
