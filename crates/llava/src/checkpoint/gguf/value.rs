//! Metadata values. Strings and arrays stay where they lie in the file: a vocabulary of 32,000
//! strings costs nothing until it is asked for, and a lying count costs nothing at all.

use super::cursor::{Cursor, Fault};
use std::ops::Range;

/// Arrays may hold arrays, this deep. Nothing that LLaVA needs does.
const DEEPEST: usize = 4;

/// What a value is, as the file numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Bool,
    String,
    Array,
    U64,
    I64,
    F64,
}

impl Kind {
    pub(super) fn from_id(id: u32) -> Option<Self> {
        use Kind::{Array, Bool, F32, F64, I8, I16, I32, I64, String, U8, U16, U32, U64};
        let all = [
            U8, I8, U16, I16, U32, I32, F32, Bool, String, Array, U64, I64, F64,
        ];
        all.get(id as usize).copied()
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        let start = cursor.at();
        let id = cursor.u32()?;
        Self::from_id(id)
            .ok_or_else(|| format!("the value at byte {start} has no known type ({id})"))
    }

    /// Bytes of a value; `None` for strings and arrays.
    pub(super) fn size(self) -> Option<usize> {
        Some(match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
            Self::String | Self::Array => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::F32 | Self::F64 => "a number with a fraction",
            Self::Bool => "a yes or no",
            Self::String => "text",
            Self::Array => "a list",
            _ => "a whole number",
        }
    }
}

/// A checked value: what it is and where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// A number, a yes or no, or text: its bytes.
    Single(Kind, Range<usize>),
    /// `count` values of one kind, one after the other.
    List {
        of: Kind,
        count: u64,
        bytes: Range<usize>,
    },
}

impl Value {
    /// Reads a value's type and passes over the value, checking that it is whole.
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        match Kind::read(cursor)? {
            Kind::Array => {
                let (of, count) = list_head(cursor)?;
                let start = cursor.at();
                pass_list(cursor, of, count, 1)?;
                let bytes = start..cursor.at();
                Ok(Self::List { of, count, bytes })
            }
            Kind::String => {
                let len = cursor.string()?.len();
                Ok(Self::Single(Kind::String, cursor.at() - len..cursor.at()))
            }
            kind => {
                let start = cursor.at();
                cursor.skip(1, kind.size().unwrap_or(0))?;
                Ok(Self::Single(kind, start..cursor.at()))
            }
        }
    }

    /// What the value is, for messages.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Single(kind, _) => kind.name(),
            Self::List { .. } => Kind::Array.name(),
        }
    }
}

fn list_head(cursor: &mut Cursor<'_>) -> Result<(Kind, u64), Fault> {
    let of = Kind::read(cursor)?;
    Ok((of, cursor.u64()?))
}

fn pass_list(cursor: &mut Cursor<'_>, of: Kind, count: u64, depth: usize) -> Result<(), Fault> {
    let start = cursor.at();
    // A string has a length of 8 bytes before it, a list 12 bytes.
    let least = of.size().unwrap_or(8) as u64;
    if count
        .checked_mul(least)
        .is_none_or(|n| n > cursor.left() as u64)
    {
        return Err(format!(
            "a list at byte {start} claims {count} values, which do not fit in the file"
        ));
    }
    match of {
        Kind::String => (0..count).try_for_each(|_| cursor.string().map(|_| ())),
        Kind::Array if depth < DEEPEST => (0..count).try_for_each(|_| {
            let (of, count) = list_head(cursor)?;
            pass_list(cursor, of, count, depth + 1)
        }),
        Kind::Array => Err(format!("the lists at byte {start} are nested too deeply")),
        _ => cursor.skip(count, least as usize),
    }
}

/// A whole number of any width.
pub(super) fn integer(kind: Kind, bytes: &[u8]) -> Option<i128> {
    Some(match kind {
        Kind::U8 => i128::from(u8::from_le_bytes(bytes.try_into().ok()?)),
        Kind::I8 => i128::from(i8::from_le_bytes(bytes.try_into().ok()?)),
        Kind::U16 => i128::from(u16::from_le_bytes(bytes.try_into().ok()?)),
        Kind::I16 => i128::from(i16::from_le_bytes(bytes.try_into().ok()?)),
        Kind::U32 => i128::from(u32::from_le_bytes(bytes.try_into().ok()?)),
        Kind::I32 => i128::from(i32::from_le_bytes(bytes.try_into().ok()?)),
        Kind::U64 => i128::from(u64::from_le_bytes(bytes.try_into().ok()?)),
        Kind::I64 => i128::from(i64::from_le_bytes(bytes.try_into().ok()?)),
        _ => return None,
    })
}

/// A number with a fraction, of either width.
pub(super) fn float(kind: Kind, bytes: &[u8]) -> Option<f64> {
    Some(match kind {
        Kind::F32 => f64::from(f32::from_le_bytes(bytes.try_into().ok()?)),
        Kind::F64 => f64::from_le_bytes(bytes.try_into().ok()?),
        _ => return None,
    })
}
