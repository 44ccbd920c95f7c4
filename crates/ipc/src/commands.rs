//! The calls that the page can make.
//!
//! Each is a type: its fields are the request, and [`Command`] ties it to its answer and to what
//! its channel carries. The shell's handlers and the page's calls are both written against this
//! table, and the shell's permissions are compared with it in a test.

use crate::{
    AddedPictures, AnswerEvent, AnswerOptions, AppError, AppEvent, Backup, CheckedBackup,
    DataFolder, FoundModel, Hardware, MessageId, ModelSource, PictureRef, Question, ReadAhead,
    ReadAheadEvent, SearchPage, Settings, SettingsChange, Start, Thread, ThreadId, ThreadPage,
};
use serde::{Deserialize, Serialize};
use ts_rs::{Config, TS, TypeVisitor};

/// A call: what is asked, what comes back, and what comes through its channel meanwhile.
pub trait Command {
    /// The name under which the page calls it.
    const NAME: &'static str;
    /// What comes back; the error is always an [`AppError`].
    type Result: TS;
    /// What comes through the channel; [`Nothing`] where there is none.
    type Events: TS;
}

/// The events of calls without a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
pub enum Nothing {}

/// A row of the table, in TypeScript.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandEntry {
    /// The name under which the page calls it.
    pub name: &'static str,
    /// What it is for.
    pub docs: &'static [&'static str],
    /// The request's type; its fields are the arguments' `request`.
    pub request: String,
    /// What comes back.
    pub result: String,
    /// What comes through the channel `events`; `never` where there is none.
    pub events: String,
}

macro_rules! commands {
    ($(
        $(#[doc = $docs:literal])+
        $name:literal: $request:ident $({ $($(#[$field_attr:meta])* $field:ident: $type:ty,)+ })?
            -> $result:ty $(, $events:ty)?;
    )+) => {
        $(
            $(#[doc = $docs])+
            #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
            #[serde(rename_all = "camelCase")]
            pub struct $request { $($($(#[$field_attr])* pub $field: $type,)+)? }

            impl Command for $request {
                const NAME: &'static str = $name;
                type Result = $result;
                type Events = commands!(@events $($events)?);
            }
        )+

        /// Every call whose request is an object, in the order of this file.
        pub(crate) fn entries(config: &Config) -> Vec<CommandEntry> {
            vec![$(CommandEntry {
                name: $name,
                docs: &[$($docs),+],
                request: <$request as TS>::inline(config),
                result: <$result as TS>::name(config),
                events: <<$request as Command>::Events as TS>::name(config),
            }),+]
        }

        /// Shows every type that the calls mention to `types`.
        pub(crate) fn visit(types: &mut impl TypeVisitor) {
            $(
                <$request as TS>::visit_dependencies(types);
                types.visit::<$result>();
                types.visit::<<$request as Command>::Events>();
            )+
            types.visit::<AppError>();
        }

        /// The names of all calls, as permissions list them.
        pub const NAMES: &[&str] = &[$($name,)+ PASTED];
    };
    (@events) => { Nothing };
    (@events $events:ty) => { $events };
}

/// Takes a pasted picture: the request is its bytes, sent as the whole body of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pasted;

impl Command for Pasted {
    const NAME: &'static str = PASTED;
    type Result = AddedPictures;
    type Events = Nothing;
}

/// The call that takes the bytes of a picture: its request is a `Uint8Array`, not an object.
pub const PASTED: &str = "picture_add_pasted";

commands! {
    /// Everything the first frame needs. Fails where the data cannot be used; the page then shows
    /// the error and nothing else.
    "start": StartUp -> Start;
    /// From now on tells what happens; the page calls it once, before `start`.
    "watch": Watch -> (), AppEvent;
    /// The first frame is drawn: the window may be shown.
    "window_ready": WindowReady -> ();

    /// A part of the list of threads.
    "thread_list": ThreadList {
        /// `next` of the part before; null for the first.
        cursor: Option<String>,
        /// Threads at most: 1 to 500.
        limit: u32,
    } -> ThreadPage;
    /// Opens a thread on the branch it was left on.
    "thread_open": ThreadOpen {
        /// Which.
        #[ts(type = "ThreadId")]
        thread: ThreadId,
    } -> Thread;
    /// Nothing is open but an empty composer; remembered for the next start.
    "thread_close": ThreadClose -> ();
    /// Switches to the branch that a message lies on, and there to what was shown last.
    "thread_show": ThreadShow {
        /// The message: usually one of `siblings`.
        #[ts(type = "MessageId")]
        message: MessageId,
    } -> Thread;
    /// Names a thread. An empty title goes back to the one from the first question.
    "thread_rename": ThreadRename {
        /// Which.
        #[ts(type = "ThreadId")]
        thread: ThreadId,
        /// At most 200 characters are kept.
        title: String,
    } -> ();
    /// Keeps a thread on top, or no longer.
    "thread_pin": ThreadPin {
        /// Which.
        #[ts(type = "ThreadId")]
        thread: ThreadId,
        /// On top or not.
        pinned: bool,
    } -> ();
    /// Deletes a thread; for a minute `thread_restore` brings it back.
    "thread_delete": ThreadDelete {
        /// Which.
        #[ts(type = "ThreadId")]
        thread: ThreadId,
    } -> ();
    /// Undoes `thread_delete`.
    "thread_restore": ThreadRestore {
        /// Which.
        #[ts(type = "ThreadId")]
        thread: ThreadId,
    } -> ();

    /// Finds messages and titles that hold every word, Chinese ones too.
    "search": Search {
        /// The words.
        query: String,
        /// `next` of the part before; null for the first.
        cursor: Option<String>,
    } -> SearchPage;

    /// Asks. Comes back with the answer's id once the question is saved.
    "ask": Ask {
        /// What.
        question: Question,
    } -> i64, AnswerEvent;
    /// Answers a question once more; the new answer becomes a sibling.
    "regenerate": Regenerate {
        /// The answer that is not good enough.
        #[ts(type = "MessageId")]
        answer: MessageId,
        /// Null: as the question was asked, but with chance (temperature 0.7 where it was 0, and
        /// another seed), since the very same words would come again.
        options: Option<AnswerOptions>,
    } -> i64, AnswerEvent;
    /// Goes on with an answer that was cut, stopped or interrupted.
    "continue_answer": ContinueAnswer {
        /// Which.
        #[ts(type = "MessageId")]
        answer: MessageId,
    } -> i64, AnswerEvent;
    /// Stops an answer; its channel then ends with `done`. Nothing happens if it has ended.
    "stop": Stop {
        /// Which.
        #[ts(type = "MessageId")]
        answer: MessageId,
    } -> ();
    /// Looks at the pictures of a question that is still being typed. A new call, or the
    /// question, takes the place of an earlier one.
    "read_ahead": ReadAheadStart {
        /// What is certain.
        question: ReadAhead,
    } -> (), ReadAheadEvent;
    /// Gives the reading ahead up.
    "read_ahead_stop": ReadAheadStop -> ();

    /// Remembers what stands in a composer.
    "draft_save": DraftSave {
        /// The thread; null for the composer of a new one.
        #[ts(type = "ThreadId | null")]
        thread: Option<ThreadId>,
        /// The text.
        text: String,
        /// The pictures.
        pictures: Vec<PictureRef>,
        /// The options; null for those of the settings.
        options: Option<AnswerOptions>,
    } -> ();

    /// Lets the person choose pictures with the system's dialog. Empty when they choose none.
    "picture_choose": PictureChoose -> AddedPictures;
    /// Takes what was dropped on the window.
    "picture_add_dropped": PictureAddDropped {
        /// From [`Drag::Dropped`](crate::Drag).
        drop: u32,
    } -> AddedPictures;

    /// Lets the person choose a model on this computer with the system's dialog, and looks at it.
    /// Null when they choose none.
    "model_choose": ModelChoose {
        /// A folder or a file.
        source: ModelSource,
    } -> Option<FoundModel>;
    /// The models that are known: used before, installed, or the practice model.
    "model_list": ModelList -> Vec<FoundModel>;
    /// Loads a model and keeps it as the one in use. `watch` tells how it goes.
    "model_use": ModelUse {
        /// Its id.
        model: String,
    } -> ();
    /// Loads the model in use again, after a failure.
    "model_reload": ModelReload -> ();
    /// What this computer has. May take seconds.
    "hardware": HardwareAsk -> Hardware;

    /// Changes settings; comes back with all of them.
    "settings_save": SettingsSave {
        /// What changes.
        change: SettingsChange,
    } -> Settings;

    /// Counts what is in the data folder.
    "data_folder": DataFolderAsk -> DataFolder;
    /// Opens the data folder in the system's file manager.
    "data_folder_show": DataFolderShow -> ();
    /// Writes everything into one file that the person names. Null when they name none.
    "backup_save": BackupSave -> Option<Backup>;
    /// Lets the person choose a backup and checks it. Null when they choose none.
    "backup_choose": BackupChoose -> Option<CheckedBackup>;
    /// Replaces everything by a checked backup. What was there is kept beside it until the next
    /// one.
    "backup_restore": BackupRestore {
        /// From [`CheckedBackup`].
        backup: u32,
    } -> ();
    /// Deletes every thread, picture, draft and setting, so that it cannot be read from the disk's
    /// files again. Models stay.
    "delete_everything": DeleteEverything -> ();

    /// Opens a link in the browser. Only `https:`, and only after the page has asked.
    "link_open": LinkOpen {
        /// The whole address.
        url: String,
    } -> ();
}
