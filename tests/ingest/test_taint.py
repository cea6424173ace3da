"""Which frames are not to be trusted, and until when."""

from __future__ import annotations

from contract.image import Pixels
from ingest.picture import Picture
from ingest.taint import Taint


def picture(*, keyframe: bool = False, corrupt: bool = False, width_px: int = 640) -> Picture:
    def render(region: object, size_px: int) -> Pixels:
        raise AssertionError("taint does not look at pixels")

    return Picture(
        width_px=width_px, height_px=480, render=render, keyframe=keyframe, corrupt=corrupt
    )


def test_a_decode_error_taints_until_the_next_keyframe() -> None:
    taint = Taint(one_size=True)
    assert taint.judge(picture(keyframe=True)) is None
    taint.damaged()
    assert [taint.judge(picture()) for _ in range(3)] == ["decode_error"] * 3
    assert taint.judge(picture(keyframe=True)) is None
    assert taint.judge(picture()) is None


def test_a_corrupt_frame_taints_itself_and_its_followers() -> None:
    taint = Taint(one_size=True)
    assert taint.judge(picture(keyframe=True, corrupt=True)) == "corrupt"
    assert taint.judge(picture()) == "corrupt"
    assert taint.judge(picture(keyframe=True)) is None


def test_another_size_is_suspect_for_as_long_as_it_lasts() -> None:
    taint = Taint(one_size=True)
    taint.judge(picture(keyframe=True))
    assert taint.judge(picture(keyframe=True, width_px=320)) == "size_changed"
    taint.reopened()
    assert taint.judge(picture(keyframe=True, width_px=320)) == "size_changed"
    assert taint.judge(picture(keyframe=True)) is None


def test_images_of_a_folder_may_differ_in_size() -> None:
    taint = Taint(one_size=False)
    assert taint.judge(picture(keyframe=True)) is None
    assert taint.judge(picture(keyframe=True, width_px=320)) is None


def test_a_new_connection_forgets_old_damage() -> None:
    taint = Taint(one_size=True)
    taint.damaged()
    taint.reopened()
    assert taint.judge(picture()) is None
