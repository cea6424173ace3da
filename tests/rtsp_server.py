"""An RTSP test camera on loopback, by GStreamer. Run with the system's Python, which has `gi`.

It prints `ready PORT` and then obeys commands on standard input, answering `done`:

    freeze          packets stop, the connection stays
    still           the same picture again and again
    pattern NAME    another test picture, e.g. snow
    size W H        another picture size in mid-stream
    loss P          each encoded frame is lost with probability P

Debian packages: gir1.2-gst-rtsp-server-1.0 python3-gi python3-gst-1.0
gstreamer1.0-plugins-{base,good,bad,ugly} gstreamer1.0-libav
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable
from typing import Any

import gi  # type: ignore[import-not-found]

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # type: ignore[import-not-found]  # noqa: E402

CAPS = "video/x-raw,format=I420,width={width},height={height},framerate={fps}/1"
STILL_PATTERN = "black"
ENCODERS = {
    "h264": (
        "x264enc tune=zerolatency speed-preset=ultrafast key-int-max={fps} bitrate=1500 "
        "! identity name=encoded ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=1"
    ),
    "mjpeg": "jpegenc ! identity name=encoded ! rtpjpegpay name=pay0 pt=26",
}


class Camera:
    """One shared stream at `/cam`."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._fps = arguments.fps
        self._medias: list[Any] = []
        self._commands: dict[str, Callable[..., None]] = {
            "freeze": self._freeze,
            "still": self._still,
            "pattern": self._pattern,
            "size": self._size,
            "loss": self._loss,
        }
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_shared(True)
        factory.set_launch(_launch(arguments))
        factory.connect("media-configure", lambda _, media: self._medias.append(media))
        self._server = GstRtspServer.RTSPServer()
        self._server.set_address("127.0.0.1")
        self._server.set_service(str(arguments.port))
        if arguments.user:
            _require_password(self._server, factory, arguments)
        self._server.get_mount_points().add_factory("/cam", factory)

    def start(self) -> int:
        """Listen; the port."""
        if not self._server.attach(None):
            raise SystemExit("cannot listen: is the port taken?")
        return int(self._server.get_bound_port())

    def obey(self, line: str) -> None:
        """Carry out one command on every stream that plays."""
        name, *values = line.split()
        for media in self._medias:
            self._commands[name](media.get_element(), *values)

    def _freeze(self, pipeline: Any) -> None:
        _drop_at(pipeline, lambda: True)

    def _still(self, pipeline: Any) -> None:
        self._pattern(pipeline, STILL_PATTERN)

    def _pattern(self, pipeline: Any, name: str) -> None:
        pipeline.get_by_name("picture").set_property("pattern", name)

    def _size(self, pipeline: Any, width: str, height: str) -> None:
        caps = Gst.Caps.from_string(CAPS.format(width=width, height=height, fps=self._fps))
        pipeline.get_by_name("caps").set_property("caps", caps)

    def _loss(self, pipeline: Any, probability: str) -> None:
        limit = float(probability)
        _drop_at(pipeline, lambda: random.random() < limit)


def _drop_at(pipeline: Any, lost: Callable[[], bool]) -> None:
    pad = pipeline.get_by_name("encoded").get_static_pad("src")
    drop, keep = Gst.PadProbeReturn.DROP, Gst.PadProbeReturn.OK
    pad.add_probe(Gst.PadProbeType.BUFFER, lambda _pad, _info: drop if lost() else keep)


def _launch(arguments: argparse.Namespace) -> str:
    caps = CAPS.format(width=arguments.width, height=arguments.height, fps=arguments.fps)
    return (
        f"( videotestsrc name=picture is-live=true pattern={arguments.pattern} "
        f"! capsfilter name=caps caps={caps} "
        f"! {ENCODERS[arguments.codec].format(fps=arguments.fps)} )"
    )


def _require_password(server: Any, factory: Any, arguments: argparse.Namespace) -> None:
    auth, token = GstRtspServer.RTSPAuth(), GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    basic = GstRtspServer.RTSPAuth.make_basic(arguments.user, arguments.password)
    auth.add_basic(basic, token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_role("user")
    for right in ("access", "construct"):
        permissions.add_permission_for_role("user", f"media.factory.{right}", True)
    factory.set_permissions(permissions)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--user")
    parser.add_argument("--password")
    parser.add_argument("--width", type=int, default=320)
    parser.add_argument("--height", type=int, default=240)
    parser.add_argument("--fps", type=int, default=25)
    parser.add_argument("--pattern", default="ball")
    parser.add_argument("--codec", choices=sorted(ENCODERS), default="h264")
    Gst.init(None)
    camera = Camera(parser.parse_args())
    loop = GLib.MainLoop()

    def on_input(channel: Any, condition: Any) -> bool:
        line = sys.stdin.readline()
        if not line:
            loop.quit()
            return False
        camera.obey(line)
        print("done", flush=True)
        return True

    GLib.io_add_watch(0, GLib.PRIORITY_DEFAULT, GLib.IO_IN | GLib.IO_HUP, on_input)
    print(f"ready {camera.start()}", flush=True)
    loop.run()


if __name__ == "__main__":
    main()
