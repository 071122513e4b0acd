//! Frames: a four-byte length and as many bytes.

use bytes::{Buf, Bytes, BytesMut};
use thiserror::Error;

/// A length that no packet may have. The connection must be closed: what follows cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// Below zero.
    #[error("packet with the negative length {0}")]
    Negative(i32),
    /// Above the limit (`jute.maxbuffer`).
    #[error("packet of {len} bytes exceeds the limit of {max}")]
    TooLong {
        /// The announced length in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
}

/// Collects a stream's bytes and gives out whole frames.
///
/// What is buffered is bounded by the frame under way and by what one push brings, provided that
/// the frames are taken after every push.
#[derive(Clone, Debug)]
pub struct Frames {
    bytes: BytesMut,
    max_bytes: usize,
    /// The first bad length; nothing behind it can be read.
    failed: Option<FrameError>,
}

impl Default for Frames {
    fn default() -> Frames {
        Frames::new(Frames::DEFAULT_MAX_BYTES)
    }
}

impl Frames {
    /// ZooKeeper's default for `jute.maxbuffer`.
    pub const DEFAULT_MAX_BYTES: usize = 0xf_ffff;

    /// Takes frames of at most `max_bytes` bytes, their length prefix not counted.
    pub fn new(max_bytes: usize) -> Frames {
        Frames { bytes: BytesMut::new(), max_bytes, failed: None }
    }

    /// Adds the stream's next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// The next whole frame without its length, or `None` until more bytes come.
    ///
    /// # Errors
    /// [`FrameError`], and the same again at every later call.
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, FrameError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let Some(prefix) = self.bytes.first_chunk::<4>() else { return Ok(None) };
        let len = self.checked(i32::from_be_bytes(*prefix)).inspect_err(|error| {
            self.failed = Some(*error);
        })?;
        if self.bytes.len() < 4 + len {
            return Ok(None);
        }
        self.bytes.advance(4);
        Ok(Some(self.bytes.split_to(len).freeze()))
    }

    /// The bytes that are not taken yet, as they came. A server looks here for four-letter words
    /// before it takes the first frame.
    pub fn buffered(&self) -> &[u8] {
        &self.bytes
    }

    fn checked(&self, len: i32) -> Result<usize, FrameError> {
        let max = self.max_bytes;
        match usize::try_from(len) {
            Err(_) => Err(FrameError::Negative(len)),
            Ok(len) if len > max => Err(FrameError::TooLong { len, max }),
            Ok(len) => Ok(len),
        }
    }
}

/// One frame of which `body` writes the content.
pub fn frame(body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    frame_into(&mut out, body);
    out
}

/// Appends a frame of which `body` writes the content.
pub fn frame_into(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    crate::jute::put_nested(out, body);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_whole_however_the_stream_is_cut() {
        let mut stream = frame(|out| out.extend_from_slice(b"abc"));
        frame_into(&mut stream, |_| {});
        frame_into(&mut stream, |out| out.push(7));
        for cut in 0..=stream.len() {
            let mut frames = Frames::default();
            let mut seen = Vec::new();
            for part in [&stream[..cut], &stream[cut..]] {
                frames.push(part);
                while let Some(frame) = frames.next_frame().unwrap() {
                    seen.push(frame.to_vec());
                }
            }
            assert_eq!(seen, [&b"abc"[..], b"", b"\x07"]);
            assert_eq!(frames.buffered(), b"");
        }
    }

    #[test]
    fn a_bad_length_fails_for_good() {
        let mut frames = Frames::new(10);
        frames.push(&[0, 0, 0, 1, 5, 0, 0, 0, 11]);
        assert_eq!(frames.next_frame(), Ok(Some(Bytes::from_static(&[5]))));
        let error = Err(FrameError::TooLong { len: 11, max: 10 });
        assert_eq!(frames.next_frame(), error);
        frames.push(&[0; 11]);
        assert_eq!(frames.next_frame(), error);

        let mut frames = Frames::default();
        frames.push(&[0xff, 0xff, 0xff, 0xff]);
        assert_eq!(frames.next_frame(), Err(FrameError::Negative(-1)));
    }

    #[test]
    fn a_frame_of_exactly_the_limit_passes() {
        let mut frames = Frames::new(3);
        frames.push(&frame(|out| out.extend_from_slice(b"abc")));
        assert_eq!(frames.next_frame(), Ok(Some(Bytes::from_static(b"abc"))));
    }
}
