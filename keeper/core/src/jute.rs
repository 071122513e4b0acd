//! Jute, ZooKeeper's serialisation (`BinaryInputArchive`, `BinaryOutputArchive`).
//!
//! Integers are big endian; a bool is one byte; a string and a buffer are an `int` length and the
//! bytes; a vector is an `int` count and the items. A length or count of -1 is null.
//!
//! [`Reader`] never panics and never allocates more than the bytes that it was given can justify: a
//! length or count that the remaining bytes cannot hold is [`DecodeError::Truncated`] before any
//! allocation. On a stream without frames that error means "wait for more"; inside a frame it means
//! that the record is wrong.

use bytes::Bytes;
use thiserror::Error;

use crate::record::Data;

/// A record that can be written.
pub trait Encode {
    /// Appends the record to `out`.
    fn encode(&self, out: &mut Vec<u8>);
}

/// A record that can be read.
pub trait Decode: Sized {
    /// Reads the record; `reader` stands behind it afterwards.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] if the bytes end inside the record, [`DecodeError::Malformed`] if
    /// no further bytes could make it right.
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;
}

/// One record as bytes.
pub fn to_bytes(record: &impl Encode) -> Vec<u8> {
    let mut out = Vec::new();
    record.encode(&mut out);
    out
}

/// One record that takes up all of `bytes`.
///
/// # Errors
/// As [`Decode::decode`], and [`Fault::TrailingBytes`] if bytes are left over.
pub fn from_bytes<T: Decode>(bytes: &[u8]) -> Result<T, DecodeError> {
    let mut reader = Reader::new(bytes);
    let record = T::decode(&mut reader)?;
    reader.finish()?;
    Ok(record)
}

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The bytes end too early.
    #[error("at byte {offset}: at least {needed} more bytes are needed")]
    Truncated {
        /// Where the reader stood.
        offset: usize,
        /// How many bytes are missing at least.
        needed: usize,
    },
    /// The bytes are wrong whatever follows.
    #[error("at byte {offset}: {fault}")]
    Malformed {
        /// Where the wrong field begins.
        offset: usize,
        /// What is wrong.
        fault: Fault,
    },
}

impl DecodeError {
    /// Whether more bytes could help.
    pub fn is_truncated(&self) -> bool {
        matches!(self, DecodeError::Truncated { .. })
    }
}

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// A length or count below -1, or another one that the field cannot have.
    #[error("impossible length {0}")]
    BadLength(i32),
    /// Null where ZooKeeper has no null.
    #[error("null where a value is required")]
    Null,
    /// A string's bytes are not UTF-8.
    #[error("string is not UTF-8")]
    NotUtf8,
    /// A number that stands for nothing known.
    #[error("unknown {what} {value}")]
    Unknown {
        /// The kind of number: "operation", "event type", ...
        what: &'static str,
        /// The number.
        value: i64,
    },
    /// More than the reader is willing to hold.
    #[error("{what} of {len} bytes exceeds the limit of {max}")]
    TooLong {
        /// What is too long.
        what: &'static str,
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// A buffer that should hold a record ends inside it.
    #[error("buffer ends inside the record that it holds")]
    ShortBuffer,
    /// Bytes behind the record.
    #[error("{0} bytes behind the record")]
    TrailingBytes(usize),
}

/// Reads jute from a slice.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
    /// Where `bytes` are, if buffers are to share it.
    owner: Option<&'a Bytes>,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, offset: 0, owner: None }
    }

    /// The same, and the buffers that it reads share `bytes`: for a record that is soon dropped.
    pub fn sharing(bytes: &'a Bytes) -> Reader<'a> {
        Reader { bytes, offset: 0, owner: Some(bytes) }
    }

    /// A reader at the start of a part of these bytes.
    pub fn of_part(&self, bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, offset: 0, owner: self.owner }
    }

    /// How many bytes have been read.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// How many bytes are left.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.offset
    }

    /// The bytes that are left, without reading them.
    pub fn peek(&self) -> &'a [u8] {
        &self.bytes[self.offset..]
    }

    /// Reads all that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        let rest = self.peek();
        self.offset = self.bytes.len();
        rest
    }

    /// Ends reading.
    ///
    /// # Errors
    /// [`Fault::TrailingBytes`] unless everything has been read.
    pub fn finish(&self) -> Result<(), DecodeError> {
        match self.remaining() {
            0 => Ok(()),
            left => Err(self.malformed(Fault::TrailingBytes(left))),
        }
    }

    /// The error that a field beginning here is wrong.
    pub fn malformed(&self, fault: Fault) -> DecodeError {
        DecodeError::Malformed { offset: self.offset, fault }
    }

    /// The next `len` bytes as they are.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] if fewer are left.
    pub fn raw(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        self.require(len)?;
        let raw = &self.bytes[self.offset..self.offset + len];
        self.offset += len;
        Ok(raw)
    }

    /// One byte.
    pub fn byte(&mut self) -> Result<u8, DecodeError> {
        Ok(self.array::<1>()?[0])
    }

    /// A bool; every byte but 0 is true, as in Java's `readBoolean`.
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        Ok(self.byte()? != 0)
    }

    /// An `int`.
    pub fn int(&mut self) -> Result<i32, DecodeError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    /// A `long`.
    pub fn long(&mut self) -> Result<i64, DecodeError> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    /// A buffer, borrowed; `None` is null.
    pub fn slice(&mut self) -> Result<Option<&'a [u8]>, DecodeError> {
        let start = self.clone();
        match self.length()? {
            None => Ok(None),
            Some(len) => self.raw(len).map(Some).inspect_err(|_| *self = start),
        }
    }

    /// A buffer, copied so that it does not keep the packet alive, unless the reader is [`Reader::sharing`];
    /// `None` is null.
    pub fn buffer(&mut self) -> Result<Data, DecodeError> {
        let slice = self.slice()?;
        Ok(match self.owner {
            Some(owner) => slice.map(|slice| owner.slice_ref(slice)),
            None => slice.map(Bytes::copy_from_slice),
        })
    }

    /// A string that may be null.
    pub fn optional_string(&mut self) -> Result<Option<String>, DecodeError> {
        let start = self.clone();
        let Some(bytes) = self.slice()? else { return Ok(None) };
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Some(text.to_owned())),
            Err(_) => Err(start.malformed(Fault::NotUtf8)),
        }
    }

    /// A string that may not be null.
    pub fn string(&mut self) -> Result<String, DecodeError> {
        let start = self.clone();
        self.optional_string()?.ok_or_else(|| start.malformed(Fault::Null))
    }

    /// A vector of items that take up `item_bytes` at least; null reads as empty.
    ///
    /// # Errors
    /// Those of `item`, and [`DecodeError::Truncated`] before anything is allocated if the count
    /// exceeds what the remaining bytes can hold.
    pub fn vector<T>(
        &mut self,
        item_bytes: usize,
        mut item: impl FnMut(&mut Reader<'a>) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let count = self.length()?.unwrap_or(0);
        self.require(count.saturating_mul(item_bytes.max(1)))?;
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// A vector of strings; null reads as empty.
    pub fn strings(&mut self) -> Result<Vec<String>, DecodeError> {
        self.vector(4, Reader::string)
    }

    /// A length or count; `None` is null.
    fn length(&mut self) -> Result<Option<usize>, DecodeError> {
        let start = self.clone();
        match self.int()? {
            -1 => Ok(None),
            negative if negative < 0 => Err(start.malformed(Fault::BadLength(negative))),
            len => Ok(Some(len as usize)),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        Ok(self.raw(N)?.try_into().expect("raw gives as many bytes as asked for"))
    }

    fn require(&self, len: usize) -> Result<(), DecodeError> {
        match len.checked_sub(self.remaining()) {
            None | Some(0) => Ok(()),
            Some(needed) => Err(DecodeError::Truncated { offset: self.offset, needed }),
        }
    }
}

/// Writes a bool.
pub fn put_bool(out: &mut Vec<u8>, value: bool) {
    out.push(u8::from(value));
}

/// Writes an `int`.
pub fn put_int(out: &mut Vec<u8>, value: i32) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// Writes a `long`.
pub fn put_long(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// Writes a buffer; `None` is null.
pub fn put_buffer(out: &mut Vec<u8>, value: Option<&[u8]>) {
    match value {
        None => put_int(out, -1),
        Some(bytes) => {
            put_count(out, bytes.len());
            out.extend_from_slice(bytes);
        }
    }
}

/// Writes a string.
pub fn put_string(out: &mut Vec<u8>, value: &str) {
    put_buffer(out, Some(value.as_bytes()));
}

/// Writes a string or null.
pub fn put_optional_string(out: &mut Vec<u8>, value: Option<&str>) {
    put_buffer(out, value.map(str::as_bytes));
}

/// Writes a vector of records.
pub fn put_vector<T: Encode>(out: &mut Vec<u8>, items: &[T]) {
    put_count(out, items.len());
    for item in items {
        item.encode(out);
    }
}

/// Writes a vector of strings.
pub fn put_strings(out: &mut Vec<u8>, items: &[String]) {
    put_count(out, items.len());
    for item in items {
        put_string(out, item);
    }
}

/// Writes a buffer of which the length is known only after its bytes are written.
pub fn put_nested(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    put_int(out, 0);
    body(out);
    let len = i32::try_from(out.len() - at - 4).expect("packets are far below 2 GiB");
    out[at..at + 4].copy_from_slice(&len.to_be_bytes());
}

/// Writes a length or count.
pub fn put_count(out: &mut Vec<u8>, count: usize) {
    put_int(out, i32::try_from(count).expect("packets are far below 2 GiB"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primitives_are_big_endian_and_null_is_minus_one() {
        let mut out = Vec::new();
        put_int(&mut out, 1);
        put_long(&mut out, -2);
        put_bool(&mut out, true);
        put_buffer(&mut out, None);
        put_buffer(&mut out, Some(b""));
        put_string(&mut out, "/a");
        let expected = [
            &[0, 0, 0, 1][..],
            &[255, 255, 255, 255, 255, 255, 255, 254],
            &[1],
            &[255, 255, 255, 255],
            &[0, 0, 0, 0],
            &[0, 0, 0, 2, b'/', b'a'],
        ]
        .concat();
        assert_eq!(out, expected);
        let mut reader = Reader::new(&out);
        assert_eq!(reader.int(), Ok(1));
        assert_eq!(reader.long(), Ok(-2));
        assert_eq!(reader.bool(), Ok(true));
        assert_eq!(reader.buffer(), Ok(None));
        assert_eq!(reader.buffer(), Ok(Some(Bytes::new())));
        assert_eq!(reader.string(), Ok("/a".to_owned()));
        assert_eq!(reader.finish(), Ok(()));
    }

    #[test]
    fn a_huge_count_is_refused_before_anything_is_allocated() {
        let mut reader = Reader::new(&[0x7f, 0xff, 0xff, 0xff, 1, 2]);
        let error = reader.vector(4, Reader::int).unwrap_err();
        let needed = 4 * 0x7fff_ffff - 2;
        assert_eq!(error, DecodeError::Truncated { offset: 4, needed });
    }

    #[test]
    fn lengths_below_minus_one_are_malformed_at_their_own_offset() {
        let mut reader = Reader::new(&[9, 255, 255, 255, 254]);
        assert_eq!(reader.byte(), Ok(9));
        let fault = Fault::BadLength(-2);
        assert_eq!(reader.buffer(), Err(DecodeError::Malformed { offset: 1, fault }));
    }

    #[test]
    fn a_null_string_is_told_from_an_empty_one() {
        let null = [255; 4];
        assert_eq!(Reader::new(&null).optional_string(), Ok(None));
        let error = Reader::new(&null).string().unwrap_err();
        assert_eq!(error, DecodeError::Malformed { offset: 0, fault: Fault::Null });
        assert_eq!(Reader::new(&[0; 4]).string(), Ok(String::new()));
    }

    #[test]
    fn bytes_that_are_not_utf8_are_malformed() {
        let error = Reader::new(&[0, 0, 0, 1, 0xc3]).string().unwrap_err();
        assert_eq!(error, DecodeError::Malformed { offset: 0, fault: Fault::NotUtf8 });
    }

    #[test]
    fn a_nested_buffer_knows_its_length() {
        let mut out = vec![7];
        put_nested(&mut out, |out| put_string(out, "ab"));
        assert_eq!(out, [7, 0, 0, 0, 6, 0, 0, 0, 2, b'a', b'b']);
    }
}
