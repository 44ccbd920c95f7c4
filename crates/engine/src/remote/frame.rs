//! How the two processes write to each other: a length (4 bytes, little endian), that many bytes
//! of JSON, then the bytes of the pictures that the JSON counts.
//!
//! Pictures stay outside the JSON because there they would be several times as long.

use crate::message::{Event, Prepare, Request, RequestId, RequestPicture, Status};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use visavis_llava::device::DeviceChoice;

/// Longer JSON, or larger pictures, are a damaged stream: no context holds so much text, and no
/// picture that is read is so large.
const LONGEST_HEADER: usize = 64 << 20;
const LARGEST_PICTURE: u64 = 2 << 30;

/// What the program asks of the host. Ids are the program's.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "lowercase")]
pub(crate) enum ToHost {
    /// `EngineHandle::load`.
    Load {
        id: RequestId,
        path: PathBuf,
        device: DeviceChoice,
    },
    /// `EngineHandle::unload`.
    Unload { id: RequestId },
    /// `EngineHandle::submit`.
    Submit { id: RequestId, request: Request },
    /// `EngineHandle::prepare`.
    Prepare { id: RequestId, request: Prepare },
    /// `EngineHandle::cancel`.
    Cancel { id: RequestId },
}

/// What the host says. The status comes with the event, so that who hears of an end finds the
/// status as it is after it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct FromHost {
    pub(crate) id: RequestId,
    pub(crate) event: Event,
    pub(crate) status: Status,
}

/// A message as it is written.
#[derive(Serialize, Deserialize)]
struct Header<M> {
    message: M,
    /// Width and height of the pictures that follow, three bytes a pixel.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pictures: Vec<(u32, u32)>,
}

/// A message that may carry pictures.
pub(crate) trait Message: Serialize + DeserializeOwned {
    /// Where its pictures are.
    fn pictures(&mut self) -> Option<&mut Vec<RequestPicture>> {
        None
    }
}

impl Message for FromHost {}

impl Message for ToHost {
    fn pictures(&mut self) -> Option<&mut Vec<RequestPicture>> {
        match self {
            Self::Submit { request, .. } => Some(&mut request.pictures),
            Self::Prepare { request, .. } => Some(&mut request.pictures),
            Self::Load { .. } | Self::Unload { .. } | Self::Cancel { .. } => None,
        }
    }
}

/// Writes one message and sends it off.
///
/// # Errors
/// Those of the stream; `InvalidInput` for a message that cannot be written, such as a path that
/// is not Unicode or a picture whose size does not fit its bytes. Nothing is written then.
pub(crate) fn write<M: Message>(stream: &mut impl Write, mut message: M) -> io::Result<()> {
    let pictures = message.pictures().map(std::mem::take).unwrap_or_default();
    let invalid = |why: String| io::Error::new(io::ErrorKind::InvalidInput, why);
    for picture in &pictures {
        if bytes(picture.width, picture.height) != picture.rgb.len() as u64 {
            return Err(invalid("a picture's size does not fit its bytes".into()));
        }
    }
    let sizes = pictures
        .iter()
        .map(|picture| (picture.width, picture.height))
        .collect();
    let json = serde_json::to_vec(&Header {
        message,
        pictures: sizes,
    })
    .map_err(|error| invalid(error.to_string()))?;
    let length = u32::try_from(json.len())
        .ok()
        .filter(|_| json.len() <= LONGEST_HEADER);
    let length = length.ok_or_else(|| invalid(format!("a message of {} bytes", json.len())))?;
    stream.write_all(&length.to_le_bytes())?;
    stream.write_all(&json)?;
    for picture in &pictures {
        stream.write_all(&picture.rgb)?;
    }
    stream.flush()
}

/// Reads one message; `None` where the stream ends between two.
///
/// # Errors
/// Those of the stream; `UnexpectedEof` when it ends inside a message; `InvalidData` when it is
/// not what [`write`] writes.
pub(crate) fn read<M: Message>(stream: &mut impl Read) -> io::Result<Option<M>> {
    let invalid = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    let mut length = [0; 4];
    let mut have = 0;
    while have < length.len() {
        // `have` is below the length here, so the range is inside.
        match stream.read(&mut length[have..]) {
            Ok(0) if have == 0 => return Ok(None),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(more) => have += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > LONGEST_HEADER {
        return Err(invalid(format!("a message of {length} bytes")));
    }
    let json = take(stream, length as u64)?;
    let header: Header<M> =
        serde_json::from_slice(&json).map_err(|error| invalid(error.to_string()))?;
    let mut message = header.message;
    let mut pictures = Vec::with_capacity(header.pictures.len().min(64));
    for (width, height) in header.pictures {
        let size = bytes(width, height);
        if size > LARGEST_PICTURE {
            return Err(invalid(format!("a picture of {width} x {height} pixels")));
        }
        pictures.push(RequestPicture {
            width,
            height,
            rgb: Arc::new(take(stream, size)?),
        });
    }
    match message.pictures() {
        Some(place) => *place = pictures,
        None if pictures.is_empty() => {}
        None => return Err(invalid("pictures with a message that has none".into())),
    }
    Ok(Some(message))
}

fn bytes(width: u32, height: u32) -> u64 {
    (u64::from(width) * u64::from(height)).saturating_mul(3)
}

/// Exactly `length` bytes. Memory grows as they come, whatever a damaged length says.
fn take(stream: &mut impl Read, length: u64) -> io::Result<Vec<u8>> {
    let mut taken = Vec::new();
    stream.by_ref().take(length).read_to_end(&mut taken)?;
    if taken.len() as u64 == length {
        Ok(taken)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::asking::{ask, picture};

    fn submit() -> Vec<u8> {
        let mut request = ask(Some(3), "what", 5);
        request.pictures.push(picture(200));
        let mut stream = Vec::new();
        write(
            &mut stream,
            ToHost::Submit {
                id: RequestId(7),
                request,
            },
        )
        .unwrap();
        stream
    }

    #[test]
    fn messages_with_pictures_come_through_whole() {
        let mut stream = submit();
        write(&mut stream, ToHost::Cancel { id: RequestId(7) }).unwrap();
        assert!(
            stream.len() < 200 * 3 + 1000,
            "pictures are not written as numbers"
        );
        let mut stream = stream.as_slice();
        let Some(ToHost::Submit { id, request }) = read(&mut stream).unwrap() else {
            panic!("another message")
        };
        assert_eq!((id, request.max_tokens), (RequestId(7), 5));
        let sizes: Vec<_> = request
            .pictures
            .iter()
            .map(|p| (p.width, p.rgb.len()))
            .collect();
        assert_eq!(sizes, [(3, 9), (200, 600)]);
        assert!(matches!(
            read(&mut stream).unwrap(),
            Some(ToHost::Cancel { id: RequestId(7) })
        ));
        assert!(read::<ToHost>(&mut stream).unwrap().is_none());
    }

    #[test]
    fn a_stream_that_is_cut_anywhere_is_an_error() {
        let whole = submit();
        for length in 1..whole.len() {
            let error = read::<ToHost>(&mut &whole[..length]).err().unwrap();
            assert_eq!(
                error.kind(),
                io::ErrorKind::UnexpectedEof,
                "{length}: {error}"
            );
        }
    }

    #[test]
    fn nonsense_is_an_error() {
        let refused = |bytes: &[u8]| read::<ToHost>(&mut &*bytes).err().map(|error| error.kind());
        let framed = |json: &str| {
            let length = u32::try_from(json.len()).unwrap();
            [&length.to_le_bytes(), json.as_bytes()].concat()
        };
        for bytes in [
            b"Segmentation fault".to_vec(),
            framed("{}"),
            framed(r#"{"message":{"ask":"cancel","id":1},"pictures":[[0,0]]}"#),
            framed(r#"{"message":{"ask":"cancel","id":1},"pictures":[[4000000000,4000000000]]}"#),
        ] {
            assert_eq!(
                refused(&bytes),
                Some(io::ErrorKind::InvalidData),
                "{bytes:?}"
            );
        }
        let mut torn = ask(Some(3), "what", 5);
        torn.pictures[0].height = 2;
        let message = ToHost::Submit {
            id: RequestId(1),
            request: torn,
        };
        let mut stream = Vec::new();
        assert_eq!(
            write(&mut stream, message).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
        assert!(stream.is_empty());
    }
}
