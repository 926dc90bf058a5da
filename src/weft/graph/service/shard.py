"""The connection to one shard."""

from __future__ import annotations

import json
import re
import textwrap
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.flight as flight

from weft.core import InvariantError, UnavailableError, UserError
from weft.graph.service.message import Message, from_batch, to_batch
from weft.graph.service.processes import begin_use, check_use, is_inherited

Array = np.ndarray[Any, Any]
_ERRORS = {"UserError": UserError, "UnavailableError": UnavailableError, "InvariantError": InvariantError}
# What gRPC says, in a few hundred letters, and what it means.
_REASONS: Mapping[str, str] = {
    r"Connection refused": "the connection was refused",
    r"DNS resolution failed|Name or service not known|Domain name not found": "there is no such host",
    r"No route to host|Network is unreachable": "there is no way to the host",
    r"Connection reset|Broken pipe|Socket closed|Stream removed|Server shutdown": "the connection broke off",
    r"timed out|Timeout occurred": "the connection took too long",
    r"Failed parsing HTTP/2|settings frame|SSL|handshak": "what listens there is no server of a graph",
}


class ShardClient:
    """One shard, called with a timeout; it connects again by itself after a failure."""

    def __init__(self, location: str, timeout_s: float) -> None:
        self.location = location
        self.timeout_s = timeout_s
        self.graph = ""
        self._guard = threading.Lock()
        self._client: flight.FlightClient | None = None
        self._is_closed = False

    def ask(self, what: str, arrays: dict[str, Array] | None = None, **values: Any) -> Message:
        """Send a request and return the whole answer.

        Raises:
            UnavailableError: ``GRAPH080`` when the shard cannot be reached or went away, ``GRAPH081`` when it
                did not answer in time.
            UserError: What the shard refused; ``GRAPH088``, ``GRAPH089`` as `check` says.
        """
        return self.send(to_batch(Message({"what": what, "graph": self.graph, **values}, arrays or {})))

    def send(self, request: pa.RecordBatch) -> Message:
        """Send what `to_batch` wrote; see `ask`."""
        self.check()
        client = self._connected()
        try:
            return self._exchange(client, request)
        except flight.FlightTimedOutError as error:
            self._forget(client)
            raise UnavailableError(
                "GRAPH081",
                f"the shard at {self.location} did not answer within {self.timeout_s:g} s.",
                "try again, or allow more time with timeout_s.",
            ) from error
        except flight.FlightUnavailableError as error:
            raise self._lost(client, error) from error
        except flight.FlightError as error:
            raise self._refused(client, error) from error
        except OSError as error:  # the stream broke off in the middle of an answer
            raise self._lost(client, error) from error

    def close(self) -> None:
        """End the connection; nothing can be asked any more."""
        self._is_closed = True
        if not is_inherited():
            self._forget(self._client)

    def check(self) -> None:
        """Refuse to ask where no answer can come.

        Raises:
            UserError: ``GRAPH088`` in a process that was forked after the service was used, ``GRAPH089``
                when the client is closed.
        """
        check_use()
        if self._is_closed:
            raise UserError(
                "GRAPH089",
                f"the connection to {self.location} was closed.",
                "open another RemoteStore, or close this one later.",
            )

    def _exchange(self, client: flight.FlightClient, request: Any) -> Message:
        options = flight.FlightCallOptions(timeout=self.timeout_s)
        descriptor = flight.FlightDescriptor.for_command(b"weft graph")
        writer, reader = client.do_exchange(descriptor, options)
        with writer:
            writer.begin(request.schema)
            writer.write_batch(request)
            writer.done_writing()
            return from_batch(reader.read_chunk().data)

    def _connected(self) -> flight.FlightClient:
        with self._guard:
            if self._client is None:
                begin_use(self)
                self._client = flight.FlightClient(self.location)
            return self._client

    def _forget(self, client: flight.FlightClient | None) -> None:
        with self._guard:
            if client is not None and self._client is client:
                self._client = None

    def _lost(self, client: flight.FlightClient, error: Exception) -> UnavailableError:
        self._forget(client)
        return UnavailableError(
            "GRAPH080",
            f"the shard at {self.location} cannot be reached: {_in_words(str(error))}.",
            "start it again, or correct its address; the next call connects anew.",
        )

    def _refused(self, client: flight.FlightClient, error: flight.FlightError) -> Exception:
        try:
            told = json.loads(error.extra_info)
            return _ERRORS[told["kind"]](*told["args"])
        except (ValueError, KeyError, TypeError):
            return self._lost(client, error)


def _in_words(said: str) -> str:
    for sign, words in _REASONS.items():
        if re.search(sign, said, re.IGNORECASE):
            return words
    first = re.split(r"\. Detail:|[.;] gRPC|\n", said)[0].rstrip(". ")
    return textwrap.shorten(first, 120, placeholder=" …")
