"""Sound files: anything readable comes in, nothing unreadable passes, nothing half-written stays."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from uat_lightning.data.audio import AudioError, loudness, read_audio, write_audio

RATE = 16_000


def tone(seconds: float = 1.0, rate: int = RATE, frequency: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def saved(file: Path, samples: np.ndarray, rate: int = RATE, subtype: str | None = None) -> Path:
    soundfile.write(file, samples, rate, subtype=subtype)
    return file


def complaint(file: Path, **part: float) -> str:
    with pytest.raises(AudioError) as caught:
        read_audio(file, RATE, 1, **part)
    text = str(caught.value)
    assert "\n" not in text and str(file) in text and len(text) < 400
    return text


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_any_rate_comes_out_at_the_wanted_one(tmp_path, rate):
    heard = read_audio(saved(tmp_path / "a.wav", tone(rate=rate), rate), RATE, 1)
    assert heard.shape == (1, RATE) and heard.dtype == np.float32 and heard.flags.c_contiguous
    middle = slice(1000, -1000)  # away from where the filter runs in
    assert np.abs(heard[0, middle] - tone()[middle]).max() < 2e-3


def test_resampling_leaves_no_aliases(tmp_path):
    file = saved(tmp_path / "a.wav", tone(rate=44_100, frequency=12_000.0), 44_100, "FLOAT")
    assert loudness(read_audio(file, RATE, 1)[:, 1000:-1000]).rms_dbfs < -80


def test_other_channels_are_the_mean_of_all(tmp_path):
    stereo = np.stack([tone(), np.zeros(RATE, np.float32)], 1)
    file = saved(tmp_path / "a.wav", stereo, subtype="FLOAT")
    assert np.allclose(read_audio(file, RATE, 1)[0], tone() / 2, atol=1e-6)
    assert np.array_equal(read_audio(file, RATE, 2), stereo.T)


def test_mono_is_repeated(tmp_path):
    heard = read_audio(saved(tmp_path / "a.wav", tone(), subtype="FLOAT"), RATE, 2)
    assert np.array_equal(heard, np.stack([tone(), tone()]))


def test_six_channels_make_two_without_loss(tmp_path):
    file = saved(tmp_path / "a.wav", np.stack([tone(frequency=100.0 * n) for n in range(1, 7)], 1), subtype="FLOAT")
    heard = read_audio(file, RATE, 2)
    assert np.array_equal(heard[0], heard[1])
    assert np.allclose(heard[0], sum(tone(frequency=100.0 * n) for n in range(1, 7)) / 6, atol=1e-6)


@pytest.mark.parametrize("extension", ["wav", "flac", "ogg", "mp3", "aiff"])
def test_a_part_is_what_stands_there(tmp_path, extension):
    file = tmp_path / f"a.{extension}"
    write_audio(file, np.stack([tone(2.0, 44_100)]), 44_100)
    whole = read_audio(file, 44_100, 1)
    part = read_audio(file, 44_100, 1, start=0.5, end=1.25)
    assert part.shape == (1, round(0.75 * 44_100))
    assert np.abs(part - whole[:, 22_050 : 22_050 + part.shape[1]]).max() < 1e-6


@pytest.mark.parametrize("extension", ["wav", "flac", "ogg", "mp3"])
def test_blocks_join_without_a_seam(tmp_path, extension, monkeypatch):
    file = tmp_path / f"a.{extension}"
    write_audio(file, tone(2.0, 44_100)[None], 44_100)
    whole = soundfile.read(file, dtype="float32")[0]
    monkeypatch.setattr("uat_lightning.data.audio.decoder.BLOCK", 20_000)
    assert np.abs(read_audio(file, 44_100, 1)[0] - whole).max() < 1e-6


def test_a_part_ends_with_the_file(tmp_path):
    file = saved(tmp_path / "a.wav", tone())
    assert read_audio(file, RATE, 1, start=0.75, end=9.0).shape == (1, RATE // 4)


def test_only_the_part_is_decoded(tmp_path, monkeypatch):
    file = saved(tmp_path / "a.wav", tone(30.0))
    decoded = []
    read = soundfile.SoundFile.read

    def counting(self, frames=-1, **kwargs):
        decoded.append(frames)
        return read(self, frames, **kwargs)

    monkeypatch.setattr(soundfile.SoundFile, "read", counting)
    read_audio(file, RATE, 1, start=10.0, end=10.5)
    assert sum(decoded) == RATE // 2


@pytest.mark.parametrize("samples", [1, 2, 3])
@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_one_sample_is_audio(tmp_path, samples, rate):
    heard = read_audio(saved(tmp_path / "a.wav", np.full(samples, 0.5), rate), RATE, 1)
    assert heard.shape[1] >= 1 and np.isfinite(heard).all() and heard.max() > 0.1


def test_silence_is_read_and_told(tmp_path):
    heard = read_audio(saved(tmp_path / "a.wav", np.zeros(RATE)), RATE, 1)
    assert heard.shape == (1, RATE) and loudness(heard).silent and loudness(heard).peak_dbfs == -120


def test_loudness_of_a_square_wave_and_a_sine():
    square = torch.tensor([[0.5, -0.5] * 100])
    assert loudness(square).peak_dbfs == loudness(square).rms_dbfs == pytest.approx(-6.02, abs=0.01)
    assert loudness(tone()[None]).rms_dbfs == pytest.approx(-9.03, abs=0.01)
    assert not loudness(square).silent


def test_missing_folder_empty_and_device(tmp_path):
    assert "does not exist" in complaint(tmp_path / "none.wav")
    assert "folder" in complaint(tmp_path)
    (tmp_path / "empty.wav").touch()
    assert "empty" in complaint(tmp_path / "empty.wav")
    if Path("/dev/zero").exists():
        assert "regular" in complaint(Path("/dev/zero"))


def test_text_named_wav(tmp_path):
    (tmp_path / "a.wav").write_text("this is no sound\n" * 20)
    assert "convert it" in complaint(tmp_path / "a.wav")


def test_headerless_samples(tmp_path):
    (tmp_path / "a.raw").write_bytes(bytes(999))
    assert "convert it" in complaint(tmp_path / "a.raw")


@pytest.mark.parametrize("extension", ["wav", "flac", "ogg", "mp3", "aiff"])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_truncated(tmp_path, extension, share):
    file = tmp_path / f"a.{extension}"
    noise = np.random.default_rng(0).normal(0, 0.1, (1, 3 * RATE)).astype(np.float32)
    write_audio(file, noise, RATE)
    content = file.read_bytes()
    file.write_bytes(content[: round(share * len(content)) + 7])
    complaint(file)


def test_no_samples(tmp_path):
    assert "no samples" in complaint(saved(tmp_path / "a.wav", np.zeros(0)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite(tmp_path, value):
    samples = tone().astype(np.float64)
    samples[500] = value
    assert "NaN or infinite" in complaint(saved(tmp_path / "a.wav", samples, subtype="FLOAT"))


def test_integers_saved_as_floats(tmp_path):
    assert "times full scale" in complaint(saved(tmp_path / "a.wav", 32768 * tone(), subtype="FLOAT"))


def test_the_part_must_be_one(tmp_path):
    file = saved(tmp_path / "a.wav", tone())
    assert "lasts 1.00 s" in complaint(file, start=1.0)
    assert "start must be" in complaint(file, start=-1.0)
    assert "start must be" in complaint(file, start=0.5, end=0.5)
    assert "start must be" in complaint(file, start=float("nan"))


def test_too_long_says_how_to_take_a_part(tmp_path):
    file = saved(tmp_path / "a.wav", tone(3.0))
    assert "start and end" in complaint(file, longest=2.0)
    assert read_audio(file, RATE, 1, end=2.0, longest=2.0).shape == (1, 2 * RATE)


def test_a_header_that_claims_days_is_not_believed(tmp_path):
    file = saved(tmp_path / "a.flac", tone())
    content = bytearray(file.read_bytes())
    content[21] |= 0x0F  # the 36 bits of the total number of samples
    content[22:26] = b"\xff" * 4
    file.write_bytes(content)
    assert "more than the 600 s" in complaint(file)
    complaint(file, start=3600.0, end=3700.0)


def test_a_recorders_unknown_length_is_no_truncation(tmp_path):
    file = saved(tmp_path / "a.wav", tone())
    content = bytearray(file.read_bytes())
    place = content.index(b"data") + 4
    content[place : place + 4] = content[4:8] = b"\xff" * 4
    file.write_bytes(content)
    assert read_audio(file, RATE, 1).shape == (1, RATE)


@pytest.mark.parametrize(("extension", "error"), [("wav", 2e-4), ("flac", 2e-4), ("aiff", 2e-4), ("ogg", 0.1)])
def test_written_is_read_again(tmp_path, extension, error):
    file = tmp_path / "new" / "folder" / f"a.{extension}"
    assert write_audio(file, torch.from_numpy(tone())[None], RATE) == 0.0
    assert np.abs(read_audio(file, RATE, 1) - tone()).max() < error


def test_a_peak_beyond_full_scale_is_taken_down_and_told(tmp_path):
    gain = write_audio(tmp_path / "a.wav", 4 * tone()[None], RATE)
    assert gain == pytest.approx(20 * np.log10(0.99 / 2), abs=0.01)
    assert np.abs(read_audio(tmp_path / "a.wav", RATE, 1)).max() == pytest.approx(0.99, abs=1e-3)


@pytest.mark.parametrize("name", ["a.xyz", "a", "a.txt"])
def test_unknown_formats_are_not_written(tmp_path, name):
    with pytest.raises(AudioError, match=r"\.wav"):
        write_audio(tmp_path / name, tone()[None], RATE)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("waveform", [np.full((1, 9), np.nan), np.zeros((1, 0)), np.zeros(9)])
def test_what_is_no_audio_is_not_written(tmp_path, waveform):
    with pytest.raises(AudioError, match="finite audio"):
        write_audio(tmp_path / "a.wav", waveform, RATE)
    assert not list(tmp_path.iterdir())


def test_a_rate_the_format_cannot_hold(tmp_path):
    with pytest.raises(AudioError, match=r"use \.wav"):
        write_audio(tmp_path / "a.mp3", tone()[None], 12_345)
    assert not list(tmp_path.iterdir())


def test_unwritable_places_get_one_line(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder.wav").mkdir()
    for file in (tmp_path / "file" / "a.wav", tmp_path / "folder.wav", tmp_path / f"{'a' * 300}.wav"):
        with pytest.raises(AudioError, match="cannot write") as caught:
            write_audio(file, tone()[None], RATE)
        assert "\n" not in str(caught.value)
    assert {file.name for file in tmp_path.iterdir()} == {"file", "folder.wav"}


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    file = saved(tmp_path / "a.wav", tone())
    before = file.read_bytes()
    write_bytes = Path.write_bytes

    def full(self, content):
        write_bytes(self, content[:100])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(AudioError, match="No space left"):
        write_audio(file, tone(2.0)[None], RATE)
    assert file.read_bytes() == before and list(tmp_path.iterdir()) == [file]


def test_all_real_pairs_are_read(shared):
    files = sorted((shared / "data" / "pairs" / "audio").iterdir())
    assert len(files) == 25
    for file in files:
        info = soundfile.info(file)
        heard = read_audio(file, RATE, 1)
        assert heard.shape == (1, pytest.approx(info.frames * RATE / info.samplerate, abs=2))
        assert not loudness(heard).silent
