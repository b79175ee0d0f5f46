"""A stand-in for a Qdrant server, for tests: the official protocol over the official local mode.

The gRPC classes are those that the official Python package generates from Qdrant's own .proto files, so the adapter's official Rust
client speaks to them as it would to a server. The answers come from that package's local mode (`QdrantClient(":memory:")`): Qdrant's
semantics in Python, searching exactly, keeping nothing on disk. It is not a Qdrant server: no HNSW graph, shards, replicas, write-ahead
log or optimizer, and not its speed. Only the calls that the adapter makes are there; any other answers UNIMPLEMENTED.

    python3 qdrant_local.py PORT LOG [API_KEY]

Writes one line per call to LOG: its name, and what a test asks about it. With API_KEY, calls without it are refused as Qdrant does.
"""

import os
import sys
import threading
from concurrent import futures

import grpc
from qdrant_client import QdrantClient
from qdrant_client import grpc as proto
from qdrant_client.conversions.conversion import GrpcToRest, RestToGrpc
from qdrant_client.grpc import collections_service_pb2_grpc, points_service_pb2_grpc, qdrant_pb2, qdrant_pb2_grpc
from qdrant_client.http import models

VERSION = "1.20.0"
# The server takes larger messages than gRPC's default of 4 MB.
MESSAGE_MAX_BYTES = 64 * 1024 * 1024


class State:
    """The local engine, which is not made for threads, and the log."""

    def __init__(self, log):
        self.engine = QdrantClient(":memory:")
        self.lock = threading.Lock()
        self.log = open(log, "a", buffering=1, encoding="utf-8")

    def said(self, *words):
        self.log.write(" ".join(str(word) for word in words) + "\n")

    def there(self, name, context):
        if not self.engine.collection_exists(name):
            context.abort(grpc.StatusCode.NOT_FOUND, f"Not found: Collection `{name}` doesn't exist!")


class Health(qdrant_pb2_grpc.QdrantServicer):
    def HealthCheck(self, request, context):
        return qdrant_pb2.HealthCheckReply(title="qdrant_local.py", version=VERSION)


class Collections(collections_service_pb2_grpc.CollectionsServicer):
    def __init__(self, state):
        self.state = state

    def Get(self, request, context):
        with self.state.lock:
            self.state.there(request.collection_name, context)
            info = self.state.engine.get_collection(request.collection_name)
            count = self.state.engine.count(request.collection_name).count
        vectors = RestToGrpc.convert_vectors_config(info.config.params.vectors)
        params = proto.CollectionParams(shard_number=1, vectors_config=vectors)
        config = proto.CollectionConfig(params=params)
        return proto.GetCollectionInfoResponse(
            result=proto.CollectionInfo(status=proto.CollectionStatus.Green, points_count=count, config=config)
        )

    def Create(self, request, context):
        vectors = GrpcToRest.convert_vectors_config(request.vectors_config)
        with self.state.lock:
            if self.state.engine.collection_exists(request.collection_name):
                context.abort(grpc.StatusCode.ALREADY_EXISTS, f"Collection `{request.collection_name}` already exists!")
            self.state.engine.create_collection(request.collection_name, vectors_config=vectors)
        self.state.said("create", request.collection_name)
        return proto.CollectionOperationResponse(result=True)


class Points(points_service_pb2_grpc.PointsServicer):
    def __init__(self, state):
        self.state = state

    def Upsert(self, request, context):
        points = [GrpcToRest.convert_point_struct(point) for point in request.points]
        with self.state.lock:
            self.state.there(request.collection_name, context)
            self.state.engine.upsert(request.collection_name, points=points)
        self.state.said("upsert", len(points))
        return done()

    def Delete(self, request, context):
        ids = [GrpcToRest.convert_point_id(id) for id in request.points.points.ids]
        with self.state.lock:
            self.state.there(request.collection_name, context)
            self.state.engine.delete(request.collection_name, points_selector=models.PointIdsList(points=ids))
        self.state.said("delete", *ids)
        return done()

    def Scroll(self, request, context):
        offset = GrpcToRest.convert_point_id(request.offset) if request.HasField("offset") else None
        with self.state.lock:
            self.state.there(request.collection_name, context)
            points, following = self.state.engine.scroll(
                request.collection_name, limit=request.limit, offset=offset, with_payload=True, with_vectors=False
            )
        result = [RestToGrpc.convert_record(point) for point in points]
        self.state.said("scroll", len(result))
        answer = proto.ScrollResponse(result=result)
        if following is not None:
            answer.next_page_offset.CopyFrom(RestToGrpc.convert_extended_point_id(following))
        return answer

    def QueryBatch(self, request, context):
        answers = []
        with self.state.lock:
            self.state.there(request.collection_name, context)
            for query in request.query_points:
                found = self.state.engine.query_points(
                    request.collection_name,
                    query=list(query.query.nearest.dense.data),
                    using=query.using,
                    limit=query.limit,
                    with_payload=query.with_payload.enable,
                    with_vectors=query.with_vectors.enable,
                )
                answers.append(proto.BatchResult(result=[RestToGrpc.convert_scored_point(point) for point in found.points]))
        self.state.said("query", *(f"{query.using}:{len(a.result)}" for query, a in zip(request.query_points, answers)))
        return proto.QueryBatchResponse(result=answers)


def done():
    return proto.PointsOperationResponse(result=proto.UpdateResult(operation_id=0, status=proto.UpdateStatus.Completed))


class Keys(grpc.ServerInterceptor):
    """Refuses calls without the key, as Qdrant's `service.api_key` does; the health check is open there too."""

    def __init__(self, key, state):
        self.key = key
        self.state = state

        def refuse(_, context):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "Must provide an API key or an Authorization bearer token")

        self.refusal = grpc.unary_unary_rpc_method_handler(refuse)

    def intercept_service(self, go_on, details):
        given = dict(details.invocation_metadata).get("api-key")
        is_open = details.method.endswith("/HealthCheck")
        if self.key and given != self.key and not is_open:
            self.state.said("refused", details.method)
            return self.refusal
        return go_on(details)


def main(port, log, key=""):
    state = State(log)
    options = [("grpc.max_receive_message_length", MESSAGE_MAX_BYTES), ("grpc.so_reuseport", 0)]
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4), interceptors=[Keys(key, state)], options=options)
    qdrant_pb2_grpc.add_QdrantServicer_to_server(Health(), server)
    collections_service_pb2_grpc.add_CollectionsServicer_to_server(Collections(state), server)
    points_service_pb2_grpc.add_PointsServicer_to_server(Points(state), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    state.said("listening", os.getpid())
    server.wait_for_termination()


if __name__ == "__main__":
    main(*sys.argv[1:])
