//! Another program, from which something is dragged: the source's side of XDND, version 5
//! (freedesktop.org/wiki/Specifications/XDND).

use std::error::Error;
use std::time::{Duration, Instant};
use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    Atom, AtomEnum, ClientMessageEvent, ConnectionExt, CreateWindowAux, EventMask, PropMode,
    SELECTION_NOTIFY_EVENT, SelectionNotifyEvent, SelectionRequestEvent, Window, WindowClass,
};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;
use x11rb::{COPY_DEPTH_FROM_PARENT, COPY_FROM_PARENT, CURRENT_TIME};

const VERSION: u32 = 5;
const PATIENCE: Duration = Duration::from_secs(20);

type Outcome<T> = Result<T, Box<dyn Error>>;

x11rb::atom_manager! {
    /// The words of the protocol.
    Words: WordsCookie {
        XdndAware,
        XdndSelection,
        XdndEnter,
        XdndPosition,
        XdndStatus,
        XdndDrop,
        XdndFinished,
        XdndActionCopy,
        TextUriList: b"text/uri-list",
    }
}

struct Source {
    connection: RustConnection,
    words: Words,
    window: Window,
    root: Window,
    text: String,
}

/// Drops addresses in the middle of the largest window that takes drops.
pub(crate) fn drop_uris(display: &str, uris: &[String]) -> Outcome<()> {
    let (connection, screen) = RustConnection::connect(Some(display))?;
    let screen = connection.setup().roots[screen].clone();
    let words = Words::new(&connection)?.reply()?;
    let window = connection.generate_id()?;
    connection.create_window(
        COPY_DEPTH_FROM_PARENT,
        window,
        screen.root,
        0,
        0,
        1,
        1,
        0,
        WindowClass::INPUT_OUTPUT,
        COPY_FROM_PARENT,
        &CreateWindowAux::new(),
    )?;
    let source = Source {
        connection,
        words,
        window,
        root: screen.root,
        text: uris.iter().map(|uri| format!("{uri}\r\n")).collect(),
    };
    source
        .connection
        .set_selection_owner(window, words.XdndSelection, CURRENT_TIME)?;
    source.drag_and_drop()
}

impl Source {
    fn drag_and_drop(&self) -> Outcome<()> {
        let (target, x, y) = self.target()?;
        let enter = [self.window, VERSION << 24, self.words.TextUriList, 0, 0];
        self.send(target, self.words.XdndEnter, enter)?;
        // A hand moves before it lets go; the target answers each place.
        let mut taken = false;
        for step in 0..4 {
            let at = (u32::from(x + step) << 16) | u32::from(y);
            let position = [self.window, 0, at, CURRENT_TIME, self.words.XdndActionCopy];
            self.send(target, self.words.XdndPosition, position)?;
            taken = self.until(self.words.XdndStatus)?.data.as_data32()[1] & 1 == 1;
        }
        if !taken {
            return Err("the window does not take the drop".into());
        }
        self.send(
            target,
            self.words.XdndDrop,
            [self.window, 0, CURRENT_TIME, 0, 0],
        )?;
        self.until(self.words.XdndFinished)?;
        Ok(())
    }

    /// The window that takes drops, and its middle on the screen.
    fn target(&self) -> Outcome<(Window, u16, u16)> {
        let begun = Instant::now();
        loop {
            let mut open = vec![self.root];
            let mut best: Option<(u32, Window, u16, u16)> = None;
            while let Some(window) = open.pop() {
                open.extend(self.connection.query_tree(window)?.reply()?.children);
                let aware = self
                    .connection
                    .get_property(false, window, self.words.XdndAware, AtomEnum::ATOM, 0, 1)?
                    .reply()?;
                let size = self.connection.get_geometry(window)?.reply()?;
                let area = u32::from(size.width) * u32::from(size.height);
                if aware.value_len == 0 || best.is_some_and(|(largest, ..)| largest >= area) {
                    continue;
                }
                let corner = self
                    .connection
                    .translate_coordinates(window, self.root, 0, 0)?
                    .reply()?;
                let middle = |corner: i16, side: u16| {
                    u16::try_from(i32::from(corner) + i32::from(side) / 2).unwrap_or(0)
                };
                let (x, y) = (
                    middle(corner.dst_x, size.width),
                    middle(corner.dst_y, size.height),
                );
                best = Some((area, window, x, y));
            }
            if let Some((_, window, x, y)) = best {
                return Ok((window, x, y));
            }
            if begun.elapsed() > PATIENCE {
                return Err("no window takes drops".into());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn send(&self, target: Window, kind: Atom, data: [u32; 5]) -> Outcome<()> {
        let message = ClientMessageEvent::new(32, target, kind, data);
        self.connection
            .send_event(false, target, EventMask::NO_EVENT, message)?;
        self.connection.flush()?;
        Ok(())
    }

    /// Waits for a message, and hands out the addresses meanwhile.
    fn until(&self, kind: Atom) -> Outcome<ClientMessageEvent> {
        let begun = Instant::now();
        loop {
            match self.connection.poll_for_event()? {
                Some(Event::ClientMessage(message)) if message.type_ == kind => {
                    return Ok(message);
                }
                Some(Event::SelectionRequest(request)) => self.hand_out(&request)?,
                Some(_) => {}
                None if begun.elapsed() > PATIENCE => {
                    return Err("the window does not answer the drag".into());
                }
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    fn hand_out(&self, request: &SelectionRequestEvent) -> Outcome<()> {
        let known = request.target == self.words.TextUriList;
        if known {
            self.connection.change_property8(
                PropMode::REPLACE,
                request.requestor,
                request.property,
                request.target,
                self.text.as_bytes(),
            )?;
        }
        let answer = SelectionNotifyEvent {
            response_type: SELECTION_NOTIFY_EVENT,
            sequence: 0,
            time: request.time,
            requestor: request.requestor,
            selection: request.selection,
            target: request.target,
            property: if known { request.property } else { x11rb::NONE },
        };
        self.connection
            .send_event(false, request.requestor, EventMask::NO_EVENT, answer)?;
        self.connection.flush()?;
        Ok(())
    }
}
