"""How bytes come in: `streams` are lines to a cart, `folders` are where a cart drops its files."""

from gateway.transport.folders import Arrival, Folder, FolderSettings, watch_folder
from gateway.transport.streams import Stream, StreamSettings, open_stream

__all__ = [
    "Arrival",
    "Folder",
    "FolderSettings",
    "Stream",
    "StreamSettings",
    "open_stream",
    "watch_folder",
]
