from concurrent.futures import Executor

import uvicorn

from services.embedded.engine import Engine
from services.embedded.query_admission import Admission


def uvicorn_config(engine: Engine, admission: Admission, threads: Executor, port: int) -> uvicorn.Config:
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"Ok.\n"})

    return uvicorn.Config(app, host="127.0.0.1", port=port, lifespan="off", log_config=None, access_log=False, server_header=False)
