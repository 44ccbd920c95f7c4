//! Long JSON files, an element at a time: the region descriptions of Visual Genome alone are
//! 700 MB, and as values in memory ten times that.

use crate::{Error, Result};
use serde::Deserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use std::fmt;
use std::fs::File;
use std::io::BufReader;
use std::marker::PhantomData;
use std::path::Path;

/// Reads a file whose elements lie in a list, in the list under `key` of an object, or, without a
/// key, as the values of an object; hands each with its name (its position in a list) to `each`.
///
/// # Errors
/// When the file cannot be read, is not JSON of that shape, or `each` fails.
pub fn elements<T: DeserializeOwned>(
    path: &Path,
    key: Option<&str>,
    each: &mut dyn FnMut(String, T) -> Result<()>,
) -> Result<()> {
    let file = File::open(path).map_err(|error| Error::read(path, error))?;
    let mut json = serde_json::Deserializer::from_reader(BufReader::with_capacity(1 << 16, file));
    // An error of `each` travels beside serde's own, which carries text only.
    let mut stopped = None;
    let outer = Outer {
        key,
        each: &mut Each {
            each,
            stopped: &mut stopped,
        },
        of: PhantomData::<T>,
    };
    let read = outer
        .deserialize(&mut json)
        .and_then(|found| json.end().map(|()| found));
    match (stopped, read) {
        (Some(error), _) => Err(error),
        (None, Ok(true)) => Ok(()),
        (None, Ok(false)) => {
            let key = key.unwrap_or_default();
            Err(Error::data(
                path,
                format!("there is no list \"{key}\" in it"),
            ))
        }
        (None, Err(error)) => Err(Error::data(
            path,
            format!("not the JSON that is expected here: {error}"),
        )),
    }
}

struct Each<'a, T> {
    each: &'a mut dyn FnMut(String, T) -> Result<()>,
    stopped: &'a mut Option<Error>,
}

impl<T> Each<'_, T> {
    fn take<E: serde::de::Error>(
        &mut self,
        name: String,
        element: T,
    ) -> std::result::Result<(), E> {
        (self.each)(name, element).map_err(|error| {
            *self.stopped = Some(error);
            E::custom("stopped")
        })
    }
}

/// The file as a whole. Its value is whether the elements were found.
struct Outer<'a, 'b, T> {
    key: Option<&'a str>,
    each: &'a mut Each<'b, T>,
    of: PhantomData<T>,
}

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for Outer<'_, '_, T> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> std::result::Result<bool, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Outer<'_, '_, T> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list or an object")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> std::result::Result<bool, A::Error> {
        if self.key.is_some() {
            return Err(A::Error::custom("a list where an object is expected"));
        }
        List { each: self.each }.visit_seq(list).map(|()| true)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<bool, A::Error> {
        let mut found = self.key.is_none();
        while let Some(name) = map.next_key::<String>()? {
            match self.key {
                None => {
                    let element = map.next_value()?;
                    self.each.take(name, element)?;
                }
                Some(key) if key == name => {
                    found = true;
                    map.next_value_seed(List { each: self.each })?;
                }
                Some(_) => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }
}

struct List<'a, 'b, T> {
    each: &'a mut Each<'b, T>,
}

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for List<'_, '_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> std::result::Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for List<'_, '_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<(), A::Error> {
        let mut position = 0u64;
        while let Some(element) = list.next_element()? {
            self.each.take(position.to_string(), element)?;
            position += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, key: Option<&str>) -> Result<Vec<(String, u32)>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        std::fs::write(&path, text).unwrap();
        let mut found = Vec::new();
        elements(&path, key, &mut |name, number: u32| {
            found.push((name, number));
            if number == 99 {
                Err(Error::Setting("enough".into()))
            } else {
                Ok(())
            }
        })?;
        Ok(found)
    }

    #[test]
    fn lists_and_objects() {
        let named = |pairs: &[(&str, u32)]| -> Vec<(String, u32)> {
            pairs
                .iter()
                .map(|(name, n)| ((*name).to_owned(), *n))
                .collect()
        };
        assert_eq!(read("[4, 5]", None).unwrap(), named(&[("0", 4), ("1", 5)]));
        assert_eq!(
            read(r#"{"a": 4, "b": 5}"#, None).unwrap(),
            named(&[("a", 4), ("b", 5)])
        );
        let inside = r#"{"info": {"x": [1]}, "data": [7], "more": null}"#;
        assert_eq!(read(inside, Some("data")).unwrap(), named(&[("0", 7)]));
        assert_eq!(read("[]", None).unwrap(), []);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, key, part) in [
            (r#"{"info": 1}"#, Some("data"), "no list \"data\""),
            ("[1]", Some("data"), "object is expected"),
            ("[1, \"x\"]", None, "line 1"),
            ("[1, 2", None, "EOF"),
            ("[1] 2", None, "trailing"),
            ("[98, 99, 100]", None, "enough"),
        ] {
            let error = read(text, key).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
