//! The page's calls: a request comes in as the page knows it, the use case is asked, and the
//! answer goes back as the page knows it. Nothing is decided here.

mod answers;
mod data;
mod models;
mod pictures;
mod start;
mod threads;

use crate::desk::Desk;
use std::sync::Arc;
use tauri::ipc::Invoke;
use tauri::{State, Wry};
use visavis_ipc::{AppError, Command};

/// The desk as handlers get it.
type Held<'a> = State<'a, Arc<Desk>>;

/// What a call gives back: the type that the table of calls promises.
type Out<C> = Result<<C as Command>::Result, AppError>;

/// All handlers. The names are compared with the table in a test.
pub(crate) fn handler() -> impl Fn(Invoke<Wry>) -> bool + Send + Sync + 'static {
    tauri::generate_handler![
        start::start,
        start::watch,
        start::window_ready,
        start::settings_save,
        start::hardware,
        threads::thread_list,
        threads::thread_open,
        threads::thread_close,
        threads::thread_show,
        threads::thread_rename,
        threads::thread_pin,
        threads::thread_delete,
        threads::thread_restore,
        threads::search,
        threads::draft_save,
        answers::ask,
        answers::regenerate,
        answers::continue_answer,
        answers::stop,
        answers::read_ahead,
        answers::read_ahead_stop,
        pictures::picture_choose,
        pictures::picture_add_dropped,
        pictures::picture_add_pasted,
        models::model_choose,
        models::model_list,
        models::model_use,
        models::model_reload,
        data::data_folder,
        data::data_folder_show,
        data::backup_save,
        data::backup_choose,
        data::backup_restore,
        data::delete_everything,
        data::link_open,
    ]
}

#[cfg(test)]
mod tests {
    const PERMITTED: &[&str] = &include!("../../names.in");

    fn sorted(names: impl IntoIterator<Item = String>) -> Vec<String> {
        let mut names: Vec<String> = names.into_iter().collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_permitted_is_what_the_table_lists() {
        let table = sorted(visavis_ipc::NAMES.iter().map(|name| (*name).to_owned()));
        assert_eq!(
            sorted(PERMITTED.iter().map(|name| (*name).to_owned())),
            table
        );
        let source = include_str!("mod.rs");
        let list = source.split("generate_handler![").nth(1).unwrap();
        let list = list.split(']').next().unwrap();
        let handled = list
            .split(',')
            .filter_map(|entry| entry.trim().rsplit("::").next())
            .filter(|name| !name.is_empty())
            .map(str::to_owned);
        assert_eq!(sorted(handled), table);
    }

    #[test]
    fn the_page_has_no_permission_beyond_our_own_calls() {
        let text = include_str!("../../capabilities/main.json");
        let capability: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(capability["windows"], serde_json::json!(["main"]));
        assert!(capability.get("remote").is_none());
        let given = capability["permissions"].as_array().unwrap().iter();
        let given = given.map(|permission| permission.as_str().unwrap().to_owned());
        let ours = visavis_ipc::NAMES
            .iter()
            .map(|name| format!("allow-{}", name.replace('_', "-")));
        assert_eq!(sorted(given), sorted(ours));
    }

    #[test]
    fn the_page_runs_nothing_from_elsewhere() {
        let text = include_str!("../../tauri.conf.json");
        let config: serde_json::Value = serde_json::from_str(text).unwrap();
        let security = &config["app"]["security"];
        assert_eq!(config["app"]["withGlobalTauri"], false);
        for (directive, sources) in security["csp"].as_object().unwrap() {
            let sources = sources.as_str().unwrap();
            assert!(
                !sources.contains("unsafe-eval") && !sources.contains('*'),
                "{directive}"
            );
            for source in sources.split(' ') {
                let ours = ["'self'", "'none'", "data:", "blob:", "visavis:", "ipc:"];
                let local = source.ends_with(".localhost");
                let style = directive == "style-src" && source == "'unsafe-inline'";
                assert!(
                    ours.contains(&source) || local || style,
                    "{directive} {source}"
                );
            }
        }
        assert_eq!(security["csp"]["default-src"], "'none'");
        assert_eq!(security["csp"]["script-src"], "'self'");
    }
}
