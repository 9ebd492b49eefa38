"""The sound of video files: the same samples as from a sound file, any part as a slice of the whole."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from uat_lightning.data.audio import READABLE, AudioError, open_sound, read_audio, write_audio
from uat_lightning.data.audio import container as room

av = pytest.importorskip("av", reason="reading video files needs PyAV: pip install 'uat-lightning[video]'")
RATE = 48_000
FRAGMENTED = {"movflags": "frag_keyframe+empty_moov", "frag_duration": "500000"}


def music(seconds: float = 3.0, channels: int = 2) -> np.ndarray:
    rng = np.random.default_rng(0)
    swell = np.linspace(0.1, 1.0, round(seconds * RATE))
    tones = 0.3 * np.sin(2 * np.pi * 440 * np.arange(len(swell)) / RATE)
    return ((tones + rng.normal(0, 0.1, (channels, len(swell)))) * swell).astype(np.float32)


def muxed(
    file: Path, samples: np.ndarray, codec: str, options: dict[str, str] | None = None, picture: float = 0.0
) -> Path:
    """Write a file with one sound track and, where asked for, so many seconds of black picture."""
    layout = {1: "mono", 2: "stereo"}[len(samples)]
    own = {"aac_pns": "0"} if codec == "aac" else {}  # a decoder makes up substituted noise anew after each seek
    with av.open(str(file), "w", options=options or {}) as container:
        track = container.add_stream(codec, rate=RATE, layout=layout, options=own)
        if picture:
            film = container.add_stream("mpeg4", rate=10, width=32, height=32, pix_fmt="yuv420p")
            for _ in range(round(10 * picture)):
                container.mux(film.encode(av.VideoFrame(32, 32, "yuv420p")))
            container.mux(film.encode(None))
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=layout)
        frame.sample_rate, frame.pts = RATE, 0
        convert = av.AudioResampler(format=track.codec_context.format, layout=layout, rate=RATE)
        for piece in (*convert.resample(frame), *convert.resample(None)):
            container.mux(track.encode(piece))
        container.mux(track.encode(None))
    return file


KINDS = {
    "aac.m4a": ("aac", None, 0.0),
    "film.mp4": ("aac", None, 4.0),
    "fragments.m4a": ("aac", FRAGMENTED, 0.0),
    "lossless.m4a": ("alac", None, 0.0),
    "samples.mov": ("pcm_s16le", None, 0.0),
    "opus.webm": ("libopus", None, 0.0),
    "film.mkv": ("flac", None, 4.0),
    "mp3.mka": ("libmp3lame", None, 0.0),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("containers")
    return {name: muxed(folder / name, music(), *how) for name, how in KINDS.items()}


@pytest.mark.parametrize("name", ["film.mkv", "lossless.m4a", "samples.mov"])
def test_lossless_tracks_hold_the_samples_that_a_sound_file_holds(files, tmp_path, name):
    soundfile.write(tmp_path / "a.wav", music().T, RATE, subtype="FLOAT" if name == "lossless.m4a" else "PCM_16")
    expected = read_audio(tmp_path / "a.wav", RATE, 2)
    heard = read_audio(files[name], RATE, 2)
    assert heard.shape == expected.shape and heard.dtype == np.float32 and heard.flags.c_contiguous
    assert np.abs(heard - expected).max() <= 1 / 32768  # the encoders round half a step differently


def test_flac_in_matroska_equals_flac_bit_by_bit(tmp_path):
    write_audio(tmp_path / "a.flac", music(), RATE)
    stored = soundfile.read(tmp_path / "a.flac", dtype="float32")[0].T
    heard = read_audio(muxed(tmp_path / "a.mkv", stored, "flac"), RATE, 2)
    assert np.array_equal(heard, stored)


@pytest.mark.parametrize("name", ["aac.m4a", "film.mp4", "opus.webm"])  # FFmpeg before 8 keeps an MP3's priming
def test_lossy_tracks_are_in_step_with_what_was_encoded(files, name):
    heard, sent = read_audio(files[name], RATE, 2), music()
    assert abs(heard.shape[1] - sent.shape[1]) <= 1024  # a last frame may be whole
    part, place = sent[0, 48_000:96_000], range(-1200, 1201)
    likeness = [float(part @ heard[0, 48_000 + shift : 96_000 + shift]) for shift in place]
    assert place[int(np.argmax(likeness))] == 0


@pytest.mark.parametrize("name", ["aac.m4a", "film.mp4", "lossless.m4a", "samples.mov"])
def test_mpeg_4_is_as_long_as_it_says_without_the_encoders_priming_and_padding(files, name):
    assert read_audio(files[name], RATE, 2).shape == music().shape


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(("start", "end"), [(0.0, 0.5), (0.01, 0.02), (1.2345, 2.3), (2.5, 9.0)])
def test_a_part_is_a_slice_of_the_whole(files, name, start, end):
    whole = read_audio(files[name], RATE, 2)
    part = read_audio(files[name], RATE, 2, start, end)
    assert np.array_equal(part, whole[:, round(start * RATE) : round(end * RATE)])


@pytest.mark.parametrize("name", ["aac.m4a", "opus.webm"])
def test_blocks_join_without_a_seam(files, name, monkeypatch):
    whole = read_audio(files[name], RATE, 2)
    monkeypatch.setattr("uat_lightning.data.audio.decoder.BLOCK", 5000)
    with open_sound(files[name]) as decoder:
        blocks = list(decoder.blocks(0, decoder.frames))
    assert len(blocks) > 20 and np.array_equal(np.concatenate(blocks).T, whole)


def test_channels_and_rates_follow_the_same_policy(tmp_path):
    file = muxed(tmp_path / "a.m4a", music(channels=1), "alac")
    assert np.array_equal(*read_audio(file, RATE, 2))
    stereo = muxed(tmp_path / "b.m4a", music(), "alac")
    assert np.allclose(read_audio(stereo, RATE, 1)[0], read_audio(stereo, RATE, 2).mean(0), atol=1e-7)
    assert read_audio(stereo, 16_000, 1).shape == (1, 48_000)


def test_only_the_part_is_decoded(tmp_path, monkeypatch):
    file = muxed(tmp_path / "a.m4a", music(30.0, 1), "aac")
    decoded = []
    frames = room.ContainerDecoder._frames

    def counting(self, container):
        for frame in frames(self, container):
            decoded.append(frame.samples)
            yield frame

    monkeypatch.setattr(room.ContainerDecoder, "_frames", counting)
    assert read_audio(file, RATE, 1, 20.0, 20.5).shape == (1, RATE // 2)
    assert sum(decoded) < 2 * RATE


def complaint(file: Path) -> str:
    with pytest.raises(AudioError) as caught:
        read_audio(file, RATE, 1)
    text = str(caught.value)
    assert "\n" not in text and str(file) in text and len(text) < 400
    return text


@pytest.mark.parametrize("name", ["aac.m4a", "lossless.m4a", "fragments.m4a", "opus.webm", "film.mkv", "mp3.mka"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6])
def test_truncated(files, tmp_path, name, share):
    content = files[name].read_bytes()
    (tmp_path / name).write_bytes(content[: round(share * len(content)) + 7])
    complaint(tmp_path / name)


@pytest.mark.parametrize("name", ["aac.m4a", "film.mp4", "opus.webm", "film.mkv"])
def test_noise_in_place_of_content_is_heard_or_refused_and_never_crashes(files, tmp_path, name):
    rng, content = np.random.default_rng(0), files[name].read_bytes()
    for attempt in range(12):
        bad = bytearray(content)
        places = rng.integers(40 if attempt % 2 else 4, len(bad), 30)
        for place in places:
            bad[place] = rng.integers(256)
        (tmp_path / name).write_bytes(bad)
        try:
            assert np.isfinite(read_audio(tmp_path / name, RATE, 1)).all()
        except AudioError as error:
            assert "\n" not in str(error)


def test_a_track_of_an_unknown_kind(files, tmp_path):
    content = files["aac.m4a"].read_bytes()
    kind = content.index(b"\x40", content.index(b"esds"))  # MPEG-4 audio, in the track's description
    unknown = content[:kind] + b"\xff" + content[kind + 1 :]
    (tmp_path / "a.m4a").write_bytes(unknown.replace(b"mp4a", b"nope"))
    assert "cannot decode" in complaint(tmp_path / "a.m4a")


def test_a_silent_film_and_an_empty_one(tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        film = container.add_stream("mpeg4", rate=10, width=32, height=32, pix_fmt="yuv420p")
        container.mux(film.encode(av.VideoFrame(32, 32, "yuv420p")))
        container.mux(film.encode(None))
    assert "no sound track" in complaint(tmp_path / "a.mp4")
    (tmp_path / "b.mp4").touch()
    assert "empty" in complaint(tmp_path / "b.mp4")
    (tmp_path / "c.mp4").write_text("a film of words\n" * 99)
    assert "convert it" in complaint(tmp_path / "c.mp4")


@pytest.mark.parametrize("content", ["#EXTM3U\n#EXTINF:1,\n/etc/hostname\n", "ffconcat version 1.0\nfile secret.wav\n"])
def test_a_playlist_named_like_a_film_opens_nothing(tmp_path, content):
    soundfile.write(tmp_path / "secret.wav", music().T, RATE)
    (tmp_path / "a.mp4").write_text(content)
    assert "convert it" in complaint(tmp_path / "a.mp4")


def test_the_content_counts_and_not_the_name(files, tmp_path):
    (tmp_path / "a.wav").write_bytes(files["aac.m4a"].read_bytes())
    assert np.array_equal(read_audio(tmp_path / "a.wav", RATE, 2), read_audio(files["aac.m4a"], RATE, 2))


@pytest.mark.parametrize("name", ["-y.m4a", "a\nb.m4a", "http:__x.m4a", "file:x.m4a", "pipe:0.m4a", "grün%d.m4a"])
def test_odd_names_are_names(files, tmp_path, name):
    (tmp_path / name).write_bytes(files["aac.m4a"].read_bytes())
    assert read_audio(tmp_path / name, RATE, 2).shape == music().shape


def test_without_the_package_one_line_names_the_extra(files, monkeypatch):
    monkeypatch.setattr(room, "find_spec", lambda name: None)
    assert "uat-lightning[video]" in complaint(files["aac.m4a"])


def test_videos_are_among_what_is_readable():
    assert {".m4a", ".webm", ".mp4", ".mkv", ".wav"} <= READABLE


def test_a_recording_without_a_duration_is_measured(tmp_path):
    stream = io.BytesIO()
    stream.seekable = lambda: False  # so that the header cannot be completed, as in a browser's recorder
    samples = music(2.0)
    with av.open(stream, "w", format="webm", options={"live": "1"}) as container:
        track = container.add_stream("libopus", rate=RATE, layout="stereo")
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = RATE, 0
        convert = av.AudioResampler(format=track.codec_context.format, layout="stereo", rate=RATE)
        for piece in (*convert.resample(frame), *convert.resample(None)):
            container.mux(track.encode(piece))
        container.mux(track.encode(None))
    (tmp_path / "a.webm").write_bytes(stream.getvalue())
    with av.open(str(tmp_path / "a.webm")) as container:
        assert container.duration is None
    assert read_audio(tmp_path / "a.webm", RATE, 2).shape[1] == pytest.approx(2 * RATE, abs=960)
