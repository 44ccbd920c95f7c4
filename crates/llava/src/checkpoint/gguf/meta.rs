//! Typed access to a header's settings: a setting of another type than it must have is an error
//! that names it, never a default.

use super::cursor::{Cursor, Fault};
use super::header::TensorInfo;
use super::value::{Kind, Value, float, integer};
use std::collections::BTreeMap;

/// No size in a LLaVA checkpoint comes near this; products of two do not overflow.
const CEILING: usize = 1 << 24;
/// LLaMA has 32,000 pieces, and no list of settings is longer than a vocabulary.
const LONGEST_LIST: u64 = 1 << 20;

/// Checked settings and tensors, with the bytes that they lie in.
#[derive(Clone, Copy)]
pub(super) struct Meta<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) values: &'a BTreeMap<String, Value>,
    pub(super) tensors: &'a BTreeMap<String, TensorInfo>,
}

impl<'a> Meta<'a> {
    pub(super) fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<&'a str>, Fault> {
        let Some(value) = self.values.get(key) else {
            return Ok(None);
        };
        let Value::Single(Kind::String, at) = value else {
            return Err(wrong(key, value, "text"));
        };
        let text = self
            .bytes
            .get(at.clone())
            .and_then(|b| std::str::from_utf8(b).ok());
        text.map(Some)
            .ok_or_else(|| format!("the setting {key} is not readable text"))
    }

    pub(super) fn whole(&self, key: &str) -> Result<Option<i64>, Fault> {
        let Some(value) = self.values.get(key) else {
            return Ok(None);
        };
        let number = self
            .single(value)
            .and_then(|(kind, bytes)| integer(kind, bytes))
            .and_then(|n| i64::try_from(n).ok());
        number
            .map(Some)
            .ok_or_else(|| wrong(key, value, "a whole number"))
    }

    /// A size: positive, and not absurd.
    pub(super) fn size(&self, key: &str) -> Result<Option<usize>, Fault> {
        let Some(n) = self.whole(key)? else {
            return Ok(None);
        };
        let size = usize::try_from(n)
            .ok()
            .filter(|n| (1..=CEILING).contains(n));
        size.map(Some).ok_or_else(|| {
            format!("{key} is {n}, which no LLaVA checkpoint has; the file is damaged")
        })
    }

    pub(super) fn required(&self, key: &str) -> Result<usize, Fault> {
        self.size(key)?.ok_or_else(|| missing(key))
    }

    pub(super) fn fraction(&self, key: &str) -> Result<Option<f64>, Fault> {
        let Some(value) = self.values.get(key) else {
            return Ok(None);
        };
        let number = self
            .single(value)
            .and_then(|(kind, bytes)| float(kind, bytes));
        number
            .map(Some)
            .ok_or_else(|| wrong(key, value, "a number with a fraction"))
    }

    /// What is added to a variance or mean square.
    pub(super) fn epsilon(&self, key: &str) -> Result<f64, Fault> {
        let eps = self.fraction(key)?.ok_or_else(|| missing(key))?;
        if !(0.0..1.0).contains(&eps) {
            return Err(format!("{key} is {eps}; the file is damaged"));
        }
        // Files hold the f32 nearest to the number that was meant: 1e-5, not 9.9999997e-6.
        Ok((eps as f32).to_string().parse().unwrap_or(eps))
    }

    pub(super) fn yes(&self, key: &str) -> Result<Option<bool>, Fault> {
        let Some(value) = self.values.get(key) else {
            return Ok(None);
        };
        match self.single(value) {
            Some((Kind::Bool, [byte])) => Ok(Some(*byte != 0)),
            _ => Err(wrong(key, value, "a yes or no")),
        }
    }

    pub(super) fn fractions(&self, key: &str) -> Result<Option<Vec<f64>>, Fault> {
        self.numbers(key, float, "a list of numbers with a fraction")
    }

    pub(super) fn wholes(&self, key: &str) -> Result<Option<Vec<i64>>, Fault> {
        let read = |kind, bytes: &[u8]| integer(kind, bytes).and_then(|n| i64::try_from(n).ok());
        self.numbers(key, read, "a list of whole numbers")
    }

    pub(super) fn texts(&self, key: &str) -> Result<Option<Vec<&'a str>>, Fault> {
        let Some(value) = self.values.get(key) else {
            return Ok(None);
        };
        let Value::List {
            of: Kind::String,
            count,
            bytes,
        } = value
        else {
            return Err(wrong(key, value, "a list of texts"));
        };
        short(key, *count)?;
        let mut cursor = Cursor::new(self.bytes, bytes.start);
        let read = |_| {
            let text = std::str::from_utf8(cursor.string()?);
            text.map_err(|_| format!("an entry of {key} is not readable text"))
        };
        (0..*count).map(read).collect::<Result<_, _>>().map(Some)
    }

    fn single(&self, value: &Value) -> Option<(Kind, &'a [u8])> {
        match value {
            Value::Single(kind, at) => Some((*kind, self.bytes.get(at.clone())?)),
            Value::List { .. } => None,
        }
    }

    fn numbers<T>(
        &self,
        key: &str,
        read: impl Fn(Kind, &[u8]) -> Option<T>,
        wanted: &str,
    ) -> Result<Option<Vec<T>>, Fault> {
        let Some(value) = self.values.get(key) else {
            return Ok(None);
        };
        let refused = || wrong(key, value, wanted);
        let Value::List { of, count, bytes } = value else {
            return Err(refused());
        };
        short(key, *count)?;
        let size = of.size().ok_or_else(refused)?;
        let bytes = self.bytes.get(bytes.clone()).ok_or_else(refused)?;
        let numbers: Option<Vec<T>> = bytes.chunks_exact(size).map(|b| read(*of, b)).collect();
        numbers.map(Some).ok_or_else(refused)
    }
}

pub(super) fn missing(key: &str) -> Fault {
    format!("the setting {key} is missing; the file is incomplete, download it again")
}

fn wrong(key: &str, value: &Value, wanted: &str) -> Fault {
    format!(
        "the setting {key} is {} where {wanted} belongs; the file is damaged, download it again",
        value.name()
    )
}

fn short(key: &str, count: u64) -> Result<(), Fault> {
    if count > LONGEST_LIST {
        return Err(format!(
            "the setting {key} has {count} entries, which no LLaVA checkpoint has; the file is damaged"
        ));
    }
    Ok(())
}
