"""H.264 with sound, by PyAV; tests/test_images.py has what all videos share."""

import functools
import http.server
import shutil
import threading
from fractions import Fraction

import numpy as np
import pytest
from conftest import BROWSERS

from data_reader import _h264
from data_reader.video import VideoReader, VideoWriter, lacking
from paddle_gans.infer import main
from paddle_gans.inference import files

av = pytest.importorskip("av", reason="PyAV is in the extra `video`")
FPS, SECONDS = Fraction(30000, 1001), 2.0


def save_clip(path, sound="aac", seconds=SECONDS):
    """A moving square and a tone."""
    with av.open(str(path), "w") as output:
        picture = output.add_stream("libx264", rate=FPS)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        tone = output.add_stream(sound, rate=44100) if sound else None
        for i in range(round(seconds * FPS)):
            rgb = np.full((48, 64, 3), (20, 60, 160), np.uint8)
            rgb[10:30, i % 40 : i % 40 + 20] = (230, 200, 40)
            output.mux(picture.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        output.mux(picture.encode(None))
        if tone:
            wave = np.sin(np.arange(round(seconds * 44100)) * (2 * np.pi * 440 / 44100))
            frame = av.AudioFrame.from_ndarray((wave * 12000).astype("int16")[None], layout="mono")
            frame.sample_rate = 44100
            output.mux(tone.encode(frame))
            output.mux(tone.encode(None))
    return path


def translated(source, target):
    job = files.Job(source, target)
    return files.translate_video(lambda rgb: 255 - rgb, job, lambda done, of: None)


def streams(path):
    with av.open(str(path)) as file:
        return {
            stream.type: (
                stream.codec_context.name,
                sum(packet.duration * packet.time_base for packet in file.demux(stream)
                    if packet.pts is not None),
            )
            for stream in list(file.streams)
            if not file.seek(0)
        }  # fmt: skip


@pytest.mark.parametrize("suffix", sorted(_h264.SUFFIXES))
@pytest.mark.parametrize(("sound", "kept"), [("aac", "aac"), ("libmp3lame", "aac"),
                                             ("pcm_s16le", "aac"), (None, None)])  # fmt: skip
def test_rate_frames_and_sound_are_those_of_the_source(tmp_path, suffix, sound, kept):
    source = save_clip(tmp_path / "in.mkv", sound)
    target = tmp_path / f"out{suffix}"
    assert translated(source, target) == (60, 60)  # OpenCV's estimate for the .mkv is up to 62
    with VideoReader(source) as before, VideoReader(target) as after:
        assert after.fps == pytest.approx(before.fps, abs=0.01)
        for old, new in zip(before, after, strict=True):
            assert np.abs(255 - old.astype(int) - new).mean() < 6
    found = streams(target)
    assert found["video"][0] == "h264"
    assert found["video"][1] == pytest.approx(SECONDS, abs=0.05)
    if kept is None:
        assert "audio" not in found
    else:
        assert found["audio"][0] == kept
        assert found["audio"][1] == pytest.approx(SECONDS, abs=0.1)


def test_damaged_sound_does_not_end_the_video(tmp_path, monkeypatch):
    source = save_clip(tmp_path / "in.mp4")
    monkeypatch.setattr(_h264.Path, "resolve", lambda path: path.with_name("gone.mp4"))
    with pytest.warns(UserWarning, match=r"the sound of .*in\.mp4 cannot be copied"):
        encoder = _h264.H264Writer(str(tmp_path / "out.mp4"), 25, (64, 48), source)
    encoder.write(np.zeros((48, 64, 3), np.uint8))
    encoder.release()
    assert set(streams(tmp_path / "out.mp4")) == {"video"}


def test_without_pyav_a_sentence_says_what_is_missing(tmp_path, monkeypatch, capsys):
    source = save_clip(tmp_path / "in.mp4")
    monkeypatch.setattr(_h264, "av", None)
    assert main(["--weights", "pix2pix_demo", "--input", str(source),
                 "--output", str(tmp_path / "out.mp4")]) == 0  # fmt: skip
    assert "60 frames (MPEG-4, which browsers do not play, and no sound: pip install av" in (
        capsys.readouterr().out
    )
    assert set(streams(tmp_path / "out.mp4")) == {"video"}
    assert lacking(tmp_path / "out.avi") == ""


def test_a_browser_plays_it_to_its_end(tmp_path):
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip(f"there is no browser: none of {', '.join(BROWSERS)}")
    translated(save_clip(tmp_path / "in.mkv"), tmp_path / "out.mp4")
    (tmp_path / "index.html").write_text("<video src='out.mp4' muted></video>")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    play = """() => new Promise((done, fail) => {
        const video = document.querySelector('video');
        video.onended = () => done([video.currentTime, video.videoWidth, video.videoHeight]);
        video.onerror = () => fail(video.error.message);
        video.play().catch(fail);
    })"""
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/index.html")
        seconds, *size = page.evaluate(play)
        browser.close()
    server.shutdown()
    assert seconds == pytest.approx(SECONDS, abs=0.1)
    assert size == [64, 48]


def test_writing_frames_by_hand(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", 12.5, (63, 47)) as writer:
        for i in range(5):
            writer.write(np.full((47, 63, 3), 50 * i, np.uint8))
    assert streams(tmp_path / "a.mp4")["video"] == ("h264", pytest.approx(0.4))
    with VideoReader(tmp_path / "a.mp4") as reader:
        assert (reader.size, reader.fps) == ((64, 48), 12.5)
